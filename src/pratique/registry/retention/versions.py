"""Tags that are versions, in the order of Semantic Versioning 2.0.0."""

import re
from typing import Any

_NUMBER = r"(0|[1-9]\d{0,17})"
_VERSION = re.compile(rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?")


def version_key(tag: str) -> tuple[Any, ...] | None:
    """Return what orders a tag such as `v1.2.3-rc.1` among versions (section 11), or None for what is no full version.

    `v1` and `1.2` are none: they are names that move from version to version.
    """
    found = _VERSION.fullmatch(tag)
    if found is None:
        return None
    release = tuple(int(part) for part in found.groups()[:3])
    if found[4] is None:
        return (*release, 1, ())
    return (*release, 0, tuple(_identifier(part) for part in found[4].split(".")))


def _identifier(text: str) -> tuple[int, int, str]:
    """Numbers come before words; more parts come after fewer, as tuples do by themselves."""
    return (0, int(text[:4000]), "") if text.isdigit() else (1, 0, text)
