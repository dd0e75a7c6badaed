"""What every domain means by a finding."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

FindingState = Literal["affected", "not-assessed"]


class Severity(StrEnum):
    """How bad; `rank` orders them, unknown last."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    NEGLIGIBLE = "negligible"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        return _RANK[self]

    @classmethod
    def of_rank(cls, rank: int) -> "Severity":
        return _BY_RANK[rank]


_RANK = {severity: rank for rank, severity in enumerate(reversed(Severity))}
_BY_RANK = {rank: severity for severity, rank in _RANK.items()}


def finding_key(rule: str, lineage: str, location: str) -> str:
    """Return the identity of a finding: 32 hexadecimal digits over (rule, lineage, location), each length-prefixed."""
    hasher = hashlib.sha256()
    for part in (rule, lineage, location):
        data = part.encode()
        hasher.update(len(data).to_bytes(8, "big") + data)
    return hasher.hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong in one lineage, whichever builds of it show it."""

    domain: str
    """Who says so: 'scan', 'posture', …"""
    rule: str
    """Alias group id, control id or rule id."""
    lineage: str
    """'registry/team/app', a workload, a host: never a digest."""
    location: str
    """purl without version, path, or JSON pointer."""
    title: str
    severity: Severity
    severity_source: str
    state: FindingState = "affected"
    exploited: bool = False
    likelihood: float | None = None
    """Probability of exploitation within 30 days (EPSS), 0 to 1."""
    fix: str = ""
    """The fixed version, or '' where there is none."""
    action: str = ""
    """Grouping key of recommendations, for example 'os-update|debian:12|openssl'."""
    aliases: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return finding_key(self.rule, self.lineage, self.location)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A finding as it shows in one subject (an image digest, an object uid)."""

    finding: Finding
    subject: str
    version: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Record, range, comparison, data_date, layer and whatever else explains the verdict."""
    remediation: str = ""


@dataclass(frozen=True, slots=True)
class FindingChange:
    """What a replacement did, as finding keys."""

    appeared: tuple[str, ...] = ()
    """New to the lineage, or back after having been resolved."""
    resolved: tuple[str, ...] = ()
    """No subject of the lineage shows them any more."""
    changed: bool = False
    """Whether anything at all differs from what was stored for the subject."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """A decision by a named person to live with findings for a time."""

    id: str
    rule: str
    """Rule or alias group id, or any alias of it (a CVE id); '' covers every rule."""
    lineage: str
    """Everything below it when it ends with '/', else exactly this lineage; '' covers everything."""
    location: str
    """'' covers every location."""
    reason: str
    approver: str
    created_by: str
    created_at: int
    expires_at: int
    revoked_at: int | None = None

    def covers(self, finding: Finding) -> bool:
        """Whether the selectors match; says nothing of time."""
        return (
            self.rule in ("", finding.rule, *finding.aliases)
            and lineage_covers(self.lineage, finding.lineage)
            and self.location in ("", finding.location)
        )

    def active(self, now: int) -> bool:
        return self.revoked_at is None and now < self.expires_at


def lineage_covers(selector: str, lineage: str) -> bool:
    """Whether a lineage selector ('' all, 'a/b/' everything below, else exact) selects `lineage`."""
    if not selector or selector.endswith("/"):
        return lineage.startswith(selector)
    return lineage == selector


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding with what hangs on its key; times in microseconds."""

    finding: Finding
    first_seen: int
    changed_at: int
    resolved_at: int | None
    owner: str
    due_at: int | None
    exemption_id: str | None
    """Set while an exemption is active at the instant of the query."""
    exempt_until: int | None

    @property
    def key(self) -> str:
        return self.finding.key


@dataclass(frozen=True, slots=True)
class StoredOccurrence:
    """An occurrence as stored, with the key of its finding."""

    key: str
    lineage: str
    subject: str
    version: str
    evidence: Mapping[str, Any]
    remediation: str
    first_seen: int


Sort = Literal["risk", "newest", "oldest", "lineage"]


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings to list; empty fields restrict nothing."""

    domain: str = ""
    lineage: str = ""
    """As in an exemption: everything below when it ends with '/', else exact."""
    scopes: tuple[str, ...] | None = None
    """Lineages that the caller may see, each with what is below it; None is everything, () is nothing."""
    rule: str = ""
    """Rule or any alias of it."""
    action: str = ""
    severities: tuple[Severity, ...] = ()
    exploited: bool | None = None
    fixable: bool | None = None
    exempt: bool | None = None
    state: FindingState | None = None
    subject: str = ""
    owner: str = ""
    text: str = ""
    """Case-insensitive part of title, rule, alias, location or lineage."""
    resolved: bool = False
    """Whether to list resolved findings instead of open ones."""


@dataclass(frozen=True, slots=True)
class ActionGroup:
    """All open findings that one action would settle."""

    action: str
    severity: Severity
    findings: int
    lineages: int
    subjects: int
    exploited: bool
    likelihood: float | None
    fixable: int
    first_seen: int
    counts: Mapping[Severity, int]
    title: str
