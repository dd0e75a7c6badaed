"""npm's version order as bytes (Semantic Versioning 2.0.0, clause 11, as node-semver reads it).

Build metadata does not take part. As node-semver's loose mode does, a leading `v` or `=` and a pre-release without its
hyphen (`1.2.3beta`) are read; unlike it, missing components count as 0, because bounds of advisories are written so.
"""

import re

from pratique.advisories.versions.encoding import UnparsableVersionError, bounded, number

_GRAMMAR = re.compile(
    r"[v=\s]*([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?"
    r"(?:-?((?:[0-9]+|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:[0-9]+|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?\Z"
)
_RELEASE = b"\x03"
_NUMERIC = b"\x01"
_WORD = b"\x02"
_END = b"\x00"


def key(text: str) -> bytes:
    """The sort key of a semantic version; raises `UnparsableVersionError` for what npm would not install."""
    found = _GRAMMAR.match(bounded(text))
    if found is None:
        raise UnparsableVersionError("the version is not a semantic version")
    major, minor, patch, prerelease = found.groups()
    if prerelease and patch is None:
        raise UnparsableVersionError("the version has a pre-release but no patch number")
    return b"".join((number(major), number(minor or ""), number(patch or ""), _prerelease(prerelease)))


def _prerelease(text: str | None) -> bytes:
    if not text:
        return _RELEASE
    return b"".join(_identifier(part) for part in text.split(".")) + _END


def _identifier(part: str) -> bytes:
    if part.isdigit():
        return _NUMERIC + number(part)
    return _WORD + part.encode("ascii") + _END
