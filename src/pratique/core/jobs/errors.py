"""What a handler may raise, or meet, beside ordinary errors (which lead to a retry)."""

# ruff: noqa: N818  named for what is to be done, not for a fault

from pratique.core.errors import Conflict, PratiqueError


class Cancelled(PratiqueError):
    """Somebody cancelled the job; it ends here and is not repeated."""

    code = "job-cancelled"


class Interrupted(PratiqueError):
    """The worker stops; the job goes back to the queue and the attempt does not count."""

    code = "job-interrupted"


class LeaseLost(Conflict):
    """The job was given to another worker, or ended, while this one still had it: nothing more of it may be stored."""

    code = "job-lease-lost"


class GiveUp(PratiqueError):
    """No further attempt can succeed; the job goes to the dead letters with this message."""

    code = "job-hopeless"


class Postpone(PratiqueError):
    """Not yet: run again after `seconds`; the attempt does not count."""

    code = "job-postponed"

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds
