"""RPM's database in Berkeley DB: a hash whose values are headers, read page by page (Berkeley DB, dbinc/db_page.h).

The file starts with a page of metadata: magic at 12, page size at 20. Pages of the hash hold keys and values in turn;
long values lie on chains of overflow pages. All numbers have the byte order of the machine that wrote the file.
"""

import struct
from collections.abc import Iterator
from typing import Final

from pratique.inventory.readers.rpm.errors import BrokenDatabase

_MAGIC: Final = 0x061561
_HASH_PAGES: Final = (2, 13)
_OVERFLOW: Final = 7
_INLINE, _OFF_PAGE = 1, 3
_HEAD: Final = 26
_LEAST_VALUE: Final = 16
"""A shorter value is no header: the record with key 0 counts the packages."""


def order_of(data: bytes) -> str:
    """The byte order of a Berkeley DB hash; empty for any other file."""
    for order in ("<", ">"):
        if len(data) >= 72 and struct.unpack_from(f"{order}I", data, 12)[0] == _MAGIC:
            return order
    return ""


def blobs(data: bytes) -> Iterator[bytes]:
    """The header blob of every package. Raises `BrokenDatabase`."""
    file = _File(data)
    for number in range(1, file.pages):
        yield from file.values(number)


class _File:
    """Pages of one hash."""

    def __init__(self, data: bytes) -> None:
        order = order_of(data)
        if not order:
            raise BrokenDatabase("it is no Berkeley DB hash")
        self._order, self._data = order, data
        (self._size,) = struct.unpack_from(f"{order}I", data, 20)
        if not 512 <= self._size <= 65536 or self._size & (self._size - 1) or len(data) % self._size:
            raise BrokenDatabase("its page size does not fit its length")
        if data[24]:
            raise BrokenDatabase("it is encrypted")
        (last,) = struct.unpack_from(f"{order}I", data, 32)
        self.pages = len(data) // self._size
        if last >= self.pages:
            raise BrokenDatabase("it is cut off")
        self._used: set[int] = set()

    def _page(self, number: int) -> tuple[bytes, int, int, int, int]:
        """A page, its successor, its number of items, the offset of its free space, its type."""
        if not 0 < number < self.pages:
            raise BrokenDatabase(f"page {number} does not exist")
        page = self._data[number * self._size : (number + 1) * self._size]
        following, count, free = struct.unpack_from(f"{self._order}IHH", page, 16)
        return page, following, count, free, page[25]

    def values(self, number: int) -> Iterator[bytes]:
        """The values of a page of the hash; nothing for other pages."""
        page, _, count, _, kind = self._page(number)
        if kind not in _HASH_PAGES:
            return
        if _HEAD + 2 * count > len(page) or count % 2:
            raise BrokenDatabase(f"page {number} has an impossible number of items")
        places = struct.unpack_from(f"{self._order}{count}H", page, _HEAD)
        for item in range(1, count, 2):
            start, end = places[item], places[item - 1]  # items are laid down from the end of the page
            if not _HEAD <= start < end <= len(page):
                raise BrokenDatabase(f"an item of page {number} leads out of it")
            value = self._value(page, start, end)
            if len(value) >= _LEAST_VALUE:
                yield value

    def _value(self, page: bytes, start: int, end: int) -> bytes:
        if page[start] == _INLINE:
            return page[start + 1 : end]
        if page[start] != _OFF_PAGE or end - start < 12:
            raise BrokenDatabase("an item has a kind that rpm does not write")
        first, length = struct.unpack_from(f"{self._order}II", page, start + 4)
        return self._chain(first, length)

    def _chain(self, number: int, length: int) -> bytes:
        """A long value; no page takes part in two of them."""
        if length > len(self._data):
            raise BrokenDatabase("a value states more than is there")
        parts, left = [], length
        while left > 0:
            if number in self._used:
                raise BrokenDatabase(f"page {number} is used twice")
            self._used.add(number)
            page, number, _, here, kind = self._page(number)
            if kind != _OVERFLOW or not 0 < here <= min(left, len(page) - _HEAD):
                raise BrokenDatabase("a long value is damaged")
            parts.append(page[_HEAD : _HEAD + here])
            left -= here
        return b"".join(parts)
