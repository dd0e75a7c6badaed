"""Stored bytes in, decompressed chunks out, both hashed on the way; told apart by magic, never by label.

Several gzip members or Zstandard frames after each other are one stream to every reader (estargz and zstd:chunked rely
on it) and are read as one. Anything else after them is refused: GNU gzip ignores it, Go's compress/gzip fails on it.
"""

import hashlib
import time
from collections.abc import Iterator
from typing import BinaryIO, Literal

from isal import igzip_lib

from pratique.inventory import zstd
from pratique.inventory.errors import Ambiguous, Damaged, LimitReached
from pratique.inventory.types import Limits

CHUNK = 256 << 10
_SMALL_FEED = 16 << 10
_RATIO_FROM = 1 << 30
Compression = Literal["gzip", "zstd", "none"]
_IsalError: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # isal's stub calls the class an instance

_OTHERS = ((b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"\x04\x22\x4d\x18", "lz4"), (b"PK\x03\x04", "zip"))


class Stored:
    """The stored stream: counts, hashes and bounds what is read from it."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self._stream, self._limits = stream, limits
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, count: int, /) -> bytes:
        data = self._stream.read(count)
        self.size += len(data)
        if self.size > self._limits.stored_bytes:
            raise LimitReached(f"the layer is stored in more than {self._limits.stored_bytes} bytes", "limit-stored")
        self._hash.update(data)
        return data

    def finish(self) -> str:
        """Reads what is left, so that the digest is that of the whole blob."""
        while self.read(CHUNK):
            pass
        return self.digest

    @property
    def digest(self) -> str:
        """The digest of what was read so far."""
        return "sha256:" + self._hash.hexdigest()


class Tape:
    """The decompressed stream as chunks, with its digest, size and bounds; iterate to the end before asking."""

    def __init__(self, stored: Stored, limits: Limits) -> None:
        self._stored, self._limits = stored, limits
        self._hash = hashlib.sha256()
        self.size = 0
        self.compression: Compression = "none"
        self.ended = False

    @property
    def diff_id(self) -> str:
        if self.compression == "none":
            return self._stored.digest  # the same bytes need no second hash
        return "sha256:" + self._hash.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """All chunks, none empty. Raises `StopReading` where the stream is damaged, ambiguous or over a limit."""
        deadline = time.monotonic() + self._limits.seconds
        for chunk in self._decompressed():
            if self.compression != "none":
                self._hash.update(chunk)
            self.size += len(chunk)
            self._check(deadline)
            yield chunk
        self.ended = True

    def _decompressed(self) -> Iterator[bytes]:
        first = self._stored.read(CHUNK)
        while len(first) < 8 and (more := self._stored.read(CHUNK)):
            first += more
        if first.startswith(b"\x1f\x8b"):
            self.compression = "gzip"
            return _gunzipped(self._stored, first)
        if first.startswith(zstd.MAGIC) or (first[1:4] == b"\x2a\x4d\x18" and first[0] & 0xF0 == 0x50):
            self.compression = "zstd"
            return zstd.decompressed(self._stored, first)
        for magic, name in _OTHERS:
            if first.startswith(magic):
                raise Damaged(f"the layer is {name}, which image clients do not agree on", "compression-unknown")
        return _plain(self._stored, first)

    def _check(self, deadline: float) -> None:
        limits = self._limits
        if self.size > limits.tar_bytes:
            raise LimitReached(f"the layer unpacks to more than {limits.tar_bytes} bytes", "limit-tar")
        if self.size > _RATIO_FROM and self.size > limits.ratio * self._stored.size:
            raise LimitReached(f"the layer unpacks to more than {limits.ratio} times its stored size", "limit-ratio")
        if time.monotonic() > deadline:
            raise LimitReached(f"reading took longer than {limits.seconds:g} s", "limit-time")


def _plain(stored: Stored, first: bytes) -> Iterator[bytes]:
    while first:
        yield first
        first = stored.read(CHUNK)


class _Feed:
    """Input in small pieces whose unused rest can be handed back: what a member leaves is copied once per member."""

    def __init__(self, stored: Stored, held: bytes) -> None:
        self._stored, self._held, self._at = stored, held, 0

    def next(self, count: int) -> bytes:
        if self._at >= len(self._held):
            self._held, self._at = self._stored.read(CHUNK), 0
        piece = self._held[self._at : self._at + count]
        self._at += len(piece)
        return piece

    def hand_back(self, rest: bytes) -> None:
        self._at -= len(rest)

    def starts_member(self) -> bool | None:
        """Whether another gzip member follows; None at the end of the stream."""
        if len(self._held) - self._at < 2:
            self._held, self._at = self._held[self._at :] + self._stored.read(CHUNK), 0
        if self._at == len(self._held):
            return None
        return self._held.startswith(b"\x1f\x8b", self._at)


def _gunzipped(stored: Stored, first: bytes) -> Iterator[bytes]:
    """All members of a gzip stream, each checked against its own CRC and length."""
    feed, step = _Feed(stored, first), CHUNK
    while (another := feed.starts_member()) is not None:
        if not another:
            raise Ambiguous("bytes that are no gzip member follow one", "trailing-data")
        yield from _member(feed, step)
        step = _SMALL_FEED


def _member(feed: _Feed, step: int) -> Iterator[bytes]:
    member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    try:
        while not member.eof:
            piece = feed.next(step) if member.needs_input else b""
            if not piece and member.needs_input:
                raise Damaged("the gzip stream ends in the middle of a member")
            out = member.decompress(piece, CHUNK)
            if out:
                yield out
    except _IsalError as error:
        raise Damaged(f"the gzip stream is broken: {error}") from None
    feed.hand_back(member.unused_data)
