"""Which records of language packages a distribution's package ships: the only files whose owner matters to matching."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pratique.inventory.readers.text import readable

_KINDS: Final = (
    rb"\.dist-info/METADATA|\.egg-info(?:/PKG-INFO)?|/EGG-INFO/PKG-INFO"
    rb"|node_modules/(?:@[^/\n]+/)?[^/\n]+/package\.json|\.[jwe]ar|/specifications/(?:default/)?[^/\n]+\.gemspec"
    rb"|/composer/installed\.json|\.deps\.json|(?<![^\n/ ])(?:s?bin|libexec)/[^\n]+"
)
_LISTED: Final = re.compile(rb"^(?:[0-9a-f]{32}  )?/?([^\n]*(?:" + _KINDS + rb"))$", re.MULTILINE)
_PATH: Final = re.compile(rb".*(?:" + _KINDS + rb")", re.DOTALL)
_MOST: Final = 50_000


def owned_records(listing: bytes, owner: str) -> tuple[tuple[str, str], ...]:
    """Pairs of (path of a record, owner) from a list of files; bounded, the rest is simply not known to be owned."""
    return tuple(
        (readable(match[1].lstrip(b"/")), owner)
        for match, _ in zip(_LISTED.finditer(listing), range(_MOST), strict=False)
    )


def owned_of(paths: Iterable[bytes], owner: str) -> Iterator[tuple[str, str]]:
    """The same from paths one by one."""
    for path, _ in zip(paths, range(_MOST), strict=False):
        if _PATH.fullmatch(path):
            yield readable(path.lstrip(b"/")), owner
