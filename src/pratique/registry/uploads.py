"""Uploads: a row with saved hash state and a list of segments, so that any process can take one up.

- Bytes count once the row says so; the row is written after its segments are durable.
- Two requests that add to one upload at the same time: one wins, the other is told where the upload stands.
- An upload belongs to one principal in one repository; for everybody else it does not exist.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.blobs import BlobStore, SegmentSpan
from pratique.core.blobs.reader import read_spans
from pratique.core.clock import SECOND
from pratique.core.database import Database, Transaction
from pratique.core.digests import Algorithm, Digest, Hasher
from pratique.core.events import EventBus
from pratique.core.ids import new_id
from pratique.core.permissions import Caller
from pratique.registry.arrivals import blob_arrived
from pratique.registry.blobs import segments_of, spans_of, store_blob
from pratique.registry.collection.segments import claim_segments
from pratique.registry.errors import DigestInvalid, UploadRangeInvalid, UploadUnknown
from pratique.registry.ingest import Ingest
from pratique.registry.locks import Locks
from pratique.registry.repositories import ensure_repository, find_repository
from pratique.registry.tables import uploads
from pratique.registry.types import RepositoryName


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as it stands."""

    id: str
    size: int
    hash_state: bytes
    spans: tuple[SegmentSpan, ...]


class Uploads:
    """The use cases of uploads; everything blocks except where it says so."""

    def __init__(
        self,
        database: Database,
        store: BlobStore,
        events: EventBus,
        *,
        lifetime: float,
        blob_lease: float,
        blob_limit: int,
    ) -> None:
        self._database = database
        self._events = events
        self._store = store
        self._lifetime = round(lifetime * SECOND)
        self._lease = round(blob_lease * SECOND)
        self._limit = blob_limit
        self._locks = Locks()

    async def start(self, caller: Caller, name: RepositoryName, algorithm: Algorithm) -> str:
        """Begin an upload and return its id."""
        upload_id = new_id()
        state = Hasher(algorithm).save()

        def body(tx: Transaction) -> None:
            repository_id = find_repository(tx, name)
            if repository_id is not None:
                self._locks.check_push(tx, repository_id)
            tx.execute(
                sa.insert(uploads),
                {
                    "id": upload_id,
                    "repository": name.value,
                    "principal_id": caller.principal_id,
                    "size": 0,
                    "hash_state": state,
                    "segments": [],
                    "expires_at": tx.now + self._lifetime,
                    "closed": False,
                },
            )

        await self._database.write_async(body)
        return upload_id

    def find(self, tx: Transaction, caller: Caller, name: RepositoryName, upload_id: str) -> Upload:
        """Return the upload; raises UploadUnknown for one of another repository or principal."""
        row = tx.execute(
            sa.select(uploads.c.size, uploads.c.hash_state, uploads.c.segments).where(
                uploads.c.id == upload_id,
                uploads.c.repository == name.value,
                uploads.c.principal_id == caller.principal_id,
                uploads.c.closed.is_(False),
            )
        ).one_or_none()
        if row is None:
            raise UploadUnknown("there is no such upload", remedy="start the upload again")
        return Upload(upload_id, row.size, row.hash_state, spans_of(row.segments))

    def ingest(self, upload: Upload | None, algorithm: Algorithm = "sha256") -> Ingest:
        """Return where the next bytes go; for an upload that holds bytes its saved state decides the algorithm."""
        if upload is None or upload.size == 0:
            return Ingest(self._store, Hasher(algorithm), self._limit)
        return Ingest(self._store, Hasher.restore(upload.hash_state, lambda: self._reread(upload.spans)), self._limit)

    async def append(self, upload: Upload, ingest: Ingest, new: Sequence[SegmentSpan]) -> int:
        """Record durable segments; return the new size. Raises UploadRangeInvalid when another request was quicker."""
        size = upload.size + sum(span.size for span in new)
        state = ingest.hasher.save()

        def body(tx: Transaction) -> int:
            claim_segments(tx, new)
            row = uploads.c
            return tx.execute(
                sa.update(uploads)
                .where(row.id == upload.id, row.size == upload.size, row.closed.is_(False))
                .values(
                    size=size,
                    hash_state=state,
                    segments=segments_of((*upload.spans, *new)),
                    expires_at=tx.now + self._lifetime,
                )
            ).rowcount

        if await self._database.write_async(body) != 1:
            raise UploadRangeInvalid("another request has changed this upload", remedy="ask for its range and go on")
        return size

    def check(self, ingest: Ingest, digest: Digest, spans: Sequence[SegmentSpan]) -> None:
        """Raise DigestInvalid unless the bytes have this digest; they are read again only for another algorithm."""
        found = ingest.hasher.digest()
        if found.algorithm != digest.algorithm:
            hasher = Hasher(digest.algorithm)
            for piece in self._reread(spans):
                hasher.update(piece)
            found = hasher.digest()
        if found != digest:
            raise DigestInvalid("the bytes do not have this digest", remedy=f"they have {found}; send them again")

    async def finish(
        self, name: RepositoryName, digest: Digest, spans: Sequence[SegmentSpan], upload: Upload | None
    ) -> tuple[SegmentSpan, ...]:
        """Turn checked bytes into a blob of the repository; return segments that are not needed and can be removed."""

        def body(tx: Transaction) -> tuple[SegmentSpan, ...]:
            if upload is not None:
                self._close(tx, upload)
            repository_id = ensure_repository(tx, name)
            unneeded = store_blob(tx, repository_id, str(digest), spans, tx.now + self._lease)
            self.arrived(tx, repository_id, name, str(digest))
            return unneeded

        return await self._database.write_async(body)

    def arrived(self, tx: Transaction, repository_id: str, name: RepositoryName, digest: str) -> None:
        """A blob has come to a repository in another way than by an upload."""
        blob_arrived(tx, self._events, repository_id, name.value, digest)

    async def cancel(self, upload: Upload) -> None:
        """Forget the upload; its segments are removed by the caller."""
        await self._database.write_async(lambda tx: self._close(tx, upload))

    def remove(self, spans: Iterable[SegmentSpan]) -> None:
        """Remove segments that no row names."""
        for span in spans:
            self._store.delete(span.key)

    def _close(self, tx: Transaction, upload: Upload) -> None:
        row = uploads.c
        condition = (row.id == upload.id) & (row.size == upload.size) & row.closed.is_(False)
        if tx.execute(sa.delete(uploads).where(condition)).rowcount != 1:
            raise UploadRangeInvalid("another request has changed this upload", remedy="ask for its range and go on")

    def _reread(self, spans: Sequence[SegmentSpan]) -> Iterable[bytes]:
        return read_spans(self._store, spans, 0, sum(span.size for span in spans))


def expired_uploads(tx: Transaction, limit: int = 100) -> list[tuple[str, tuple[SegmentSpan, ...]]]:
    """Close uploads whose time is over and return them; a closed one takes no more bytes."""
    row = uploads.c
    due = sa.select(row.id, row.segments).where((row.expires_at <= tx.now) | row.closed).limit(limit)
    found = [(each.id, spans_of(each.segments)) for each in tx.execute(due)]
    tx.execute(sa.update(uploads).where(row.id.in_([upload_id for upload_id, _ in found])).values(closed=True))
    return found


def forget_uploads(tx: Transaction, upload_ids: Sequence[str]) -> None:
    """Remove the rows of closed uploads whose segments are gone."""
    tx.execute(sa.delete(uploads).where(uploads.c.id.in_(upload_ids), uploads.c.closed))
