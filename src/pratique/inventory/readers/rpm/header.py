"""RPM headers as the database keeps them (rpm, docs/manual/hregions.md): two lengths, index entries, data.

An entry is tag, type, offset and count, each four bytes, big endian. Only the tags that matching needs are read.
"""

import struct
from collections.abc import Iterator
from itertools import islice
from typing import Final

from pratique.inventory.readers.rpm.errors import BrokenDatabase

NAME: Final = 1000
VERSION: Final = 1001
RELEASE: Final = 1002
EPOCH: Final = 1003
VENDOR: Final = 1011
ARCH: Final = 1022
SOURCE_RPM: Final = 1044
OLD_FILE_NAMES: Final = 1027
DIRECTORY_INDEXES: Final = 1116
BASE_NAMES: Final = 1117
DIRECTORY_NAMES: Final = 1118
MODULARITY_LABEL: Final = 5096

_PREFIX: Final = struct.Struct(">II")
_ENTRY: Final = struct.Struct(">IIII")
_INT32: Final = 4
_TEXTS: Final = (6, 8, 9)  # string, string array, translated string
_MOST_ENTRIES: Final = 0xFFFF
_MOST_DATA: Final = 256 << 20
_MOST_FILES: Final = 500_000


class Header:
    """One package's header; every offset is checked before it is followed."""

    def __init__(self, blob: bytes) -> None:
        if len(blob) < _PREFIX.size:
            raise BrokenDatabase("a header is cut off")
        entries, size = _PREFIX.unpack_from(blob)
        self._start = _PREFIX.size + entries * _ENTRY.size
        if entries > _MOST_ENTRIES or size > _MOST_DATA or self._start + size > len(blob):
            raise BrokenDatabase("a header states more than is there")
        self._blob, self._end = blob, self._start + size
        self._index = {
            tag: (kind, offset, count)
            for tag, kind, offset, count in _ENTRY.iter_unpack(blob[_PREFIX.size : self._start])
            if offset <= size
        }

    def text(self, tag: int) -> bytes:
        """The first text under a tag; empty where there is none."""
        return next(self.texts(tag), b"")

    def texts(self, tag: int) -> Iterator[bytes]:
        """Every text under a tag, up to a bound."""
        kind, offset, count = self._index.get(tag, (0, 0, 0))
        if kind not in _TEXTS:
            return
        at = self._start + offset
        for _ in range(min(count, _MOST_FILES)):
            end = self._blob.find(b"\0", at, self._end)
            if end < 0:
                raise BrokenDatabase("a text of a header has no end")
            yield self._blob[at:end]
            at = end + 1

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The 32-bit numbers under a tag."""
        kind, offset, count = self._index.get(tag, (0, 0, 0))
        if kind != _INT32:
            return ()
        at = self._start + offset
        if count > _MOST_FILES or at + 4 * count > self._end:
            raise BrokenDatabase("a list of numbers leads out of its header")
        return struct.unpack_from(f">{count}I", self._blob, at)

    def files(self) -> Iterator[bytes]:
        """The absolute paths of the package's files."""
        folders, indexes = list(self.texts(DIRECTORY_NAMES)), self.numbers(DIRECTORY_INDEXES)
        if not folders:
            yield from self.texts(OLD_FILE_NAMES)
            return
        for base, index in islice(zip(self.texts(BASE_NAMES), indexes, strict=False), _MOST_FILES):
            if index < len(folders):
                yield folders[index] + base
