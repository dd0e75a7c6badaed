"""Values of the advisories domain: what a feed says, what a match answers, how fresh the data is.

All values are frozen. Times are UTC integer microseconds; 0 stands for "the feed does not say". Nothing here opens a
file or a socket, so that any domain may import these types.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pratique.core.findings.types import Severity

__all__ = [
    "ChangeSet",
    "Confidence",
    "Evidence",
    "FeedOutcome",
    "FeedState",
    "FeedStatus",
    "Match",
    "MatchReport",
    "MatchState",
    "NeededFeed",
    "PackageCoverage",
    "PackageKey",
    "PackageLike",
    "Rating",
    "Severity",
    "SyncReport",
    "VulnerabilityGroup",
]


class PackageLike(Protocol):
    """What matching reads of a package; `inventory.types.Package` has these attributes and more."""

    @property
    def ecosystem(self) -> str: ...  # 'deb', 'apk', 'pypi', 'npm', …
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def source_name(self) -> str: ...  # '' = as `name`; the origin for apk
    @property
    def source_version(self) -> str: ...  # '' = as `version`
    @property
    def distro(self) -> str: ...  # 'debian:12', 'alpine:3.19'; '' = of no distribution
    @property
    def repository(self) -> str: ...  # apk: the release that the package manager points at, 'v3.19', 'edge'
    @property
    def vendor(self) -> str: ...  # maintainer or vendor as the package says; '' = unknown
    @property
    def location(self) -> str: ...
    @property
    def module(self) -> str: ...  # the stream that an rpm was built in
    @property
    def owned_by(self) -> str: ...  # 'deb/python3-six': the distribution package that ships these files


@dataclass(frozen=True, slots=True, order=True)
class PackageKey:
    """The address under which feeds speak of a package: a family of distributions or an ecosystem, and the name there.

    `ecosystem` is 'debian', 'alpine', 'pypi' or 'npm' (no release: a change is rare, a second look is cheap); `name`
    is the source name, the origin, or the normalised name.
    """

    ecosystem: str
    name: str


class MatchState(StrEnum):
    """The three answers; there is no fourth."""

    AFFECTED = "affected"
    NOT_AFFECTED = "not-affected"
    NOT_ASSESSED = "not-assessed"


class Confidence(StrEnum):
    """How directly the record speaks of this copy: its own feed, or an upstream where its distribution is silent."""

    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Rating:
    """One party's opinion of one vulnerability; all are kept, none is averaged."""

    source: str  # 'debian', 'nvd', 'ghsa', …
    severity: Severity
    vector: str = ""  # CVSS vector as given
    score: float | None = None  # CVSS base score, computed from the vector where the source gives none


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a match says what it says: enough to repeat the comparison by hand."""

    record: str  # id of the record: 'CVE-2021-44906', 'GHSA-…'
    feed: str  # 'debian', 'osv-pypi', …
    range: str  # '< 3.0.11-1~deb12u2', '>= 1.0.0, < 1.2.6'
    comparison: str  # '3.0.9-1 < 3.0.11-1~deb12u2 (dpkg)'
    data_date: int
    starter: bool = False  # from the built-in starter data

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-ready mapping, for `Occurrence.evidence`."""
        return {
            "record": self.record,
            "feed": self.feed,
            "range": self.range,
            "comparison": self.comparison,
            "data_date": self.data_date,
            "starter": self.starter,
        }


@dataclass(frozen=True, slots=True)
class VulnerabilityGroup:
    """One vulnerability under all its names. `id` is minted, survives feeds, and redirects when groups merge."""

    id: str  # 'vg-…'
    aliases: tuple[str, ...]  # sorted, CVE first
    redirected_from: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that people use: the first CVE, else the first alias, else the id."""
        return self.aliases[0] if self.aliases else self.id


@dataclass(frozen=True, slots=True)
class Match:
    """One answer about one package and one vulnerability (or about the whole package, when `group_id` is '').

    `severity` is UNKNOWN when nobody has rated the vulnerability: a class of its own, not the mildest one.
    """

    package: PackageLike
    state: MatchState
    group_id: str = ""
    aliases: tuple[str, ...] = ()
    title: str = ""
    reason: str = ""  # why not assessed; for `affected` what to know beside it ('Debian: no-dsa, minor issue')
    status: str = ""  # 'no-dsa', 'postponed', 'ignored', 'end-of-life', 'unimportant', 'malware', 'update-pending'
    fixed_version: str = ""  # smallest version on this branch that has the fix; '' = none known
    severity: Severity = Severity.UNKNOWN
    severity_source: str = ""
    ratings: tuple[Rating, ...] = ()
    exploited: bool = False  # listed in KEV
    ransomware: bool = False  # KEV: known use in ransomware campaigns
    exploited_since: str = ""  # KEV: date added, ISO
    epss: float | None = None
    epss_percentile: float | None = None
    confidence: Confidence = Confidence.HIGH
    evidence: tuple[Evidence, ...] = ()

    @property
    def vulnerability(self) -> str:
        """The name that people use: the first CVE, else the first alias, else the group id."""
        return self.aliases[0] if self.aliases else self.group_id

    @property
    def unrated(self) -> bool:
        """Nobody has rated this vulnerability; an update that merely waits is no vulnerability and not meant."""
        return self.state is MatchState.AFFECTED and self.severity is Severity.UNKNOWN and not self.update_pending

    @property
    def update_pending(self) -> bool:
        """The security suite holds a newer version; which vulnerability it mends, if any, is not known here."""
        return self.status == "update-pending"

    @property
    def unrated_with_fix(self) -> bool:
        """Nobody has rated it, yet its vendor has shipped a fix: a class of its own in policies."""
        return self.unrated and bool(self.fixed_version)

    @property
    def hidden(self) -> bool:
        """Sorted out by default, yet always listed on request: the vendor calls it unimportant."""
        return self.status == "unimportant"


@dataclass(frozen=True, slots=True)
class PackageCoverage:
    """Whether a package could be judged, by which feeds, and if not, why."""

    package: PackageLike
    assessed: bool
    feeds: tuple[str, ...] = ()
    reason: str = ""  # stable sentence per cause, for grouping; '' when assessed
    code: str = ""  # 'no-feed', 'no-data', 'unknown-release', 'third-party', 'unparsable-version', 'unsupported'
    fixed_version: str = ""  # the smallest version that clears every fixable finding of this package; '' = none known
    fixable: int = 0
    unfixable: int = 0


@dataclass(frozen=True, slots=True)
class MatchReport:
    """Every answer about a set of packages, and the revision of the data that gave it."""

    matches: tuple[Match, ...]  # affected and not-assessed; not-affected follows from coverage
    coverage: tuple[PackageCoverage, ...]  # one per package, in the order asked
    revision: str
    needed: tuple["NeededFeed", ...] = ()  # feeds that these packages need and the store lacks or has only as starter

    @property
    def affected(self) -> tuple[Match, ...]:
        return tuple(match for match in self.matches if match.state is MatchState.AFFECTED)

    @property
    def not_assessed(self) -> tuple[PackageCoverage, ...]:
        return tuple(item for item in self.coverage if not item.assessed)

    @property
    def coverage_ratio(self) -> float:
        """Share of packages that were assessed; 1.0 of none is stated as 0.0, for nothing was assessed."""
        if not self.coverage:
            return 0.0
        return sum(item.assessed for item in self.coverage) / len(self.coverage)


class FeedState(StrEnum):
    """What a feed's data is worth now."""

    ABSENT = "absent"  # nothing
    STARTER = "starter"  # only the built-in starter data
    CURRENT = "current"
    STALE = "stale"  # older than the feed's warning age
    FAILED = "failed"  # data is there; the last attempt to renew it failed


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """The state of one feed, for page, CLI and doctor."""

    name: str
    title: str
    state: FeedState
    records: int = 0
    bytes: int = 0  # on disk
    download_bytes: int = 0  # of a first fetch, as measured or estimated
    data_date: int = 0
    fetched_at: int = 0  # last time new data came in
    checked_at: int = 0  # last successful answer of the source, 304 included
    revision: str = ""
    error: str = ""
    unparsable: int = 0
    note: str = ""  # 'unverified: gpgv is missing' and the like
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NeededFeed:
    """A feed that would answer what the store cannot: name, why it is wanted, and what a fetch would cost."""

    name: str
    title: str
    reason: str  # 'for 212 packages of debian:12'
    packages: int
    download_bytes: int
    present: bool = False  # there, but starter only or stale


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What moved between two revisions. `everything` is set when the older one is no longer known: re-judge all."""

    old: str
    new: str
    packages: frozenset[PackageKey]
    everything: bool = False


@dataclass(frozen=True, slots=True)
class FeedOutcome:
    """What one feed's renewal came to."""

    feed: str
    outcome: str  # 'updated', 'unchanged', 'failed', 'cancelled'
    error: str = ""
    remedy: str = ""
    records: int = 0
    changed: int = 0  # package keys or scores that differ now
    downloaded: int = 0  # bytes
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a whole sync came to; `ok` only when no feed failed."""

    before: str
    after: str
    outcomes: tuple[FeedOutcome, ...]

    @property
    def ok(self) -> bool:
        return all(item.outcome in {"updated", "unchanged"} for item in self.outcomes)
