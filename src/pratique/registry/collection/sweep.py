"""Finds segments in the store that no row names: left behind where a process died between writing and recording.

Nothing is taken at first sight, as a request may be about to record it. What no row names is suspected; what is still
unnamed a day later is condemned, by a look at every row that begins after the mark was there for all to see. The order
of that look matters: uploads first, as a segment moves from an upload to a blob and never back.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.blobs import BlobStore
from pratique.core.clock import MINUTE
from pratique.core.database import Database, Transaction
from pratique.registry.collection import segments
from pratique.registry.collection.pieces import Pieces
from pratique.registry.collection.tables import doomed_segments
from pratique.registry.tables import blobs, uploads

_KEY = re.compile(r"[0-9a-f]{32}")
_AT_ONCE = 200_000
"""Keys that are held in memory at a time."""
_PAGE = 1000
_ROWS = 5000
_SPACE = 1 << 16
_OLDEST = sa.text(
    "SELECT (extract(epoch FROM min(xact_start)) * 1000000)::bigint FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one look at the store came to."""

    listed: int
    suspected: int
    condemned: int


class Sweep:
    """Compares the store with the rows, one part of the key space after the other; memory stays bounded."""

    def __init__(self, database: Database, store: BlobStore, *, age: int) -> None:
        self._database = database
        self._store = store
        self._age = age

    def run(self, pieces: Pieces, progress: Callable[[int, int], None]) -> Swept:
        """Mark what is unnamed and condemn what stayed so; stops where the check of `pieces` says so."""
        parts = self._parts()
        total = [0, 0, 0]
        for number in range(parts):
            progress(number, parts)
            low, high = number * _SPACE // parts, (number + 1) * _SPACE // parts
            found = self._part(pieces, f"{low:04x}" if number else "", f"{high:04x}" if number + 1 < parts else "g")
            total = [before + more for before, more in zip(total, found, strict=True)]
        return Swept(*total)

    def unnamed_and_due(self) -> list[tuple[str, int]]:
        """For a dry run: return key and size of what a run now would condemn."""
        due = self._database.read(lambda tx: segments.due_suspects(tx, "", _AT_ONCE))
        named = self.named(set(due))
        return [(key, self._size(key)) for key in due if key not in named]

    def named(self, keys: set[str]) -> set[str]:
        """Return those of the keys that a row names."""
        if not keys:
            return set()
        return {key for key in self._named_keys() if key in keys}

    def _part(self, pieces: Pieces, low: str, high: str) -> tuple[int, int, int]:
        due = [key for key in self._due(low) if key < high]
        listed = set(self._listed(low, high))
        named = self.named(listed | set(due))
        settled = pieces.each(due, lambda tx, part: segments.settle_suspects(tx, part, named)) if due else []
        known = self._doomed(low, high)
        new = sorted(listed - named - known)
        pieces.each(new, lambda tx, part: segments.suspect(tx, part, tx.now + self._age))
        return len(listed), len(new), sum(settled)

    def _due(self, after: str) -> list[str]:
        """Suspects of long standing, marked before the oldest transaction that is still open began."""

        def read(tx: Transaction) -> list[str]:
            due = segments.due_suspects(tx, after, _AT_ONCE)
            oldest = tx.execute(_OLDEST).scalar_one() if tx.dialect == "postgresql" else None
            if oldest is None:
                return due
            row = doomed_segments.c
            seen = sa.select(row.key).where(row.state == segments.SUSPECTED, row.since + MINUTE < oldest)
            visible = set(tx.execute(seen).scalars())
            return [key for key in due if key in visible]

        return self._database.read(read)

    def _listed(self, low: str, high: str) -> Iterator[str]:
        after = low
        while keys := self._store.keys(after, _PAGE):
            yield from (key for key in keys if key < high and _KEY.fullmatch(key))
            after = keys[-1]
            if after >= high:
                return

    def _doomed(self, low: str, high: str) -> set[str]:
        row = doomed_segments.c
        query = sa.select(row.key).where(row.key > low, row.key < high)
        return self._database.read(lambda tx: set(tx.execute(query).scalars()))

    def _named_keys(self) -> Iterator[str]:
        for rows in self._uploads():
            yield from (segment[0] for spans in rows for segment in spans)
        for rows in self._blobs():
            yield from (segment[0] for spans in rows for segment in spans)

    def _uploads(self) -> Iterator[list[list[list[str]]]]:
        last = ""
        while True:
            query = sa.select(uploads.c.id, uploads.c.segments).where(uploads.c.id > last)
            page = query.order_by(uploads.c.id).limit(_ROWS)
            rows = self._database.read(lambda tx, page=page: tx.execute(page).all())  # type: ignore[misc]
            if not rows:
                return
            last = rows[-1].id
            yield [row.segments for row in rows]

    def _blobs(self) -> Iterator[list[list[list[str]]]]:
        last = 0
        while True:
            page = sa.select(blobs.c.id, blobs.c.segments).where(blobs.c.id > last).order_by(blobs.c.id).limit(_ROWS)
            rows = self._database.read(lambda tx, page=page: tx.execute(page).all())  # type: ignore[misc]
            if not rows:
                return
            last = rows[-1].id
            yield [row.segments for row in rows]

    def _parts(self) -> int:
        def count(tx: Transaction) -> int:
            row = tx.execute(sa.select(sa.func.count().label("rows"), sa.func.sum(blobs.c.size).label("bytes"))).one()
            return int(row.rows) + int(row.bytes or 0) // (self._store.segment_limit or 1 << 62)

        return min(self._database.read(count) // _AT_ONCE + 1, 256)

    def _size(self, key: str) -> int:
        from pratique.core.errors import PratiqueError

        try:
            return self._store.size(key)
        except PratiqueError:
            return 0
