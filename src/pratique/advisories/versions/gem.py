"""RubyGems' version order as bytes (Gem::Version).

A version is cut into numbers and words; zeros at the end of the numbers, and at the end of all, do not count. Words
come before numbers, and what is missing counts as zero. A hyphen is read as `.pre.`.
"""

import re

from pratique.advisories.versions.encoding import UnparsableVersionError, bounded, number

_GRAMMAR = re.compile(r"[0-9]+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?\Z")
_PARTS = re.compile(r"[0-9]+|[A-Za-z]+")
_WORD = b"\x10"
_ZERO_BEFORE_WORD = b"\x18"
_END = b"\x20"
_DIGITS = b"\x30"


def key(text: str) -> bytes:
    """The sort key of a gem's version; raises `UnparsableVersionError` for what `Gem::Version` calls malformed."""
    text = bounded(text)
    if not _GRAMMAR.match(text):
        raise UnparsableVersionError("the version does not follow RubyGems' grammar")
    parts = [part.lstrip("0") if part[0].isdigit() else part for part in _PARTS.findall(text.replace("-", ".pre."))]
    first = next((at for at, part in enumerate(parts) if part.isalpha()), len(parts))
    kept = _trimmed(parts[:first]) + _trimmed(parts[first:])
    return b"".join(_coded(kept, at) for at in range(len(kept))) + _END


def _trimmed(parts: list[str]) -> list[str]:
    while parts and not parts[-1]:
        parts = parts[:-1]
    return parts


def _coded(parts: list[str], at: int) -> bytes:
    part = parts[at]
    if part.isalpha():
        return _WORD + part.encode("ascii") + b"\x00"
    if part:
        return _DIGITS + number(part)
    follower = next((other for other in parts[at + 1 :] if other), "")
    return _ZERO_BEFORE_WORD if follower.isalpha() else _DIGITS + number("")
