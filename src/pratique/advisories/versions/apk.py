"""Alpine's version order as bytes (apk-package(5) and the order that `apk version -t` prints).

A version is digits{.digits}[letter]{_suffix[number]}[~hash][-rN]. Where one version ends and the other goes on, the
kind of the next part decides: a pre-release suffix is less than the end, everything else is more, and an earlier kind
in the grammar is more than a later one.
"""

import re

from pratique.advisories.versions.encoding import UnparsableVersionError, bounded, number

_GRAMMAR = re.compile(
    r"(?P<first>[0-9]+)(?P<digits>(?:\.[0-9]+)*)(?P<letter>[a-z]?)"
    r"(?P<suffixes>(?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)"
    r"(?:~(?P<hash>[0-9a-fA-F]+))?(?:-r(?P<revision>[0-9]+))?\Z"
)
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)")
_PRERELEASE = {"alpha": b"\x01", "beta": b"\x02", "pre": b"\x03", "rc": b"\x04"}
_END = b"\x10"
_REVISION = b"\x11"
_HASH = b"\x12"
_SUFFIX_NUMBER = b"\x13"
_POSTRELEASE = {"cvs": b"\x14", "svn": b"\x15", "git": b"\x16", "hg": b"\x17", "p": b"\x18"}
_LETTER = b"\x20"
_DIGITS = b"\x21"
_SUFFIXES = _PRERELEASE | _POSTRELEASE


def key(text: str) -> bytes:
    """The sort key of an Alpine version; raises `UnparsableVersionError` for what apk calls invalid."""
    found = _GRAMMAR.match(bounded(text))
    if found is None:
        raise UnparsableVersionError("the version does not follow Alpine's grammar")
    pieces = [number(found["first"])]
    pieces += [_DIGITS + _component(digits) for digits in found["digits"].split(".")[1:]]
    if found["letter"]:
        pieces.append(_LETTER + found["letter"].encode("ascii"))
    for name, digits in _SUFFIX.findall(found["suffixes"]):
        pieces.append(_SUFFIXES[name] + (_SUFFIX_NUMBER + number(digits) if digits else b""))
    if found["hash"]:
        pieces.append(_HASH + found["hash"].encode("ascii") + b"\x00")
    if found["revision"]:
        pieces.append(_REVISION + number(found["revision"]))
    return b"".join(pieces) + _END


def _component(digits: str) -> bytes:
    """A number after a dot: with a leading zero it compares as text, and so before every number without one."""
    if digits.startswith("0"):
        return b"\x01" + digits.encode("ascii") + b"\x00"
    return b"\x02" + number(digits)
