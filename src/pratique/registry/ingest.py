"""Bytes on their way into a blob: hashed while they are written, in threads, in batches; memory stays flat."""

import asyncio
from collections.abc import Sequence

from pratique.core.blobs import BlobStore, SegmentSpan, SegmentWriter
from pratique.core.digests import Hasher
from pratique.core.errors import TooLarge
from pratique.core.http.bodies import chunks
from pratique.core.http.plane import Receive
from pratique.core.http.threads import ThreadLimiter
from pratique.registry.errors import BlobTooLarge

BATCH = 1024 * 1024
SMALL_BATCH = 128 * 1024
_MANY = 64
_SMALL_PIECE = 64 * 1024


class Ingest:
    """Takes bytes into new segments. Blocks; one thread at a time.

    Nothing counts until the caller has recorded what `seal` returned; `abort` removes what was not recorded.
    """

    def __init__(self, store: BlobStore, hasher: Hasher, limit: int) -> None:
        self._store = store
        self.hasher = hasher
        self._limit = limit
        self._writer: SegmentWriter | None = None
        self._sealed: list[SegmentSpan] = []
        self.arrived: list[bytes] = []
        """Bytes that have come and were not taken yet."""

    def take(self, pieces: Sequence[bytes]) -> None:
        """Hash and write; raises TooLarge beyond the limit, StorageFull or StorageAway."""
        for piece in _joined(pieces):
            if self.hasher.count + len(piece) > self._limit:
                raise too_large(self._limit)
            self.hasher.update(piece)
            self._write(piece)

    def finish(self, pieces: Sequence[bytes]) -> tuple[SegmentSpan, ...]:
        """Take the last bytes and make all durable; return the new segments in order."""
        self.take(pieces)
        return self.seal()

    def seal(self) -> tuple[SegmentSpan, ...]:
        """Make what came so far durable; return the new segments in order."""
        self._close_segment()
        return tuple(self._sealed)

    def abort(self) -> None:
        """Remove everything that this ingest wrote."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None
        for span in self._sealed:
            self._store.delete(span.key)
        self._sealed.clear()

    def _write(self, piece: bytes) -> None:
        limit = self._store.segment_limit
        view = memoryview(piece)
        while view:
            if self._writer is None:
                self._writer = self._store.create()
            room = len(view) if limit is None else limit - self._writer.size
            self._writer.write(view[:room])
            view = view[room:]
            if limit is not None and self._writer.size >= limit:
                self._close_segment()

    def _close_segment(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            try:
                writer.commit()
            except BaseException:
                writer.abort()
                raise
            self._sealed.append(writer.span)


class Pouring:
    """Moves request bodies into ingests; knows how many are under way, so that all of them together stay small."""

    def __init__(self) -> None:
        self.active = 0

    async def pour(self, receive: Receive, ingest: Ingest, threads: ThreadLimiter) -> tuple[SegmentSpan, ...]:
        """Read the body to its end and return the durable segments.

        One batch is written while the next arrives. When the client goes away or the server stops, the thread is
        waited for before the error goes on, so that the caller may seal or abort.
        """
        self.active += 1
        writing: asyncio.Task[None] | None = None
        try:
            ingest.arrived, size = [], 0
            async for piece in chunks(receive):
                ingest.arrived.append(piece)
                size += len(piece)
                if size >= (BATCH if self.active <= _MANY else SMALL_BATCH):
                    if writing is not None:
                        await writing
                    writing = asyncio.ensure_future(threads.continue_with(ingest.take, ingest.arrived))
                    ingest.arrived, size = [], 0
            if writing is not None:
                await writing
                writing = None
            return await threads.continue_with(ingest.finish, ingest.arrived)
        finally:
            self.active -= 1
            if writing is not None:
                await asyncio.wait({writing})


def _joined(pieces: Sequence[bytes]) -> Sequence[bytes]:
    """Return the same bytes in few pieces.

    Each call that hashes or writes lets go of the interpreter lock and must win it back, which for a frame of 16 KiB
    costs more than its hash; copying it costs a tenth.
    """
    if len(pieces) > 1 and sum(map(len, pieces)) < len(pieces) * _SMALL_PIECE:
        return (b"".join(pieces),)
    return pieces


def too_large(limit: int) -> TooLarge:
    return BlobTooLarge("the blob is too large", remedy=f"this registry takes blobs up to {limit} bytes", limit=limit)
