"""Bulk work in transactions short enough that a push does not notice them."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from pratique.core.database import Database, Transaction
from pratique.core.database.database import PIECE

T = TypeVar("T")
R = TypeVar("R")
_FIRST, _MOST = 16, 2000


class Pieces:
    """Cuts work so that each transaction holds the database for about half of the 50 ms that one may take."""

    def __init__(self, database: Database, check: Callable[[], None]) -> None:
        self._database = database
        self._check = check
        self._size = _FIRST
        self.longest = 0.0
        """Seconds of the longest piece so far."""

    def each(self, items: Sequence[T], body: Callable[[Transaction, Sequence[T]], R]) -> list[R]:
        """Run `body` on all items, some at a time; return what it returned. The check may end the work in between."""
        done, results = 0, []
        while done < len(items):
            part = items[done : done + self._size]
            results.append(self._run(lambda tx, part=part: body(tx, part)))  # type: ignore[misc]
            done += len(part)
        return results

    def until_empty(self, body: Callable[[Transaction, int], int]) -> int:
        """Run `body`, which takes up to so many items and returns how many it took, until it takes none."""
        total = 0
        while taken := self._run(lambda tx: body(tx, self._size)):
            total += taken
        return total

    def _run(self, body: Callable[[Transaction], R]) -> R:
        self._check()
        spent = 0.0

        def timed(tx: Transaction) -> R:
            nonlocal spent
            began = time.monotonic()
            try:
                return body(tx)
            finally:
                spent = time.monotonic() - began

        value = self._database.write(timed)
        self.longest = max(self.longest, spent)
        if spent > PIECE / 2:
            self._size = max(1, int(self._size * PIECE / 2 / spent))
        elif spent < PIECE / 5:
            self._size = min(_MOST, self._size * 2)
        return value
