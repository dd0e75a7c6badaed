"""What is asked of the store about a package: which feed, which release or ecosystem, which name, which order."""

from dataclasses import dataclass

from pratique.advisories.feeds.osv_records import normalised
from pratique.advisories.matching.third_party import third_party
from pratique.advisories.types import PackageKey, PackageLike
from pratique.advisories.versions.ecosystems import SCHEME_OF

_LANGUAGES = ("pypi", "npm")
_DISTRIBUTIONS = {"deb": "debian", "apk": "alpine"}
LANGUAGE_FEEDS = {space: f"osv-{space}" for space in _LANGUAGES}
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
    if package.ecosystem in _LANGUAGES:
        space = package.ecosystem
        name = normalised(space, package.name)
        scheme = SCHEME_OF[space]
        return Question(package, LANGUAGE_FEEDS[space], space, name, package.version, scheme, language=True)
    if package.ecosystem in _DISTRIBUTIONS:
        return _of_distribution(package, package.distro or distro)
    return Unasked(package, "unsupported", f"no feed for packages of the kind {package.ecosystem!r} is built in")


def _of_distribution(package: PackageLike, distro: str) -> Question | Unasked:
    family, scheme = _DISTRIBUTIONS[package.ecosystem], SCHEME_OF[package.ecosystem]
    name, _, release = distro.partition(":")
    if not name:
        return Unasked(package, "unknown-release", "the image does not say which distribution it is")
    if name != family:
        return Unasked(package, "no-feed", f"no feed for {name} is built in")
    if family == "alpine" and package.repository:
        release = package.repository.removeprefix("v")
    if not release:
        return Unasked(package, "unknown-release", f"the image does not say which release of {name} it is")
    reason = third_party(package.vendor, package.version) if family == "debian" else ""
    if reason:
        return Unasked(package, "third-party", f"not a package of {name}: {reason}")
    version = package.source_version or package.version
    return Question(package, family, f"{family}:{release}", package.source_name or package.name, version, scheme)
