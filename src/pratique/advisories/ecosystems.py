"""Which feed speaks of which kind of package: one table for feeds, questions and freshness.

Keys are the ecosystems of packages (purl types) and the ids of distributions; `versions.ecosystems` has their orders.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Language:
    """Packages of a language, of which one OSV ecosystem speaks."""

    osv: str
    download_bytes: int


@dataclass(frozen=True, slots=True)
class Family:
    """A distribution: the feed that speaks of it, and the OSV ecosystem where that is the source."""

    format: str
    feed: str
    osv: str = ""
    download_bytes: int = 0


LANGUAGES: Final = {
    "cargo": Language("crates.io", 4_000_000),
    "gem": Language("RubyGems", 3_000_000),
    "golang": Language("Go", 8_000_000),
    "maven": Language("Maven", 12_000_000),
    "npm": Language("npm", 200_000_000),
    "pypi": Language("PyPI", 25_000_000),
}

FAMILIES: Final = {
    "almalinux": Family("rpm", "osv-almalinux", "AlmaLinux", 10_000_000),
    "alpine": Family("apk", "alpine"),
    "debian": Family("deb", "debian"),
    "rocky": Family("rpm", "osv-rocky", "Rocky Linux", 5_000_000),
}
"""By the id of os-release."""
