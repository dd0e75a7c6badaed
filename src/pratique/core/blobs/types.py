"""The port of blob storage: a handful of methods, one contract test for every engine."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pratique.core.errors import Corrupt, Unavailable

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SegmentSpan:
    """One segment of a blob as its row keeps it."""

    key: str
    size: int
    """Plain bytes."""
    version: int = 0
    """Version of the segment's framing: 0 is plain bytes, 1 is `sealed`."""
    seal: str = field(default="", repr=False)
    """What opens a sealed segment, for those who hold the installation's key."""


class StorageFull(Unavailable):
    """The storage takes no more bytes; what was begun has been removed again."""

    code = "storage-full"
    status = 507


class StorageAway(Unavailable):
    """The storage does not answer; the same request may succeed later."""

    code = "storage-unavailable"


class SegmentMissing(Corrupt):
    """A segment that a row names is not there, or is shorter than it was when it was committed."""

    code = "segment-missing"


class SegmentWriter(Protocol):
    """Writes one immutable segment: it exists once `commit` has returned, and not before. One thread uses it."""

    @property
    def key(self) -> str:
        """The random storage key of the segment."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    @property
    def span(self) -> SegmentSpan:
        """What the row is to keep of the segment once it is committed."""

    def write(self, data: bytes | memoryview) -> None:
        """Append; raises StorageFull or StorageAway, each with a remedy."""

    def commit(self) -> None:
        """Make the segment durable: when this returns, a crash does not lose it."""

    def abort(self) -> None:
        """Forget the segment and free what it took; may be called at any time, also after a failure or twice."""


class BlobStore(Protocol):
    """Where segments live. Keys are random, segments never change, and none is renamed or copied once committed."""

    segment_limit: int | None
    """Bytes after which a writer begins another segment; None where one segment may be of any size."""

    def create(self) -> SegmentWriter:
        """Begin a segment under a new random key; raises StorageFull when little space is left."""

    def read(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a segment in chunks of about 1 MiB; raises SegmentMissing when they are not all there."""

    def read_span(self, span: SegmentSpan, offset: int, length: int) -> Iterator[bytes]:
        """Yield plain bytes of a segment as its row describes it, whatever its framing."""

    def path(self, key: str) -> Path | None:
        """Return the file of a segment where the engine has files (for sendfile), else None; looks at no disk."""

    def size(self, key: str) -> int:
        """Return the length in bytes as stored; raises SegmentMissing."""

    def delete(self, key: str) -> None:
        """Remove a segment; one that is missing already is no error."""

    def keys(self, after: str = "", limit: int = 1000) -> list[str]:
        """Return committed keys in ascending order, greater than `after`."""


def plain_only(span: SegmentSpan) -> None:
    """Raise Corrupt for a sealed segment, in a store that has no keys."""
    if span.version != 0:
        raise Corrupt(
            f"segment {span.key} is encrypted and there is no key here", remedy="open the store with its keys"
        )
