"""Maven's version order as bytes (maven-artifact, ComparableVersion).

A version is a list of numbers, words and lists: a hyphen, and every change between digits and letters, opens a list
within the list. Missing parts count as nothing, which equals zero and `final`; known words come before or after it.
Maven's own relation has cycles (`1.0.alpha` < `1` < `1.foo` < `1.0.alpha`), so no order agrees with all of it: keys
agree wherever a word behind a dot is not compared with a zero, a list or another word behind no dot.
"""

import re

from pratique.advisories.versions.encoding import UnparsableVersionError, bounded, number

_PARTS = re.compile(r"([0-9]+)|([^0-9.\-]+)|([.\-])")
_BEFORE = {"alpha": b"\x01", "beta": b"\x02", "milestone": b"\x03", "rc": b"\x04", "snapshot": b"\x05"}
_ZERO_BEFORE = b"\x10"
_END = b"\x20"
_AFTER = b"\x30"
_WORD = b"\x31"
_LIST = b"\x40"
_ZERO_AFTER = b"\x48"
_DIGITS = b"\x50"
_NOTHING = frozenset(("", "ga", "final", "release"))
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}
_MOST_PARTS = 100

_Item = int | str | list["_Item"]


def key(text: str) -> bytes:
    """The sort key of a Maven version; every text that is not empty is one."""
    parts = _parsed(bounded(text).lower())
    return b"".join(_coded(parts)) + _END


def _parsed(text: str) -> list[_Item]:
    """The nested lists that Maven makes of a text, parts that count as nothing cut from the end of each."""
    root: list[_Item] = []
    lists = [root]
    found = _PARTS.findall(text)
    if len(found) > _MOST_PARTS * 2:
        raise UnparsableVersionError(f"the version has more than {_MOST_PARTS} parts")
    before = "."
    for at, (digits, word, sign) in enumerate(found):
        if sign:
            if before in (".", "-"):
                lists[-1].append(0)
            if sign == "-":
                _open(lists)
        else:
            if before not in (".", "-"):
                _open(lists)
            lists[-1].append(int(digits[:300]) if digits else _word(word, followed=_is_number(found, at + 1)))
        before = sign or digits or word
    for one in reversed(lists):
        _cut(one)
    return root


def _open(lists: list[list[_Item]]) -> None:
    inner: list[_Item] = []
    lists[-1].append(inner)
    lists.append(inner)


def _is_number(found: list[tuple[str, str, str]], at: int) -> bool:
    return at < len(found) and bool(found[at][0])


def _word(word: str, *, followed: bool) -> str:
    if followed and word in _SHORT:
        return _SHORT[word]
    return "" if word in _NOTHING else "rc" if word == "cr" else word


def _cut(items: list[_Item]) -> None:
    for at in range(len(items) - 1, -1, -1):
        if items[at] in (0, "", []):
            del items[at]
        elif not isinstance(items[at], list):
            return


def _coded(items: list[_Item]) -> list[bytes]:
    pieces: list[bytes] = []
    for at, item in enumerate(items):
        if isinstance(item, list):
            inner = _coded(item)
            if inner and isinstance(item[0], int):
                pieces.append(_LIST)
            pieces += inner
        elif isinstance(item, str):
            if item:
                pieces.append(_BEFORE.get(item) or (_AFTER if item == "sp" else _WORD + item.encode() + b"\x00"))
        elif item:
            pieces.append(_DIGITS + number(str(item)))
        else:
            pieces.append(_zero(items[at + 1 :]))
    return pieces


def _zero(rest: list[_Item]) -> bytes:
    """Zero equals nothing, so what follows decides on which side of the end it stands."""
    follower = next((item for item in rest if item not in (0, "")), 1)
    while isinstance(follower, list):
        follower = next((item for item in follower if item not in (0, "")), 1)
    if isinstance(follower, str):
        return _ZERO_BEFORE if follower in _BEFORE else _ZERO_AFTER
    return _DIGITS + number("0")
