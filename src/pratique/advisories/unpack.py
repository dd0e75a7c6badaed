"""Bounded unpacking of what feeds send: gzip and xz streams, members of zip archives, documents of JSON.

Each function states its limits and refuses with `FeedRefused` past them; none of them writes outside the file that it
was given.
"""

import contextlib
import lzma
import mmap
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pratique.advisories.errors import FeedRefused

CHUNK = 1 << 18
MAX_RATIO = 1_100  # deflate cannot do more than 1,032
MAX_LZMA_RATIO = 20_000
RATIO_FREE = 16 << 20  # below this size no ratio is judged


def inflate(source: Path, target: Path, *, limit: int) -> None:
    """Unpack a gzip file (all its members) into `target`."""
    with source.open("rb") as packed, target.open("wb") as plain:
        size, done = 0, True
        engine = zlib.decompressobj(wbits=31)
        while data := packed.read(CHUNK):
            while data:
                if done:
                    engine, done = zlib.decompressobj(wbits=31), False
                piece = _step(engine.decompress, data)
                size += len(piece)
                _judge(size, packed.tell(), limit, MAX_RATIO)
                plain.write(piece)
                data = engine.unconsumed_tail or engine.unused_data
                done = engine.eof
        if not done or not packed.tell():
            raise FeedRefused("A gzip stream ends before its end.", remedy="Run the sync again.")


def unxz(source: Path, target: Path, *, limit: int) -> None:
    """Unpack an xz file into `target`."""
    engine = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=256 << 20)
    size = 0
    with source.open("rb") as packed, target.open("wb") as plain:
        while not engine.eof:
            data = packed.read(CHUNK) if engine.needs_input else b""
            if engine.needs_input and not data:
                raise FeedRefused("An xz stream ends before its end.", remedy="Run the sync again.")
            piece = _step(engine.decompress, data)
            size += len(piece)
            _judge(size, packed.tell(), limit, MAX_LZMA_RATIO)
            plain.write(piece)


def _step(decompress: Callable[[bytes, int], bytes], data: bytes) -> bytes:
    try:
        return decompress(data, CHUNK * 4)
    except (zlib.error, lzma.LZMAError) as error:
        raise FeedRefused(f"A compressed stream is damaged: {error}.", remedy="Run the sync again.") from error


def _judge(size: int, consumed: int, limit: int, ratio: int) -> None:
    if size > limit:
        raise FeedRefused(f"A compressed stream unpacks to more than {limit >> 20} MiB.")
    if size > RATIO_FREE and size > consumed * ratio:
        raise FeedRefused(f"A compressed stream unpacks to more than {ratio} times its size.")


def zip_members(path: Path, *, members: int, member_bytes: int, total_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in a zip, one after the other, in memory only.

    A member that is too large has empty content, so that the caller can count it; too many, or too much in all, refuse
    the archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if len(infos) > members:
                raise FeedRefused(f"The archive has {len(infos)} members, more than {members}.")
            total = 0
            for info in infos:
                if info.is_dir():
                    continue
                content = _member(archive, info, member_bytes)
                total += len(content)
                if total > total_bytes:
                    raise FeedRefused(f"The archive unpacks to more than {total_bytes >> 20} MiB.")
                yield info.filename, content
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise FeedRefused(f"The archive cannot be read: {error}.", remedy="Run the sync again.") from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    if info.file_size > limit:
        return b""
    with archive.open(info) as stream:
        content = stream.read(limit + 1)
    return content if len(content) <= limit else b""


class Document:
    """A file as a buffer that the operating system pages in and out; decoders see it as bytes."""

    def __init__(self, path: Path, *, limit: int) -> None:
        size = path.stat().st_size
        if size > limit:
            raise FeedRefused(f"A document of {size >> 20} MiB is larger than {limit >> 20} MiB.")
        if not size:
            raise FeedRefused("A document is empty.", remedy="Run the sync again.")
        self._stream = path.open("rb")
        self.buffer = mmap.mmap(self._stream.fileno(), 0, access=mmap.ACCESS_READ)

    def __enter__(self) -> mmap.mmap:
        return self.buffer

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BufferError):  # a slice of it may still be held; the mapping goes when the slice does
            self.buffer.close()
        self._stream.close()
