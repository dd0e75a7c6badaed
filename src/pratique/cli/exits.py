"""Exit codes of the command line; `docs/reference/cli.md` lists them from here."""

from enum import IntEnum
from typing import Self

from pratique.core.errors import PratiqueError


class Exit(IntEnum):
    """What a script may rely on."""

    DONE = 0, "done; the answer is yes"
    NO = 1, "done; the answer is no: findings at or above --fail-on, a refused image, a check that failed"
    USAGE = 2, "the command, an option, a setting or the input was wrong"
    FAILED = 3, "the command could not do its work; the message says what to do"
    RETRY = 4, "the server is down, busy or starting: the same command may work later"
    DENIED = 5, "not signed in, or a right is missing; the message names it"
    UNDECIDED = 6, "no answer yet: the image is held, or could not be assessed"
    FAULT = 70, "a fault in Pratique itself; the trace is printed"
    INTERRUPTED = 130, "interrupted"

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """Keep the code as the number and the meaning beside it."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


_BY_STATUS = {
    400: Exit.USAGE,
    401: Exit.DENIED,
    403: Exit.DENIED,
    429: Exit.RETRY,
    503: Exit.RETRY,
}


def exit_code(error: PratiqueError) -> Exit:
    """Return the exit code of an error: by what it means for a script, not by where it came from."""
    return _BY_STATUS.get(error.status, Exit.FAILED)
