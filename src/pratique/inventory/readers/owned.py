"""Which records of language packages a distribution's package ships: the only files whose owner matters to matching."""

import re
from typing import Final

from pratique.inventory.readers.text import readable

_RECORD: Final = re.compile(
    rb"^(?:[0-9a-f]{32}  )?/?([^\n]*(?:\.dist-info/METADATA|\.egg-info(?:/PKG-INFO)?|/EGG-INFO/PKG-INFO"
    rb"|node_modules/(?:@[^/\n]+/)?[^/\n]+/package\.json))$",
    re.MULTILINE,
)
_MOST: Final = 50_000


def owned_records(listing: bytes, owner: str) -> tuple[tuple[str, str], ...]:
    """Pairs of (path of a record, owner) from a list of files; bounded, the rest is simply not known to be owned."""
    return tuple((readable(match[1]), owner) for match, _ in zip(_RECORD.finditer(listing), range(_MOST), strict=False))
