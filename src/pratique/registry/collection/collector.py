"""Takes away what nothing names any more, while clients push, mount, restore and delete (ADR 0313).

Invariants, for every state that a crash may leave:
- A blob that a manifest names, that lies under a lease, or that something restorable needs, has its row and its bytes.
- A row goes before its bytes, and its segments are condemned in the transaction that removes it.
- Bytes go only if they are condemned; no row names a condemned segment, and none ever will.
- Each transaction asks again what it takes, so it does not matter how old the look was that proposed it.
- Nothing is remembered between two runs but rows: a run that was cut off is gone on with by the next one.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from pratique.core.blobs import BlobStore
from pratique.core.clock import DAY
from pratique.core.database import Database, Transaction
from pratique.core.events import Event, EventBus
from pratique.core.permissions import SYSTEM
from pratique.registry.blobs import spans_of
from pratique.registry.collection import roots, segments
from pratique.registry.collection.pieces import Pieces
from pratique.registry.collection.sweep import Sweep
from pratique.registry.deleted import forget_expired
from pratique.registry.deletions import Deletions
from pratique.registry.errors import ContentLocked
from pratique.registry.tables import uploads
from pratique.registry.types import RepositoryName

BLOBS_COLLECTED = "pratique.registry.blobs.collected.v1"
LONELY = "what it speaks about is gone"
_LINKS = 5000
_REMOVALS = 500
_EVENT = 200
_REMEMBER = 30 * DAY
_THREADS = 16
Progress = Callable[[int, int | None, str], None]


@dataclass
class Counts:
    """How many of what went, and how many bytes that were."""

    kinds: dict[str, list[int]] = field(default_factory=dict)

    def add(self, kind: str, number: int, size: int = 0) -> None:
        if number:
            found = self.kinds.setdefault(kind, [0, 0])
            found[0] += number
            found[1] += size


class Collector:
    """Runs the steps of one collection; each can be repeated at any time."""

    def __init__(
        self,
        database: Database,
        store: BlobStore,
        events: EventBus,
        deletions: Deletions,
        *,
        read_grace: int,
        orphan_age: int,
        blob_lease: int,
    ) -> None:
        self._database = database
        self._store = store
        self._events = events
        self._deletions = deletions
        self._grace = read_grace
        self.lease = blob_lease
        self.sweep = Sweep(database, store, age=orphan_age)

    def run(self, check: Callable[[], None] = lambda: None, progress: Progress = lambda *_: None) -> Counts:
        """Do every step once; `check` is called before each transaction and may raise to end the run."""
        counts, pieces = Counts(), Pieces(self._database, check)
        progress(0, None, "deleted items whose time is over")
        counts.add("deleted items", pieces.until_empty(forget_expired))
        progress(0, None, "unfinished uploads")
        self.expire_uploads(pieces, counts)
        progress(0, None, "blobs that no manifest names")
        self.unlink(pieces, counts)
        self.forget_blobs(pieces, counts, progress)
        progress(0, None, "segments without a row")
        swept = self.sweep.run(pieces, lambda done, of: progress(done, of, "segments without a row"))
        counts.add("suspected segments", swept.suspected)
        counts.add("orphaned segments", swept.condemned)
        self.remove(pieces, counts, progress)
        progress(0, None, "signatures and attestations of what is gone")
        self.drop_lonely(pieces, counts)
        pieces.until_empty(segments.forget_removed)
        return counts

    def expire_uploads(self, pieces: Pieces, counts: Counts) -> None:
        """Forget uploads whose time is over; their segments are condemned with them."""
        while found := self._database.read(lambda tx: roots.find_uploads(tx, _LINKS)):
            for number, size in pieces.each([row.id for row in found], self._expire):
                counts.add("uploads", number, size)

    def unlink(self, pieces: Pieces, counts: Counts) -> None:
        """Forget in each repository what no manifest there names and no lease protects."""
        after = ("", 0)
        while found := self._database.read(lambda tx, after=after: roots.find_links(tx, after, _LINKS)):  # type: ignore[misc]
            after = (found[-1].repository_id, found[-1].blob_id)
            counts.add("links", sum(pieces.each([(row.repository_id, row.blob_id) for row in found], self._unlink)))

    def forget_blobs(self, pieces: Pieces, counts: Counts, progress: Progress = lambda *_: None) -> None:
        """Forget blobs that nothing holds, and condemn their segments; tell who keeps facts about them."""
        after: int | None = 0
        while after is not None:
            progress(after, None, "blobs that nothing holds")
            found, after = self._database.read(lambda tx, after=after: roots.find_blobs(tx, after))  # type: ignore[misc]
            for number, size in pieces.each(found, self._forget):
                counts.add("blobs", number, size)

    def remove(self, pieces: Pieces, counts: Counts, progress: Progress = lambda *_: None) -> None:
        """Remove the bytes of condemned segments whose grace is over."""
        while due := self._database.read(lambda tx: segments.due_condemned(tx, _REMOVALS)):
            self._remove_bytes([row.key for row in due])
            pieces.each(due, lambda tx, part: segments.record_removed(tx, part, tx.now + _REMEMBER))
            counts.add("segments", len(due), sum(row.size for row in due))
            progress(counts.kinds["segments"][0], None, "segments removed")

    def drop_lonely(self, pieces: Pieces, counts: Counts) -> None:
        """Delete signatures and attestations whose subject is gone for good; their blobs go with the next run."""
        after = 0
        while True:
            found = self._database.read(lambda tx, after=after: roots.find_lonely(tx, tx.now - self.lease, after, 500))  # type: ignore[misc]
            if not found:
                return
            after = found[-1].id
            counts.add("referrers", sum(pieces.each([row.id for row in found], self._drop_lonely)))

    def _expire(self, tx: Transaction, ids: Sequence[str]) -> tuple[int, int]:
        rows = roots.expired(tx, ids)
        spans = [span for row in rows for span in spans_of(row.segments)]
        segments.condemn(tx, spans, "upload", tx.now)
        tx.execute(sa.delete(uploads).where(uploads.c.id.in_([row.id for row in rows])))
        return len(rows), sum(row.size for row in rows)

    def _unlink(self, tx: Transaction, keys: Sequence[tuple[str, int]]) -> int:
        return len(roots.unlink(tx, keys))

    def _forget(self, tx: Transaction, blob_ids: Sequence[int]) -> tuple[int, int]:
        rows = roots.forget_blobs(tx, blob_ids)
        spans = [span for row in rows for span in spans_of(row.segments)]
        segments.condemn(tx, spans, "blob", tx.now + self._grace)
        digests = [row.digest for row in rows]
        for start in range(0, len(digests), _EVENT):
            part = digests[start : start + _EVENT]
            self._events.publish(tx, Event(BLOBS_COLLECTED, part[0], {"digests": part}))
        return len(rows), sum(row.size for row in rows)

    def _drop_lonely(self, tx: Transaction, ids: Sequence[int]) -> int:
        dropped = 0
        for manifest_id in ids:
            row = roots.is_lonely(tx, manifest_id, tx.now - self.lease)
            if row is not None and self._drop(tx, row):
                dropped += 1
        return dropped

    def _drop(self, tx: Transaction, row: sa.Row[Any]) -> bool:
        try:
            self._deletions.delete_found(tx, SYSTEM, RepositoryName(row.repository), row, LONELY)
        except ContentLocked:
            return False
        return True

    def _remove_bytes(self, keys: Sequence[str]) -> None:
        if self._store.segment_limit is None:
            for key in keys:
                self._store.delete(key)
            return
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="collect") as threads:
            list(threads.map(self._store.delete, keys))
