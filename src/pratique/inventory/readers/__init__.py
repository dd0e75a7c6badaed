"""One module per package database: the paths it wants and what it makes of a file found there.

A further ecosystem is one more module with a `WANTED` tuple, added to the list below.
"""

from pratique.inventory.readers import apk, dpkg, gem, java, npm, os_release, python, rpm, unread
from pratique.inventory.readers.wanted import Index, Wanted

ALL: tuple[Wanted, ...] = (
    *apk.WANTED,
    *dpkg.WANTED,
    *gem.WANTED,
    *java.WANTED,
    *npm.WANTED,
    *os_release.WANTED,
    *python.WANTED,
    *rpm.WANTED,
    *unread.WANTED,
)

ECOSYSTEMS: tuple[str, ...] = ("apk", "cargo", "deb", "gem", "golang", "maven", "npm", "pypi", "rpm")
"""The ecosystems that are read, sorted."""

__all__ = ["ALL", "ECOSYSTEMS", "Index", "Wanted"]
