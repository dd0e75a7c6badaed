"""The one error tree. Each protocol edge maps it to its own shape.

PratiqueError
├── Invalid              400   the request is wrong, whoever sends it
│   └── RangeInvalid     416
├── Unauthenticated      401   nobody knows who asks
├── Denied               403   known, and without the right
├── NotFound             404
├── Conflict             409
│   └── PreconditionFailed 412
├── Gone                 410
├── TooLarge             413
├── Misdirected          421   this host does not serve that name
├── Locked               423
├── TooManyRequests      429   retry_after
├── Unavailable          503
│   └── Busy             503   retry_after
└── Corrupt              500   stored data contradicts itself

Domains subclass these in their own `errors.py`.
"""

# ruff: noqa: N818  names are the protocol's own words: `raise NotFound(...)`

from collections.abc import Mapping
from typing import Any, ClassVar


class PratiqueError(Exception):
    """An error with a stable code, a message for people and what to do next."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, remedy: str = "", **detail: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.detail: Mapping[str, Any] = detail

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class Invalid(PratiqueError):
    code = "invalid"
    status = 400


class RangeInvalid(Invalid):
    code = "range-invalid"
    status = 416


class Unauthenticated(PratiqueError):
    code = "unauthenticated"
    status = 401


class Denied(PratiqueError):
    code = "denied"
    status = 403


class NotFound(PratiqueError):
    code = "not-found"
    status = 404


class Conflict(PratiqueError):
    code = "conflict"
    status = 409


class PreconditionFailed(Conflict):
    code = "precondition-failed"
    status = 412


class Gone(PratiqueError):
    code = "gone"
    status = 410


class TooLarge(PratiqueError):
    code = "too-large"
    status = 413


class Misdirected(PratiqueError):
    code = "misdirected"
    status = 421


class Locked(PratiqueError):
    code = "locked"
    status = 423


class TooManyRequests(PratiqueError):
    """Too many requests from one caller; `retry_after` is in seconds."""

    code = "too-many-requests"
    status = 429

    def __init__(self, message: str, *, retry_after: float = 1.0, remedy: str = "", **detail: Any) -> None:
        super().__init__(message, remedy=remedy, **detail)
        self.retry_after = retry_after


class Unavailable(PratiqueError):
    code = "unavailable"
    status = 503


class Busy(Unavailable):
    """Nothing was changed, and the same request may succeed after `retry_after` seconds."""

    code = "busy"
    status = 503

    def __init__(self, message: str, *, retry_after: float = 1.0, remedy: str = "", **detail: Any) -> None:
        super().__init__(message, remedy=remedy, **detail)
        self.retry_after = retry_after


class Corrupt(PratiqueError):
    code = "corrupt"
    status = 500
