"""Reads a blob, a list of segments, as one stream."""

import io
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from pratique.core.blobs.types import CHUNK, BlobStore, SegmentMissing, SegmentSpan


def read_spans(store: BlobStore, spans: Sequence[SegmentSpan], start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes `start` to `end` (exclusive) of the blob that the spans make up."""
    position = 0
    for span in spans:
        first, last = max(start, position), min(end, position + span.size)
        if first < last:
            yield from store.read_span(span, first - position, last - first)
        position += span.size


class SegmentReader(io.RawIOBase):
    """A readable, seekable stream over the segments of one blob."""

    def __init__(self, store: BlobStore, spans: Sequence[SegmentSpan]) -> None:
        self._store = store
        self._spans = tuple(spans)
        self._size = sum(span.size for span in spans)
        self._position = 0
        self._chunks: Iterator[bytes] = iter(())
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, min(self._size, base + offset))
        self._left = memoryview(b"")
        self._chunks = read_spans(self._store, self._spans, self._position, self._size)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the typeshed signature is the wider one
        if self._position == 0 and not self._left:
            self.seek(0)
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        self._position += count
        return count


def open_blob(store: BlobStore, spans: Sequence[SegmentSpan]) -> BinaryIO:
    """Return a buffered stream over a blob, for workers; a real file, with a descriptor, where one holds all of it."""
    path = store.path(spans[0].key) if len(spans) == 1 and spans[0].version == 0 else None
    if path is None:
        return io.BufferedReader(SegmentReader(store, spans), CHUNK)
    try:
        return path.open("rb")
    except OSError as error:
        raise SegmentMissing(f"segment {spans[0].key} is missing", remedy="restore the blob folder") from error
