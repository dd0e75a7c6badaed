"""Segments as files: written under a temporary name, flushed to the disk, renamed; never changed afterwards."""

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from pratique.core.blobs.types import CHUNK, SegmentMissing, SegmentSpan, StorageAway, StorageFull, plain_only

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_SPACE_CHECK = 64 * CHUNK
_STALE_SECONDS = 86400.0


class LocalBlobStore:
    """Keeps each segment in one file under `directory/segments/ab/cd/KEY`."""

    segment_limit: int | None = None

    def __init__(self, directory: Path, *, minimum_free: int = 0) -> None:
        self._root = directory / "segments"
        self._temporary = directory / "incoming"
        self._minimum_free = minimum_free
        for folder in (self._root, self._temporary):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_stale()

    def create(self) -> "LocalSegmentWriter":
        self.check_space()
        return LocalSegmentWriter(self, self._temporary, secrets.token_hex(16))

    def read(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        try:
            descriptor = os.open(self.path(key), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _missing(key) from error
        try:
            yield from _read_chunks(descriptor, key, offset, length)
        finally:
            os.close(descriptor)

    def read_span(self, span: SegmentSpan, offset: int, length: int) -> Iterator[bytes]:
        plain_only(span)
        return self.read(span.key, offset, length)

    def path(self, key: str) -> Path:
        return self._root / key[:2] / key[2:4] / key

    def size(self, key: str) -> int:
        try:
            return self.path(key).stat().st_size
        except OSError as error:
            raise _missing(key) from error

    def delete(self, key: str) -> None:
        self.path(key).unlink(missing_ok=True)

    def keys(self, after: str = "", limit: int = 1000) -> list[str]:
        found: list[str] = []
        for key in self._walk(after):
            found.append(key)
            if len(found) == limit:
                break
        return found

    def check_space(self) -> None:
        """Raise StorageFull when less than the minimum is free, so that the database can always finish its writes."""
        if not self._minimum_free:
            return
        status = os.statvfs(self._root)
        if status.f_bavail * status.f_frsize < self._minimum_free:
            raise _full()

    def _walk(self, after: str) -> Iterator[str]:
        for first in _names(self._root):
            if first < after[:2]:
                continue
            for second in _names(self._root / first):
                if first + second < after[:4]:
                    continue
                yield from (key for key in _names(self._root / first / second) if key > after)

    def _remove_stale(self) -> None:
        oldest = time.time() - _STALE_SECONDS
        for entry in os.scandir(self._temporary):
            with suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    Path(entry.path).unlink()


class LocalSegmentWriter:
    """One segment on its way: a temporary file until `commit`."""

    def __init__(self, store: LocalBlobStore, temporary: Path, key: str) -> None:
        self._store = store
        self._path = temporary / key
        self._key = key
        self._size = 0
        self._next_check = _SPACE_CHECK
        self._descriptor = -1
        try:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._fail(error)

    @property
    def key(self) -> str:
        return self._key

    @property
    def size(self) -> int:
        return self._size

    @property
    def span(self) -> SegmentSpan:
        return SegmentSpan(self._key, self._size)

    def write(self, data: bytes | memoryview) -> None:
        if self._size >= self._next_check:
            self._next_check += _SPACE_CHECK
            self._store.check_space()
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self._fail(error)
        self._size += len(data)

    def commit(self) -> None:
        target = self._store.path(self._key)
        try:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            _make_durable_folder(target.parent)
            self._path.rename(target)
            _sync_folder(target.parent)
        except OSError as error:
            self._fail(error)

    def abort(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._path.unlink(missing_ok=True)

    def _fail(self, error: OSError) -> NoReturn:
        self.abort()
        if error.errno in _FULL:
            raise _full() from error
        raise StorageAway(
            f"the blob folder cannot be written: {os.strerror(error.errno or 0)}",
            remedy=f"check the disk and the owner of {self._path.parent.parent}",
        ) from error


def _read_chunks(descriptor: int, key: str, offset: int, length: int | None) -> Iterator[bytes]:
    end = os.fstat(descriptor).st_size if length is None else offset + length
    while offset < end:
        chunk = os.pread(descriptor, min(CHUNK, end - offset), offset)
        if not chunk:
            raise _missing(key)
        offset += len(chunk)
        yield chunk


def _make_durable_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_durable_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder))


def _full() -> StorageFull:
    return StorageFull(
        "the disk for blobs is full", remedy="free space in the server's blob folder, or lower `data.minimum_free`"
    )


def _missing(key: str) -> SegmentMissing:
    return SegmentMissing(
        f"segment {key} is missing or too short", remedy="restore the blob folder from the backup of the same time"
    )
