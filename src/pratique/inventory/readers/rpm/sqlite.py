"""RPM's SQLite database: the rows of its table `Packages`, read from the pages themselves.

Format: sqlite.org/fileformat2.html. No SQL of the file is run, only its b-tree of rows is walked: a view or trigger in
the place of the table cannot do anything. Every page is visited at most once.
"""

import struct
from collections.abc import Iterator
from typing import Final

from pratique.inventory.readers.rpm.errors import BrokenDatabase

MAGIC: Final = b"SQLite format 3\0"
_INTERIOR: Final = 5
_LEAF: Final = 13
_DEPTH: Final = 40


def blobs(data: bytes) -> Iterator[bytes]:
    """The header blob of every package. Raises `BrokenDatabase`."""
    file = _File(data)
    for row in file.rows(1):
        columns = file.columns(row)
        if len(columns) > 3 and columns[0] == b"table" and columns[1].lower() == b"packages":
            root = int.from_bytes(columns[3], "big")
            break
    else:
        raise BrokenDatabase("it has no table Packages")
    for row in file.rows(root):
        columns = file.columns(row)
        if len(columns) > 1 and columns[1]:
            yield columns[1]


class _File:
    """Pages of one database file."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 100 or not data.startswith(MAGIC):
            raise BrokenDatabase("it is no SQLite file")
        size = int.from_bytes(data[16:18], "big")
        self._size = 65536 if size == 1 else size
        if self._size < 512 or self._size & (self._size - 1):
            raise BrokenDatabase("its page size is impossible")
        if int.from_bytes(data[56:60], "big") not in (0, 1):
            raise BrokenDatabase("its texts are not UTF-8")
        self._data, self._usable = data, self._size - data[20]
        if self._usable < 480:
            raise BrokenDatabase("its pages have no room")
        self._seen: set[int] = set()

    def _page(self, number: int) -> bytes:
        start = (number - 1) * self._size
        if number < 1 or start + self._size > len(self._data):
            raise BrokenDatabase(f"page {number} does not exist")
        if number in self._seen:
            raise BrokenDatabase(f"page {number} is used twice")
        self._seen.add(number)
        return self._data[start : start + self._size]

    def rows(self, root: int) -> Iterator[bytes]:
        """The payload of each row below a root page, in the order of the rows."""
        todo = [(root, 0)]
        while todo:
            number, depth = todo.pop()
            if depth > _DEPTH:
                raise BrokenDatabase("its tree is too deep")
            page = self._page(number)
            at = 100 if number == 1 else 0
            kind, cells = page[at], int.from_bytes(page[at + 3 : at + 5], "big")
            if kind not in (_INTERIOR, _LEAF):
                raise BrokenDatabase(f"page {number} is no page of a table")
            pointers = at + (12 if kind == _INTERIOR else 8)
            if pointers + 2 * cells > len(page):
                raise BrokenDatabase(f"page {number} has too many cells")
            places = struct.unpack_from(f">{cells}H", page, pointers)
            if kind == _LEAF:
                yield from (self._payload(page, place) for place in places)
                continue
            children = [int.from_bytes(page[place : place + 4], "big") for place in places]
            children.append(int.from_bytes(page[at + 8 : at + 12], "big"))
            todo += [(child, depth + 1) for child in reversed(children)]

    def _payload(self, page: bytes, place: int) -> bytes:
        """The whole payload of a leaf cell, its overflow pages followed."""
        length, at = varint(page, place)
        _, at = varint(page, at)
        if length > len(self._data):
            raise BrokenDatabase("a row states more than is there")
        most = self._usable - 35
        if length <= most:
            local = length
        else:
            least = (self._usable - 12) * 32 // 255 - 23
            local = least + (length - least) % (self._usable - 4)
            local = local if local <= most else least
        if at + local > self._usable:
            raise BrokenDatabase("a row leads out of its page")
        parts, left = [page[at : at + local]], length - local
        following = int.from_bytes(page[at + local : at + local + 4], "big") if left else 0
        while left:
            overflow = self._page(following)
            following = int.from_bytes(overflow[:4], "big")
            parts.append(overflow[4 : 4 + min(left, self._usable - 4)])
            left -= len(parts[-1])
        return b"".join(parts)

    @staticmethod
    def columns(row: bytes) -> list[bytes]:
        """The columns of a record: texts and blobs as they are, numbers as big-endian bytes."""
        end, at = varint(row, 0)
        if end > len(row):
            raise BrokenDatabase("a record's head is longer than the record")
        kinds = []
        while at < end:
            kind, at = varint(row, at)
            kinds.append(kind)
        columns, place = [], end
        for kind in kinds:
            length = (kind - 12) // 2 if kind >= 12 else _LENGTHS.get(kind, 0)
            if place + length > len(row):
                raise BrokenDatabase("a column leads out of its record")
            columns.append(b"\1" if kind == 9 else row[place : place + length])
            place += length
        return columns


_LENGTHS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8}


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where the next thing starts."""
    value = 0
    for count in range(9):
        if at >= len(data):
            raise BrokenDatabase("a number is cut off")
        byte = data[at]
        at += 1
        if count == 8:
            return value << 8 | byte, at
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            break
    return value, at
