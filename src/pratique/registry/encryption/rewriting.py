"""The job that rewrites segments and re-wraps keys; pulls and pushes go on beside it.

A blob's new segments are written and its digest is proved before its row names them, in one transaction that gives the
old ones up; those stay for a day, so that who reads them may finish. A crash leaves segments that nobody names, which
collection removes. What is as it should be is passed over, so a job that is started again goes on where it was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from pratique.core.blobs import SegmentSpan
from pratique.core.blobs.reader import read_spans
from pratique.core.blobs.sealed import SealedBlobStore
from pratique.core.clock import DAY
from pratique.core.database import Database, Transaction
from pratique.core.digests import Digest, Hasher
from pratique.core.errors import Corrupt
from pratique.core.jobs import JobContext, JobHandlers, JobQueue
from pratique.registry.blobs import segments_of, spans_of
from pratique.registry.collection.segments import claim_segments, condemn
from pratique.registry.ingest import Ingest
from pratique.registry.tables import blobs

REWRITE: Final = "registry.rewrite-segments"
_PAGE: Final = 100
_row = blobs.c


@dataclass(slots=True)
class Stored:
    """How the bytes of all blobs are stored."""

    plain_segments: int = 0
    plain_bytes: int = 0
    sealed_segments: int = 0
    sealed_bytes: int = 0
    by_key: dict[str, int] = field(default_factory=dict)
    """Segments by the id of the key that wraps theirs."""

    def add(self, span: SegmentSpan) -> None:
        if span.version == 0:
            self.plain_segments += 1
            self.plain_bytes += span.size
            return
        key_id = span.seal.rpartition(".")[0]
        self.sealed_segments += 1
        self.sealed_bytes += span.size
        self.by_key[key_id] = self.by_key.get(key_id, 0) + 1


class Rewriting:
    """Brings blobs to `blobs.encrypt`, and their keys to the newest one."""

    def __init__(self, database: Database, store: SealedBlobStore) -> None:
        self._database = database
        self._store = store

    def register(self, handlers: JobHandlers) -> None:
        handlers.register(REWRITE, self.run, timeout=7 * 86400.0, concurrency=1)

    def request(self, tx: Transaction, jobs: JobQueue) -> str:
        """Queue the job, or return the one that is queued or runs."""
        return jobs.enqueue(tx, REWRITE, {}, unique=REWRITE, priority=90)

    def survey(self) -> Stored:
        """Count how everything is stored."""
        found = Stored()
        for _, _, _, spans in self._blobs():
            for span in spans:
                found.add(span)
        return found

    def run(self, context: JobContext) -> None:
        """Go through all blobs once."""
        total = self._database.read(lambda tx: tx.execute(sa.select(sa.func.count()).select_from(blobs)).scalar_one())
        newest = self._store.wrapping.active()
        for done, (blob_id, digest, segments, spans) in enumerate(self._blobs(), 1):
            context.raise_if_cancelled()
            if any((span.version != 0) != self._store.writes for span in spans):
                self._rewrite(context, blob_id, digest, segments, spans)
            else:
                self._rewrap(blob_id, segments, spans, newest)
            context.progress(done, total, digest)

    def _blobs(self) -> Iterator[tuple[int, str, Any, Sequence[SegmentSpan]]]:
        last = 0
        columns = sa.select(_row.id, _row.digest, _row.segments).order_by(_row.id).limit(_PAGE)
        while page := self._database.read(lambda tx, last=last: tx.execute(columns.where(_row.id > last)).all()):  # type: ignore[misc]
            for row in page:
                yield row.id, row.digest, row.segments, spans_of(row.segments)
            last = page[-1].id

    def _rewrite(
        self, context: JobContext, blob_id: int, digest: str, segments: Any, spans: Sequence[SegmentSpan]
    ) -> None:
        expected = Digest.parse(digest)
        size = sum(span.size for span in spans)
        ingest = Ingest(self._store, Hasher(expected.algorithm), size)
        try:
            for piece in read_spans(self._store, spans, 0, size):
                context.raise_if_cancelled()
                ingest.take([piece])
            new = ingest.seal()
            _check(ingest.hasher.digest(), expected)
            if not self._replace(blob_id, segments, spans, new):
                ingest.abort()
        except BaseException:
            ingest.abort()
            raise

    def _replace(self, blob_id: int, segments: Any, spans: Sequence[SegmentSpan], new: Sequence[SegmentSpan]) -> bool:
        """Make the row name the new segments, unless it was changed or removed meanwhile."""

        def body(tx: Transaction) -> bool:
            claim_segments(tx, new)
            same = (_row.id == blob_id) & (_row.segments == segments)
            if tx.execute(sa.update(blobs).where(same).values(segments=segments_of(new))).rowcount != 1:
                return False
            condemn(tx, spans, "blob", tx.now + DAY)
            return True

        return self._database.write(body)

    def _rewrap(self, blob_id: int, segments: Any, spans: Sequence[SegmentSpan], newest: str) -> None:
        wrapping = self._store.wrapping
        if all(span.version == 0 or span.seal.rpartition(".")[0] == newest for span in spans):
            return
        new = [wrapping.rewrap(span, newest) if span.version else span for span in spans]
        same = (_row.id == blob_id) & (_row.segments == segments)
        self._database.write(lambda tx: tx.execute(sa.update(blobs).where(same).values(segments=segments_of(new))))


def _check(found: Digest, expected: Digest) -> None:
    """Raise Corrupt for bytes that have rotted: encrypting them would hide it."""
    if found != expected:
        raise Corrupt(f"{expected} is stored with other bytes.", remedy="Restore it from a backup, or push it again.")
