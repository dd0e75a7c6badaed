"""What other registries do wrong, each named with the host.

PratiqueError
├── Invalid ── CacheRuleInvalid
├── NotFound ── CacheRuleUnknown
├── Conflict ── CacheRuleExists
└── Unavailable
    ├── UpstreamAway      503   no answer, a failure of its own, or too many requests; later it may
    ├── UpstreamDenied    502   it wants other credentials, or refuses
    └── UpstreamInvalid   502   what it answers is not what was asked for
"""

from typing import Any

from pratique.core.errors import Conflict, Invalid, NotFound, Unavailable


class CacheRuleInvalid(Invalid):
    code = "cache-rule-invalid"


class CacheRuleUnknown(NotFound):
    code = "cache-rule-unknown"


class CacheRuleExists(Conflict):
    code = "cache-rule-exists"


class UpstreamAway(Unavailable):
    """The other registry cannot be asked now; `retry_after` is in seconds, 0 where it said nothing."""

    code = "upstream-away"

    def __init__(self, message: str, *, retry_after: float = 0.0, remedy: str = "", **detail: Any) -> None:
        super().__init__(message, remedy=remedy, **detail)
        self.retry_after = retry_after


class UpstreamDenied(Unavailable):
    code = "upstream-denied"
    status = 502


class UpstreamInvalid(Unavailable):
    code = "upstream-invalid"
    status = 502
