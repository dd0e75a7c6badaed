"""What is asked of the store about a package: which feed, which release or ecosystem, which name, which order."""

import re
from dataclasses import dataclass

from pratique.advisories.ecosystems import FAMILIES, LANGUAGES
from pratique.advisories.feeds.osv_records import normalised
from pratique.advisories.matching.third_party import third_party
from pratique.advisories.types import PackageKey, PackageLike
from pratique.advisories.versions.ecosystems import SCHEME_OF

_FORMATS = frozenset(family.format for family in FAMILIES.values())
LANGUAGE_FEEDS = {space: f"osv-{space}" for space in LANGUAGES}
SUITE_FEEDS = {"debian": "debian-security"}


@dataclass(frozen=True, slots=True)
class Question:
    """One package, ready to be looked up."""

    package: PackageLike
    feed: str
    space: str  # 'debian:12', 'pypi'
    name: str
    version: str
    scheme: str
    language: bool = False

    @property
    def key(self) -> PackageKey:
        return PackageKey(self.space.partition(":")[0], self.name)

    @property
    def suite_feed(self) -> str:
        """The feed of pending updates beside the main one, '' where there is none."""
        return "" if self.language else SUITE_FEEDS.get(self.feed, "")


@dataclass(frozen=True, slots=True)
class Unasked:
    """Why no feed can be asked about a package."""

    package: PackageLike
    code: str
    reason: str


def question_of(package: PackageLike, distro: str = "") -> Question | Unasked:
    """The question about a package; `distro` stands in for the package's own field where that is empty."""
    if package.ecosystem in LANGUAGES:
        space = package.ecosystem
        name = normalised(space, package.name)
        scheme = SCHEME_OF[space]
        return Question(package, LANGUAGE_FEEDS[space], space, name, package.version, scheme, language=True)
    if package.ecosystem in _FORMATS:
        return _of_distribution(package, package.distro or distro)
    return Unasked(package, "unsupported", f"no feed for packages of the kind {package.ecosystem!r} is built in")


def _of_distribution(package: PackageLike, distro: str) -> Question | Unasked:
    name, _, release = distro.partition(":")
    if not name:
        return Unasked(package, "unknown-release", "the image does not say which distribution it is")
    family = FAMILIES.get(name)
    if family is None or family.format != package.ecosystem:
        return Unasked(package, "no-feed", f"no feed for {name} is built in")
    if name == "alpine" and package.repository:
        release = package.repository.removeprefix("v")
    if not release:
        return Unasked(package, "unknown-release", f"the image does not say which release of {name} it is")
    reason = third_party(package.vendor, package.version) if name == "debian" else ""
    if reason:
        return Unasked(package, "third-party", f"not a package of {name}: {reason}")
    space, scheme = f"{name}:{release}", SCHEME_OF[package.ecosystem]
    if package.ecosystem == "rpm":
        return _of_rpm(package, family.feed, space, scheme)
    version = package.source_version or package.version
    return Question(package, family.feed, space, package.source_name or package.name, version, scheme)


def _of_rpm(package: PackageLike, feed: str, space: str, scheme: str) -> Question | Unasked:
    """By the binary's own name, which is what these feeds list; streams of modules they do not tell apart."""
    if package.module or ".module" in package.version:
        stream = package.module or package.version
        return Unasked(
            package, "module-stream", f"it was built in a module's stream ({stream}), which the feed does not name"
        )
    if _EXTRA.search(package.vendor):
        return Unasked(package, "third-party", "its vendor publishes outside the distribution")
    return Question(package, feed, space, package.name, package.version, scheme)


_EXTRA = re.compile(
    r"fedora project|epel|remi|docker|nvidia|microsoft|elastic|mariadb|nodesource|percona|grafana|hashicorp",
    re.IGNORECASE,
)
