"""The port of blob storage: seven methods, one contract test for every engine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

CHUNK = 1024 * 1024


class SegmentWriter(Protocol):
    """Writes one immutable segment: it exists once `commit` has returned, and not before."""

    @property
    def key(self) -> str:
        """The random storage key of the segment."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    def write(self, data: bytes) -> None:
        """Append; raises Unavailable with a remedy when the storage is full or away."""

    def commit(self) -> None:
        """Make the segment durable: when this returns, a crash does not lose it."""

    def abort(self) -> None:
        """Forget the segment and free what it took; may be called at any time, also after a failure."""


class BlobStore(Protocol):
    """Where segments live. Keys are random, segments never change, and nothing is ever renamed or copied."""

    def create(self) -> SegmentWriter:
        """Begin a segment under a new random key."""

    def read(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a segment in chunks of about 1 MiB; raises Corrupt when it is missing or too short."""

    def path(self, key: str) -> Path | None:
        """Return the file of a segment where the engine has files (for sendfile), else None."""

    def size(self, key: str) -> int:
        """Return the length in bytes; raises Corrupt when the segment is missing."""

    def delete(self, key: str) -> None:
        """Remove a segment; one that is missing already is no error."""

    def keys(self, after: str = "", limit: int = 1000) -> list[str]:
        """Return stored keys in ascending order, greater than `after`."""
