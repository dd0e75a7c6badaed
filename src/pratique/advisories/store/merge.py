"""Sorted streams of rows: a base under its deltas as one, and the difference of two such streams."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence

from pratique.advisories.store.files import FeedFile, Row
from pratique.advisories.store.records import split_coded

Significant = Callable[[bytes, bytes], bool]


def merged(files: Sequence[FeedFile]) -> Iterator[Row]:
    """The rows of a base and its deltas (oldest first): each key once, with its newest body, unless it was removed."""
    streams = [_levelled(file, -level) for level, file in enumerate(files)]
    last: tuple[str, str] | None = None
    for space, name, _, body in heapq.merge(*streams, key=lambda row: row[:3]):
        if (space, name) == last:
            continue
        last = (space, name)
        if body:
            yield space, name, body


def _levelled(file: FeedFile, level: int) -> Iterator[tuple[str, str, int, bytes]]:
    for space, name, body in file.rows():
        yield space, name, level, body


def difference(old: Iterable[Row], new: Iterable[Row]) -> Iterator[tuple[Row, bytes]]:
    """Each row that differs, as (new row, old body): an empty new body for a removed row, an empty old one for a new.

    Both streams are sorted by key.
    """
    left, right = iter(old), iter(new)
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a[:2] < b[:2]):
            assert a is not None  # noqa: S101  told by the loop's condition
            yield (a[0], a[1], b""), a[2]
            a = next(left, None)
        elif a is None or b[:2] < a[:2]:
            yield b, b""
            b = next(right, None)
        else:
            if a[2] != b[2]:
                yield b, a[2]
            a, b = next(left, None), next(right, None)


def same_items(old: bytes, new: bytes) -> bool:
    """Whether two coded lists hold the same items in any order."""
    return len(old) == len(new) and sorted(split_coded(old)) == sorted(split_coded(new))
