"""Why a request to another server was not made or not believed.

PratiqueError
├── Invalid ── OutwardRefused           the address or the answer breaks a rule; trying again changes nothing
└── Unavailable ── OutwardUnavailable   the other side did not answer as a server should; it may later
"""

from pratique.core.errors import Invalid, Unavailable


class OutwardRefused(Invalid):
    """Nothing was sent, or nothing of the answer was used, because a rule forbids it."""

    code = "outward-refused"


class OutwardUnavailable(Unavailable):
    """The other server cannot be reached, broke off, or took longer than it may."""

    code = "outward-unavailable"
