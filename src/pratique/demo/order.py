"""Debian's order of versions, as far as the demo needs it: deb-version(7)."""

import re
from collections.abc import Iterator
from functools import lru_cache

_PARTS = re.compile(r"(\D*)(\d*)")


def older(left: str, right: str) -> bool:
    """True when `left` is an earlier version than `right`."""
    return _key(left) < _key(right)


@lru_cache(maxsize=4096)
def _key(version: str) -> tuple[int, tuple[object, ...], tuple[object, ...]]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, ""
    return int(epoch), tuple(_words(upstream)), tuple(_words(revision))


def _words(text: str) -> Iterator[object]:
    for letters, digits in _PARTS.findall(text):
        if letters or digits:
            yield (*(_weight(letter) for letter in letters), 0)
            yield int(digits or 0)
    yield (0,)


def _weight(letter: str) -> int:
    """`~` before the end, the end before letters, letters before the rest."""
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
