"""RPM's version order as bytes (rpm, docs/man/rpm-version.7).

A version is `[epoch:]version[-release]`. Version and release are read as runs of digits and runs of letters, everything
else only separates; `~` sorts before the end, `^` after the end and before any further run; digits sort after letters.
"""

import re

from pratique.advisories.versions.encoding import UnparsableVersionError, bounded, number

_PARTS = re.compile(r"([0-9]+)|([A-Za-z]+)|([~^])")
_TILDE = b"\x01"
_END = b"\x02"
_CARET = b"\x03"
_WORD = b"\x04"
_DIGITS = b"\x05"


def key(text: str) -> bytes:
    """The sort key of an rpm version; raises `UnparsableVersionError` where epoch is no number or version is empty."""
    text = bounded(text)
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    if epoch in ("", "(none)"):
        epoch = "0"
    if not (epoch.isascii() and epoch.isdigit()):
        raise UnparsableVersionError(f"the epoch {epoch!r} is no number")
    version, _, release = rest.rpartition("-") if "-" in rest else (rest, "", "")
    if not version:
        raise UnparsableVersionError("the version is empty")
    return number(epoch) + _part(version) + _part(release)


def _part(text: str) -> bytes:
    pieces = []
    for digits, word, sign in _PARTS.findall(text):
        if digits:
            pieces.append(_DIGITS + number(digits))
        elif word:
            pieces.append(_WORD + word.encode("ascii") + b"\x00")
        else:
            pieces.append(_TILDE if sign == "~" else _CARET)
    return b"".join(pieces) + _END
