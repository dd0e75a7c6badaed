"""The members of a zip archive, by its central directory (APPNOTE 6.3), with every bound checked before it is believed.

Two members of one name, a member whose own head names another, and data behind the last member are refused: readers
differ in which they take.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

_END: Final = b"PK\x05\x06"
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_TAIL: Final = 65_557
_MOST: Final = 200_000
STORED, DEFLATED = 0, 8


class BrokenArchive(ValueError):  # noqa: N818 - a verdict on the bytes
    """The archive is damaged, or two readers would see two things in it."""


class Member(NamedTuple):
    """One member, as the central directory has it."""

    name: bytes
    method: int
    packed: int
    size: int
    offset: int


def members(data: memoryview) -> list[Member]:
    """All members of an archive. Raises `BrokenArchive`."""
    start = max(0, len(data) - _TAIL)
    tail = bytes(data[start:])
    at = tail.rfind(_END)
    if at < 0 or at + 22 > len(tail):
        raise BrokenArchive("it has no end of a directory")
    count, size, offset = struct.unpack_from("<HII", tail, at + 10)
    place = start + at - size
    shift = place - offset  # what stands in front of the archive, as a script that starts it does
    if place < 0 or shift < 0:
        raise BrokenArchive("its directory leads out of the file")
    found = list(_entries(data[place : place + size], shift))
    if len(found) & 0xFFFF != count:
        raise BrokenArchive(f"its directory states {count} members and has {len(found)}")
    if len({member.name for member in found}) != len(found):
        raise BrokenArchive("it has two members of one name")
    return found


def _entries(directory: memoryview, shift: int) -> Iterator[Member]:
    at = 0
    for _ in range(_MOST):
        if at == len(directory):
            return
        if at + _CENTRAL.size > len(directory):
            raise BrokenArchive("its directory is cut off")
        fields = _CENTRAL.unpack_from(directory, at)
        if fields[0] != b"PK\x01\x02":
            raise BrokenArchive("an entry of its directory is damaged")
        flags, method, packed, size = fields[3], fields[4], fields[8], fields[9]
        name, extra, comment, offset = fields[10], fields[11], fields[12], fields[16]
        if flags & 1:
            raise BrokenArchive("a member is encrypted")
        start = at + _CENTRAL.size
        yield Member(bytes(directory[start : start + name]), method, packed, size, offset + shift)
        at = start + name + extra + comment
    raise BrokenArchive(f"it has more than {_MOST} members")


def content(data: memoryview, member: Member, most: int) -> memoryview:
    """The content of a member, at most `most` bytes; a stored one is not copied. Raises `BrokenArchive`."""
    if member.offset + _LOCAL.size > len(data):
        raise BrokenArchive("a member leads out of the file")
    fields = _LOCAL.unpack_from(data, member.offset)
    start = member.offset + _LOCAL.size
    if fields[0] != b"PK\x03\x04" or bytes(data[start : start + fields[9]]) != member.name:
        raise BrokenArchive("a member is not where the directory says")
    start += fields[9] + fields[10]
    if start + member.packed > len(data) or member.size > most:
        raise BrokenArchive("a member is larger than it may be")
    packed = data[start : start + member.packed]
    if member.method == STORED:
        if member.packed != member.size:
            raise BrokenArchive("a stored member has two sizes")
        return packed
    if member.method != DEFLATED:
        raise BrokenArchive(f"a member is packed by method {member.method}")
    try:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        text = unpacker.decompress(packed, member.size + 1)
    except zlib.error:
        raise BrokenArchive("a member cannot be unpacked") from None
    if len(text) != member.size:
        raise BrokenArchive("a member's size is not what the directory says")
    return memoryview(text)
