"""The result of one local scan, and the questions that every form of output asks of it."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from pratique.advisories.types import FeedState, FeedStatus, Match, MatchReport
from pratique.core.findings.types import Severity
from pratique.inventory.types import ImageInventory, NotAssessed, Origin
from pratique.scan.image_checks import ImageCheck, image_checks

_NO_IMAGES = frozenset(("rootfs", "sbom", "source"))
SEVERITIES: tuple[Severity, ...] = tuple(sorted(Severity, key=lambda one: -one.rank))


@dataclass(frozen=True)
class ScanResult:
    """One subject, what it holds, and what the advisories say of it. `scanned_at` is UTC microseconds."""

    subject: str
    kind: str
    digest: str
    platform: str
    inventory: ImageInventory
    report: MatchReport
    feeds: tuple[FeedStatus, ...]
    scanned_at: int
    size: int = 0
    """Bytes of all layers as stored; 0 where there are none."""

    @cached_property
    def findings(self) -> tuple[Match, ...]:
        """The matches that count, worst first; what the vendor calls unimportant is left out."""
        return tuple(sorted((one for one in self.report.affected if not one.hidden), key=urgency))

    @cached_property
    def unimportant(self) -> tuple[Match, ...]:
        """What the vendor calls unimportant: not counted, shown on request."""
        return tuple(sorted((one for one in self.report.affected if one.hidden), key=urgency))

    @property
    def counts(self) -> dict[Severity, int]:
        """Findings by severity, worst first, every severity named."""
        found = Counter(match.severity for match in self.findings)
        return {severity: found.get(severity, 0) for severity in SEVERITIES}

    @property
    def assessable(self) -> bool:
        """Whether anything at all can be said: readable package data, and advisories for some of it."""
        return self.inventory.assessable and any(item.assessed for item in self.report.coverage)

    @cached_property
    def why_not_assessable(self) -> tuple[NotAssessed, ...]:
        """The reasons for which nothing can be said of the whole; empty for an assessable subject."""
        if self.assessable:
            return ()
        if self.inventory.blockers:
            return self.inventory.blockers
        reasons = sorted({item.reason for item in self.report.coverage if not item.assessed})
        reason = "; ".join(reasons) or "there are no advisories to compare with"
        return (NotAssessed("all packages", reason, "no-advisories", scope="image"),)

    @cached_property
    def not_assessed(self) -> tuple[NotAssessed, ...]:
        """Everything that was not looked at, packages without advisories grouped by reason."""
        groups: dict[tuple[str, str, str], list[str]] = {}
        for item in self.report.not_assessed:
            key = (item.package.ecosystem, item.code, item.reason)
            groups.setdefault(key, []).append(f"{item.package.name} {item.package.version}")
        grouped = (
            NotAssessed(_some(names), reason, code, scope="package", ecosystem=ecosystem)
            for (ecosystem, code, reason), names in sorted(groups.items())
        )
        return (*self.inventory.not_assessed, *grouped)

    @cached_property
    def checks(self) -> tuple[ImageCheck, ...]:
        """Secrets and settings of an image; a root file system or a list of packages has no configuration to judge."""
        return () if self.kind in _NO_IMAGES else image_checks(self.inventory)

    @property
    def starter_feeds(self) -> tuple[FeedStatus, ...]:
        """Feeds that answered from the built-in starter data only, of those that this subject needs."""
        needed = {feed.name for feed in self.report.needed}
        return tuple(feed for feed in self.feeds if feed.state is FeedState.STARTER and feed.name in needed)

    def origin_of(self, match: Match) -> Origin:
        """The layer that brought the package of a match."""
        return self._origins.get(id(match.package), Origin())

    @cached_property
    def _origins(self) -> dict[int, Origin]:
        return {id(package): origin for package, origin in self.inventory.placed()}


def urgency(match: Match) -> tuple[object, ...]:
    """Sorts the most pressing first: exploited, severity, likelihood, fixable; then by name."""
    return (
        not match.exploited,
        -match.severity.rank,
        -(match.epss or 0.0),
        not match.fixed_version,
        match.package.source_name or match.package.name,
        match.package.name,
        match.vulnerability,
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
