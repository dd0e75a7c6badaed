"""Wrong client secrets, counted in memory: they make their sender wait, write nothing, and lock nobody out."""

from pratique.core.clock import MINUTE, SECOND, Clock
from pratique.identity.attempts import network_of

_WINDOW = 15 * MINUTE
_TRIES = 5
_TRIES_PER_ADDRESS = 50
_TABLE = 20_000


class Failures:
    """Counts wrong tries per name and address, and per address, for a quarter of an hour."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}

    def note(self, name: str, address: str) -> float:
        """Count one wrong try; return 0, or the seconds after which the sender may try again."""
        now = self._clock.now()
        place = network_of(address)
        if len(self._counts) >= _TABLE:
            self._forget(now)
        waits = [
            self._count((name, place), _TRIES, now),
            self._count(("", place), _TRIES_PER_ADDRESS, now),
        ]
        return max(waits)

    def _count(self, key: tuple[str, str], limit: int, now: int) -> float:
        count, until = self._counts.get(key, (0, now + _WINDOW))
        if until <= now:
            count, until = 0, now + _WINDOW
        self._counts[key] = (count + 1, until)
        return (until - now) / SECOND if count >= limit else 0.0

    def _forget(self, now: int) -> None:
        self._counts = {key: value for key, value in self._counts.items() if value[1] > now}
        if len(self._counts) >= _TABLE:
            self._counts = {}
