"""Python's version order as bytes (PEP 440), with the order of setuptools before PEP 440 for what it does not cover.

Legacy versions sort before all others, as they did in the tools that knew both.
"""

import re

from packaging.version import InvalidVersion, Version

from pratique.advisories.versions.encoding import UnparsableVersionError, bounded, number

_LEGACY = b"\x00"
_MODERN = b"\x01"
_LEAST = b"\x01"  # a part that is absent and sorts first
_GIVEN = b"\x02"
_MOST = b"\x03"  # a part that is absent and sorts last
_PRE = {"a": b"\x01", "b": b"\x02", "rc": b"\x03"}
_LEGACY_WORDS = {"pre": "c", "preview": "c", "-": "final-", "rc": "c", "dev": "@"}
_LEGACY_PARTS = re.compile(r"(\d+|[a-z]+|\.|-)")


def key(text: str) -> bytes:
    """The sort key of a Python version; equal spellings (`3.2`, `3.2.0`, `v3.2`) have equal keys."""
    text = bounded(text)
    try:
        return _MODERN + _modern(Version(text))
    except InvalidVersion:
        return _LEGACY + _legacy(text)


def _modern(version: Version) -> bytes:
    return b"".join(
        (
            number(str(version.epoch)),
            _release(version.release),
            _prerelease(version),
            _LEAST if version.post is None else _GIVEN + number(str(version.post)),
            _MOST if version.dev is None else _GIVEN + number(str(version.dev)),
            _local(version.local),
        )
    )


def _release(release: tuple[int, ...]) -> bytes:
    parts = list(release)
    while parts and parts[-1] == 0:
        parts.pop()
    return b"".join(_GIVEN + number(str(part)) for part in parts) + _LEAST


def _prerelease(version: Version) -> bytes:
    if version.pre is not None:
        word, count = version.pre
        return _GIVEN + _PRE[word] + number(str(count))
    return _LEAST if version.dev is not None and version.post is None else _MOST


def _local(local: str | None) -> bytes:
    if local is None:
        return _LEAST
    return _GIVEN + b"".join(map(_local_part, local.split("."))) + b"\x01"


def _local_part(part: str) -> bytes:
    return b"\x03" + number(part) if part.isdigit() else b"\x02" + part.encode() + b"\x00"


def _legacy(text: str) -> bytes:
    """Words as `*word`, numbers padded, `final` between words and numbers; trailing zeros and dashes are dropped."""
    if not text.isascii():
        raise UnparsableVersionError("the version is neither PEP 440 nor plain text")
    parts: list[str] = []
    for part in _legacy_parts(text.lower()):
        if part.startswith("*"):
            if part < "*final":
                _drop(parts, "*final-")
            _drop(parts, "00000000")
        parts.append(part)
    return b"".join(part.encode("ascii") + b"\x00" for part in parts)


def _legacy_parts(text: str) -> list[str]:
    parts = [_LEGACY_WORDS.get(part, part) for part in _LEGACY_PARTS.findall(text)]
    padded = [part.zfill(8) if part[:1].isdigit() else "*" + part for part in parts if part != "."]
    return [*padded, "*final"]


def _drop(parts: list[str], last: str) -> None:
    while parts and parts[-1] == last:
        parts.pop()
