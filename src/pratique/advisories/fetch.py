"""The one HTTP client set-up of the feeds: conditional, resumable, bounded requests, through a mirror if one is set."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds of one download; a source that passes one of them is refused, the old data stays."""

    max_bytes: int = 1 << 30
    connect_seconds: float = 20.0
    read_seconds: float = 60.0
    total_seconds: float = 3600.0


class FeedClient:
    """Fetches `https://HOST/PATH`, or `MIRROR/HOST/PATH` when a mirror is set; asks only when told to."""

    def __init__(self, *, mirror: str = "", limits: FetchLimits = FetchLimits()) -> None:
        self.mirror = mirror.rstrip("/")
        self.limits = limits
