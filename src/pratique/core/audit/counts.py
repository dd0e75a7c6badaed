"""Counts of what happens too often to be written one by one: per minute, principal, action and target; bounded."""

from collections.abc import Iterator
from dataclasses import dataclass

from pratique.core.audit.types import Principal
from pratique.core.clock import MINUTE

MOST_KEYS = 4096
"""Different (action, principal, target) in one minute; beyond that targets are counted together as '*'."""
MOST_ANONYMOUS = 64
"""The same for callers whom nobody knows: they can write at most so many rows a minute, whatever they ask for."""


@dataclass(slots=True)
class Count:
    """How often one principal did one thing to one target within a minute."""

    minute: int
    action: str
    principal: Principal
    target: str
    count: int = 0


class Counts:
    """Not synchronised: its owner holds a lock."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str, str, str], Count] = {}
        self._anonymous = 0
        self._minute = 0

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, now: int, action: str, principal: Principal, target: str, amount: int) -> None:
        minute = now // MINUTE
        if minute != self._minute:
            self._minute, self._anonymous = minute, 0
        key = (minute, action, principal.principal_id, target)
        found = self._counts.get(key)
        if found is None:
            found = self._begin(key, principal)
        found.count += amount

    def take(self, before: int) -> Iterator[Count]:
        """Remove and yield the counts of all minutes that were over at `before`."""
        minute = before // MINUTE
        for key in [key for key in self._counts if key[0] < minute]:
            yield self._counts.pop(key)

    def _begin(self, key: tuple[int, str, str, str], principal: Principal) -> Count:
        minute, action, principal_id, target = key
        if principal.kind == "anonymous":
            # Actions are our own words, so only targets need a bound.
            if self._anonymous >= MOST_ANONYMOUS:
                target = "*"
            self._anonymous += 1
        elif len(self._counts) >= MOST_KEYS:
            target = "*"
        return self._counts.setdefault((minute, action, principal_id, target), Count(minute, action, principal, target))
