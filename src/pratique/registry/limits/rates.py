"""How often somebody may ask: a bucket of tokens per principal and kind of request, and one for all together.

Counted in memory, in each process by itself: with several processes behind one address a principal gets that many times
the limit. Everything runs on the event loop, so there is no lock.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pratique.core.errors import TooManyRequests

MOST_BUCKETS = 20_000


@dataclass(slots=True)
class Bucket:
    """Holds a minute's worth of requests and is filled all the time."""

    tokens: float
    filled_at: float

    def take(self, per_minute: int, now: float) -> float:
        """Take one; return 0, or the seconds until there is one."""
        self.tokens = min(per_minute, self.tokens + max(0.0, now - self.filled_at) * per_minute / 60)
        self.filled_at = now
        if self.tokens < 1:
            return (1 - self.tokens) * 60 / per_minute
        self.tokens -= 1
        return 0.0


class Rates:
    """Limits for one kind of request; 0 is no limit."""

    def __init__(self, each: int, everybody: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._each = each
        self._everybody = everybody
        self._clock = clock
        self._all = Bucket(everybody, clock())
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, who: str) -> None:
        """Count one request of `who`, or raise TooManyRequests with the time to wait."""
        now = self._clock()
        if self._each:
            self._refuse(self._bucket(who, now).take(self._each, now), "you have")
        if self._everybody:
            self._refuse(self._all.take(self._everybody, now), "all clients together have")

    def _bucket(self, who: str, now: float) -> Bucket:
        bucket = self._buckets.get(who)
        if bucket is None:
            bucket = self._buckets[who] = Bucket(self._each, now)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(who)
        return bucket

    def _refuse(self, seconds: float, who: str) -> None:
        if seconds:
            raise TooManyRequests(
                f"{who} asked too often", retry_after=max(1.0, seconds), remedy=f"wait {max(1, round(seconds))} s"
            )
