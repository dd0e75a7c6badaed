"""Where things lie in an executable: sections and segments of ELF (System V ABI), sections of PE.

Every offset is checked against the length of the file; numbers of sections and segments are bounded.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

MAGIC: Final = b"\x7fELF"
_SECTIONS: Final = 20_000
_SEGMENTS: Final = 1_000
_LOAD: Final = 1
_WRITABLE: Final = 2
_NO_BITS: Final = 8
_NAME_BYTES: Final = 64


class Broken(ValueError):  # noqa: N818 - a verdict on the bytes
    """The file is not laid out as its format says."""


class Segment(NamedTuple):
    """A part of the file that is loaded at an address."""

    address: int
    offset: int
    size: int
    writable: bool


class Elf:
    """The layout of one ELF file, of 32 or 64 bits, in either byte order; of its sections the wanted ones.

    `sectioned` says whether it has section headers at all. Raises `Broken`.
    """

    def __init__(self, data: bytes | bytearray, wanted: Sequence[bytes]) -> None:
        self.data, self._wanted = data, wanted
        self.sectioned = False
        try:
            self._read()
        except (struct.error, OverflowError):
            raise Broken("its headers lead out of the file") from None

    def _read(self) -> None:
        data = self.data
        if len(data) < 52 or data[:4] != MAGIC or data[4] not in (1, 2) or data[5] not in (1, 2):
            raise Broken("it is no ELF file")
        self.wide = data[4] == 2
        self.order = "<" if data[5] == 1 else ">"
        if self.wide:
            program, sections = struct.unpack_from(f"{self.order}QQ", data, 32)
            rest = struct.unpack_from(f"{self.order}6H", data, 52)
        else:
            program, sections = struct.unpack_from(f"{self.order}II", data, 28)
            rest = struct.unpack_from(f"{self.order}6H", data, 40)
        _, segment_size, segment_count, section_size, section_count, names = rest
        self.segments = self._segments(program, segment_size, min(segment_count, _SEGMENTS))
        self.sections = self._sections(sections, section_size, min(section_count, _SECTIONS), names)

    def _segments(self, start: int, size: int, count: int) -> list[Segment]:
        if count and size < (56 if self.wide else 32):
            raise Broken("its segments are too small")
        found = []
        for at in range(start, start + size * count, size or 1):
            if self.wide:
                kind, flags, offset, address, _, length = struct.unpack_from(f"{self.order}IIQQQQ", self.data, at)
            else:
                kind, offset, address, _, length, _, flags = struct.unpack_from(f"{self.order}7I", self.data, at)
            if kind == _LOAD and offset + length <= len(self.data):
                found.append(Segment(address, offset, length, bool(flags & _WRITABLE)))
        return found

    def _sections(self, start: int, size: int, count: int, names: int) -> dict[bytes, tuple[int, int]]:
        if not start or not count or names >= count:
            return {}
        if size < (64 if self.wide else 40):
            raise Broken("its sections are too small")
        rows = []
        for at in range(start, start + size * count, size):
            if self.wide:
                name, kind, _, _, offset, length = struct.unpack_from(f"{self.order}IIQQQQ", self.data, at)
            else:
                name, kind, _, _, offset, length = struct.unpack_from(f"{self.order}6I", self.data, at)
            rows.append((name, kind, offset, length))
        self.sectioned = True
        _, _, table, length = rows[names]
        if not any(self.data.find(name, table, table + length) >= 0 for name in self._wanted):
            return {}
        return {
            self._name(table + name): (offset, length)
            for name, kind, offset, length in rows
            if kind != _NO_BITS and offset + length <= len(self.data)
        }

    def _name(self, at: int) -> bytes:
        end = self.data.find(b"\0", at, at + _NAME_BYTES)
        return bytes(self.data[at:end]) if end >= 0 else b""

    def section(self, name: bytes) -> bytes | bytearray | None:
        """The bytes of a section; None where there is none of that name."""
        place = self.sections.get(name)
        return None if place is None else self.data[place[0] : place[0] + place[1]]

    def at(self, address: int, length: int) -> bytes | None:
        """The bytes that are loaded at an address; None where the file holds none."""
        for segment in self.segments:
            start = address - segment.address
            if start >= 0 and start + length <= segment.size:
                place = segment.offset + start
                return bytes(self.data[place : place + length])
        return None
