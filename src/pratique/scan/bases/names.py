"""Which of a repository's tags name a newer build of the same image. Pure: tags in, tags out.

A tag is read as text, version, text: `1.2-slim` is version 1.2 of the variant `-slim`, `bookworm-20240101` is version
20240101 of the variant `bookworm-`. Only tags of one variant are compared; a tag that is no version is followed only
when it moves.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pratique.registry.types import ManifestName, ServedTag

_TAG = re.compile(r"(?P<head>|v|(?:[A-Za-z0-9_.-]*[._-])??)(?P<version>\d+(?:\.\d+)*)(?P<tail>|[._-].*)")
_NEAR = 6
_FAR = 6
_FLOATING = frozenset({"latest", "stable", "main", "master", "edge"})


@dataclass(frozen=True, slots=True, order=True)
class TagVersion:
    """A tag that holds a version."""

    variant: tuple[str, str]
    version: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A build that may be newer; `step` orders candidates from the nearest."""

    tag: str
    digest: str
    is_index: bool
    step: int


def tag_version(tag: str) -> TagVersion | None:
    """Return what a tag says of a version, or None."""
    match = _TAG.fullmatch(tag)
    if match is None:
        return None
    parts = match["version"].split(".")
    if any(len(part) > 18 for part in parts):
        return None
    return TagVersion((match["head"], match["tail"]), tuple(int(part) for part in parts))


def candidates(tag: str, own: set[str], served: Sequence[ServedTag]) -> list[Candidate]:
    """Return builds to compare with: what the tag itself serves now, and greater versions of the same variant."""
    moved = [Candidate(each.name, each.digest, each.is_index, 0) for each in served if each.name == tag]
    mine = tag_version(tag)
    newer: list[tuple[tuple[int, ...], ServedTag]] = []
    if mine is not None:
        for each in served:
            other = tag_version(each.name)
            if other is not None and other.variant == mine.variant and other.version > mine.version:
                newer.append((other.version, each))
        newer.sort(key=lambda pair: (pair[0], pair[1].name))
    chosen = newer if len(newer) <= _NEAR + _FAR else [*newer[:_NEAR], *newer[-_FAR:]]
    stepped = [Candidate(each.name, each.digest, each.is_index, step) for step, (_, each) in enumerate(chosen, start=1)]
    return [each for each in (*moved, *stepped) if each.digest not in own]


def best_name(names: Sequence[ManifestName]) -> ManifestName | None:
    """Return the name that says most: a whole version before a short one, that before a word, `latest` last."""
    return min(names, key=_saying, default=None)


def _saying(name: ManifestName) -> tuple[bool, bool, int, str, str]:
    version = tag_version(name.tag)
    return (
        name.tag in _FLOATING,
        version is None,
        -len(version.version) if version else 0,
        name.repository,
        name.tag,
    )
