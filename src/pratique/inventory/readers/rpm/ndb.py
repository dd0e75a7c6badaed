"""RPM's own database format, ndb (rpm, lib/backend/ndb): slots of sixteen bytes say where each package's blob lies.

The file starts with `RpmP`, version, generation and the number of slot pages; a slot is `Slot`, package number, first
block, number of blocks; a blob is `BlbS`, package number, generation, length, the header, and a tail. Little endian.
"""

import struct
from collections.abc import Iterator
from typing import Final

from pratique.inventory.readers.rpm.errors import BrokenDatabase

MAGIC: Final = b"RpmP"
_HEAD: Final = struct.Struct("<4sIIII")
_SLOT: Final = struct.Struct("<4sIII")
_BLOB: Final = struct.Struct("<4sIII")
_PAGE: Final = 4096
_BLOCK: Final = 16
_FIRST_SLOT: Final = 32


def blobs(data: bytes) -> Iterator[bytes]:
    """The header blob of every package. Raises `BrokenDatabase`."""
    if len(data) < _PAGE or not data.startswith(MAGIC):
        raise BrokenDatabase("it is no ndb file")
    _, version, _, pages, _ = _HEAD.unpack_from(data)
    if version != 0:
        raise BrokenDatabase(f"its version {version} is not known")
    if not 0 < pages <= len(data) // _PAGE:
        raise BrokenDatabase("it states more slots than are there")
    seen: set[int] = set()
    for magic, number, block, count in _SLOT.iter_unpack(data[_FIRST_SLOT : pages * _PAGE]):
        if magic != b"Slot":
            raise BrokenDatabase("a slot is damaged")
        if not block:
            continue  # a free one
        if block in seen:
            raise BrokenDatabase("two packages share one place")
        seen.add(block)
        yield _blob(data, number, block * _BLOCK, count * _BLOCK)


def _blob(data: bytes, number: int, start: int, size: int) -> bytes:
    if start + size > len(data) or size < _BLOB.size:
        raise BrokenDatabase("a slot leads out of the file")
    magic, owner, _, length = _BLOB.unpack_from(data, start)
    if magic != b"BlbS" or owner != number or length > size - _BLOB.size:
        raise BrokenDatabase("a package's blob is damaged")
    return data[start + _BLOB.size : start + _BLOB.size + length]
