"""Frozen values of recommendations: what a page or an API answer is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pratique.core.findings.types import Severity
from pratique.core.permissions import Extent
from pratique.recommendations.actions import Action, Kind, recommendation_id
from pratique.recommendations.risk import Risk
from pratique.scan.service import BaseUpgrade

__all__ = [
    "Action",
    "Counts",
    "Evidence",
    "EvidencePage",
    "FindingFilter",
    "ImageLine",
    "Kind",
    "Page",
    "Recommendation",
    "RecommendationFilter",
    "Score",
    "ScoreDay",
    "Sort",
    "State",
    "Step",
    "Summary",
    "Visibility",
    "recommendation_id",
]

SEVERITIES = tuple(Severity)
"""Worst first: the order of every table and bar."""


class State(StrEnum):
    """Where a recommendation stands; *not assessed* is never mixed with clean."""

    OPEN = "open"
    OVERDUE = "overdue"
    NOT_ASSESSED = "not-assessed"
    EXEMPTED = "exempted"


class Sort(StrEnum):
    """Orders of the list; each is a stored number, so that every page is one index range."""

    RISK = "risk"
    SEVERITY = "severity"
    IMAGES = "images"
    NEWEST = "newest"
    DUE = "due"


@dataclass(frozen=True, slots=True)
class Visibility:
    """Which lineages a caller may see. Entries are lineages that cover themselves and everything below by segments.

    A lineage is a scope without its first slash (`registry/team`); '' is everything.
    """

    allow: tuple[str, ...] = ("",)
    deny: tuple[str, ...] = ()
    bound: tuple[tuple[str, bool], ...] | None = None
    """What the token is limited to, as (lineage, exact); None for no limit."""
    names: tuple[tuple[str, str, bool], ...] = ()
    """Also allowed: below a lineage, those with one name, or whose name begins so: (lineage, text, exact)."""

    @classmethod
    def of(cls, extent: Extent) -> "Visibility":
        """Translate the scopes under which a permission is held."""
        return cls(
            tuple(str(scope).strip("/") for scope in extent.allowed),
            tuple(str(scope).strip("/") for scope in extent.denied),
            None
            if extent.bound is None
            else tuple((str(bound.scope).strip("/"), bound.exact) for bound in extent.bound),
            tuple((str(one.scope).strip("/"), f"registry/{one.text}", one.exact) for one in extent.names),
        )

    @property
    def everything(self) -> bool:
        return "" in self.allow and not self.deny and self.bound is None

    @property
    def nothing(self) -> bool:
        return (not self.allow and not self.names) or self.bound == ()

    def covers(self, lineage: str) -> bool:
        """Whether one lineage may be seen; for pages of a single thing."""
        return (
            (any(_below(lineage, prefix) for prefix in self.allow) or self._named(lineage))
            and not any(_below(lineage, prefix) for prefix in self.deny)
            and (
                self.bound is None
                or any(lineage == prefix if exact else _below(lineage, prefix) for prefix, exact in self.bound)
            )
        )

    def _named(self, lineage: str) -> bool:
        return any(
            _below(lineage, place) and (lineage == text if exact else lineage.startswith(text))
            for place, text, exact in self.names
        )


def _below(lineage: str, prefix: str) -> bool:
    return not prefix or lineage == prefix or lineage.startswith(f"{prefix}/")


EVERYTHING = Visibility()
NOBODY = "nobody"
"""In a filter: without an owner."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Open findings by severity. Findings that are not assessed or exempted are counted apart."""

    critical: int = 0
    high: int = 0
    medium: int = 0
    low: int = 0
    negligible: int = 0
    unknown: int = 0
    not_assessed: int = 0
    exempted: int = 0
    exploited: int = 0
    unfixed: int = 0
    """Of the open ones those without a fix: they stay when everything that can be done is done."""

    @property
    def open(self) -> int:
        return self.critical + self.high + self.medium + self.low + self.negligible + self.unknown

    def of(self, severity: Severity) -> int:
        return int(getattr(self, severity.value))

    @property
    def worst(self) -> Severity | None:
        return next((severity for severity in SEVERITIES if self.of(severity)), None)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One thing to do, over everything it would repair."""

    id: str
    action: Action
    title: str
    state: State
    counts: Counts
    severity: Severity | None
    likelihood: float | None
    """Highest EPSS of its open findings."""
    fix: str
    """Version that repairs all of it, '' where there is none or it is not one version."""
    risk: float
    images: int
    repositories: int
    first_seen: int
    due: int | None
    gain: float
    """Points that the score would rise by if this alone were done."""
    updated: int
    owner: str = ""
    """Whoever owns its findings; the first by name where several do."""
    owners: int = 0
    base: BaseUpgrade | None = None
    """The base image and its newer build, where the caller may see them."""

    @property
    def kind(self) -> Kind:
        return self.action.kind

    @property
    def fixable(self) -> bool:
        return bool(self.fix) or self.kind is Kind.BASE_UPGRADE


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a repair: a sentence, and where there is one the text to copy."""

    text: str
    code: str = ""
    href: str = ""
    """A page of the console where it can be done."""
    link: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One finding in one image, with the proof: record, range, comparison, date of the data, layer."""

    key: str
    rule: str
    aliases: tuple[str, ...]
    title: str
    severity: Severity
    severity_source: str
    assessed: bool
    exempted: bool
    exploited: bool
    likelihood: float | None
    risk: Risk
    fix: str
    lineage: str
    location: str
    subject: str
    version: str
    remediation: str
    first_seen: int
    due: int | None
    action: str
    owner: str = ""
    proof: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecommendationFilter:
    """What the list is narrowed to; every field is one field of the address. Empty means any."""

    severity: tuple[Severity, ...] = ()
    exploited: bool | None = None
    fixable: bool | None = None
    kind: tuple[Kind, ...] = ()
    state: State | None = None
    owner: str = ""
    """A name, or `nobody` for what has no owner."""
    repository: str = ""
    search: str = ""
    sort: Sort = Sort.RISK
    cursor: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings are listed: of a recommendation, a repository or an image. Empty means any."""

    recommendation: str = ""
    repository: str = ""
    subject: str = ""
    severity: tuple[Severity, ...] = ()
    exploited: bool | None = None
    assessed: bool | None = None
    search: str = ""
    cursor: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Page:
    """A slice of recommendations; `next_cursor` is '' on the last one."""

    items: tuple[Recommendation, ...]
    next_cursor: str
    total: int


@dataclass(frozen=True, slots=True)
class EvidencePage:
    """A slice of findings; `next_cursor` is '' on the last one."""

    items: tuple[Evidence, ...]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class ImageLine:
    """One image that a recommendation would repair."""

    lineage: str
    subject: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Score:
    """How far from clean, 0 to 100: the mean over repositories of 100 minus their worst open risk."""

    value: float | None
    """None as long as nothing was assessed: no score is shown rather than a perfect one."""
    repositories: int
    clean: int
    not_assessed: int


@dataclass(frozen=True, slots=True)
class ScoreDay:
    """How a day ended."""

    begins: int
    """Microseconds of its first instant, UTC."""
    score: float | None
    repositories: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class Summary:
    """The head of the page: the score, and open findings by severity."""

    score: Score
    counts: Counts
    recommendations: int
    overdue: int
