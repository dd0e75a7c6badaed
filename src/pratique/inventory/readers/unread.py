"""Package databases that are recognised and not yet read: their presence is said, so that nothing passes as clean."""

from typing import Final

from pratique.inventory.readers.wanted import Wanted

_DATABASES: Final = (
    ("alpm", r"var/lib/pacman/local/[^/]+/desc", ("desc",), ()),
    ("opkg", r"(?:usr|var)/lib/opkg/status", ("status",), ()),
    ("ebuild", r"var/db/pkg/[^/]+/[^/]+/PF", ("PF",), ()),
)  # fmt: skip
_LANGUAGES: Final = (
    ("composer", r"(?:.*/)?vendor/composer/installed\.json", ("installed.json",), ()),
    ("nuget", r".*\.deps\.json", (), ("json",)),
    ("conda", r"(?:.*/)?conda-meta/[^/]+\.json", (), ("json",)),
)  # fmt: skip

WANTED: Final = (
    *(
        Wanted("unread", None, pattern, names=names, extensions=extensions, ecosystem=ecosystem, weight="database")
        for ecosystem, pattern, names, extensions in _DATABASES
    ),
    *(
        Wanted("unread", None, pattern, names=names, extensions=extensions, ecosystem=ecosystem, weight="ecosystem")
        for ecosystem, pattern, names, extensions in _LANGUAGES
    ),
)
