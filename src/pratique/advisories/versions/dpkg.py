"""Debian's version order as bytes (deb-version(7), "Sorting algorithm").

A version is epoch, upstream and revision. Upstream and revision are read as alternating parts: characters that are no
digits (`~` before the end, the end before letters, letters before all else), then a number. Each such part ends with
END, so the order of the keys is the order of the parts.
"""

import re

from pratique.advisories.versions.encoding import UnparsableVersionError, bounded, number

END = b"\x02"
_PARTS = re.compile(r"([^0-9]*)([0-9]*)")
_UPSTREAM = re.compile(r"[A-Za-z0-9.+~:-]*\Z")
_REVISION = re.compile(r"[A-Za-z0-9.+~]*\Z")
_ORDER = bytes(
    0x01 if char == ord("~") else char if chr(char).isalpha() and char < 0x80 else 0x80 | (char & 0x7F)
    for char in range(256)
)


def key(text: str) -> bytes:
    """The sort key of a Debian version; raises `UnparsableVersionError` for what dpkg would refuse."""
    text = bounded(text)
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    if not (epoch.isascii() and epoch.isdigit()):
        raise UnparsableVersionError(f"the epoch {epoch!r} is no number")
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    if not upstream:
        raise UnparsableVersionError("the upstream version is empty")
    if not (_UPSTREAM.match(upstream) and _REVISION.match(revision)):
        raise UnparsableVersionError("the version has a character that Debian versions cannot have")
    return number(epoch) + _part(upstream) + _part(revision)


def _part(text: str) -> bytes:
    pieces: list[bytes] = []
    for word, digits in _PARTS.findall(text):
        if not (word or digits) and pieces:
            break
        pieces.append(word.encode("ascii").translate(_ORDER) + END + number(digits))
    return b"".join(pieces) + END
