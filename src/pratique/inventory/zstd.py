"""Zstandard frames cut at block boundaries (RFC 8878 §3.1), so that output is bounded whatever the input claims.

A block gives at most 128 KiB, so a piece of a few blocks gives at most `BLOCKS_AT_ONCE` times that. Several frames and
skippable frames are read, as every decoder does; a dictionary or anything else after a frame is not.
"""

from collections.abc import Iterator
from typing import Protocol

import zstandard

from pratique.inventory.errors import Ambiguous, Damaged, LimitReached

MAGIC = b"\x28\xb5\x2f\xfd"
WINDOW_LIMIT = 128 << 20
BLOCKS_AT_ONCE = 2
_FEED = 256 << 10


class Source(Protocol):
    def read(self, count: int, /) -> bytes:
        """At most `count` bytes; empty at the end."""
        ...


class _Input:
    """Bytes taken exactly, from a source that gives them as it likes."""

    def __init__(self, source: Source, first: bytes) -> None:
        self._source, self._held, self._at = source, first, 0

    def take(self, count: int) -> bytes:
        while len(self._held) - self._at < count:
            more = self._source.read(max(_FEED, count))
            if not more:
                raise Damaged("the Zstandard stream ends in the middle of a frame")
            self._held = self._held[self._at :] + more
            self._at = 0
        piece = self._held[self._at : self._at + count]
        self._at += count
        return piece

    def at_end(self) -> bool:
        if self._at == len(self._held):
            self._held, self._at = self._source.read(_FEED), 0
        return not self._held

    def skip(self, count: int) -> None:
        while count:
            step = min(count, _FEED)
            self.take(step)
            count -= step


def decompressed(source: Source, first: bytes) -> Iterator[bytes]:
    """The contents of all frames in order, in pieces of at most 256 KiB."""
    held = _Input(source, first)
    while not held.at_end():
        magic = held.take(4)
        if magic == MAGIC:
            yield from _frame(held)
        elif magic[1:] == b"\x2a\x4d\x18" and magic[0] & 0xF0 == 0x50:
            held.skip(int.from_bytes(held.take(4), "little"))
        else:
            raise Ambiguous("bytes that are no Zstandard frame follow one", "trailing-data")


def _frame(held: _Input) -> Iterator[bytes]:
    header, has_checksum = _frame_header(held)
    decoder = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT).decompressobj()
    try:
        decoder.decompress(MAGIC + header)
        last = False
        while not last:
            piece, last = _blocks(held)
            if last and has_checksum:
                piece += held.take(4)
            out = decoder.decompress(piece)
            if out:
                yield out
    except zstandard.ZstdError as error:
        raise Damaged(f"the Zstandard stream is broken: {error}") from None
    if not decoder.eof:
        raise Damaged("the Zstandard stream ends in the middle of a frame")


def _frame_header(held: _Input) -> tuple[bytes, bool]:
    descriptor = held.take(1)[0]
    single_segment = bool(descriptor & 0x20)
    if descriptor & 0x08:
        raise Damaged("the Zstandard frame header sets a reserved bit")
    sizes = 0 if single_segment else 1
    if descriptor & 3:
        raise Damaged("the Zstandard frame needs a dictionary, which a layer cannot carry")
    content = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    rest = held.take(sizes + content)
    if not single_segment:
        _check_window(rest[0])
    elif int.from_bytes(rest, "little") + (256 if content == 2 else 0) > WINDOW_LIMIT:
        raise LimitReached("the Zstandard frame asks for a window over 128 MiB", "limit-window")
    return bytes([descriptor]) + rest, bool(descriptor & 0x04)


def _check_window(byte: int) -> None:
    base = 1 << (10 + (byte >> 3))
    if base + base // 8 * (byte & 7) > WINDOW_LIMIT:
        raise LimitReached("the Zstandard frame asks for a window over 128 MiB", "limit-window")


def _blocks(held: _Input) -> tuple[bytes, bool]:
    """A few whole blocks, and whether the frame's last is among them."""
    pieces: list[bytes] = []
    for _ in range(BLOCKS_AT_ONCE):
        header = held.take(3)
        value = int.from_bytes(header, "little")
        kind, size = (value >> 1) & 3, value >> 3
        if kind == 3 or size > 128 << 10:
            raise Damaged("the Zstandard stream holds a block of no known kind or size")
        pieces += (header, held.take(1 if kind == 1 else size))
        if value & 1:
            return b"".join(pieces), True
    return b"".join(pieces), False
