"""Hits become matches: records joined to one vulnerability, rated, explained; and the coverage of each package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pratique.advisories.matching.evaluate import Hit
from pratique.advisories.matching.questions import Question
from pratique.advisories.matching.rating import rated
from pratique.advisories.store.groups import group_id, is_cve
from pratique.advisories.store.records import Score
from pratique.advisories.store.snapshot import Snapshot
from pratique.advisories.types import (
    Confidence,
    Evidence,
    Match,
    MatchState,
    PackageCoverage,
    PackageLike,
    Severity,
)

SUITE_STATUS = "update-pending"
_STATUS_TEXT = {
    "no-dsa": "the vendor plans no separate advisory",
    "postponed": "the vendor has postponed a fix",
    "ignored": "the vendor has decided not to fix it in this release",
    "end-of-life": "the vendor no longer supports this package in this release",
    "unimportant": "the vendor calls it unimportant",
    "update-pending": "the distribution's security suite has a newer version",
    "malware": "the package itself is reported as malicious",
}


@dataclass
class Judged:
    """One package on its way to the report."""

    package: PackageLike
    question: Question | None = None
    assessed: bool = False
    feeds: tuple[str, ...] = ()
    code: str = ""
    reason: str = ""
    hits: list[Hit] = field(default_factory=list)
    owner: str = ""
    clearing: tuple[bytes, str] | None = None

    def unreadable(self, version: str, why: object) -> None:
        """The version cannot be compared although some record would have to be."""
        self.assessed = False
        self.code = "unparsable-version"
        self.reason = f"the version {version[:80]!r} cannot be compared: {why}"


Scores = Mapping[str, Sequence[tuple[str, Score]]]


@dataclass(frozen=True, slots=True)
class _Group:
    """The hits on one package that are one vulnerability."""

    id: str
    hits: list[Hit]
    aliases: tuple[str, ...]

    @property
    def cves(self) -> list[str]:
        return [name for name in self.aliases if is_cve(name)]


class Reporter:
    """Builds matches and coverage from one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._groups = snapshot.groups

    def report(self, judged: Sequence[Judged]) -> tuple[list[Match], list[PackageCoverage]]:
        grouped = [(item, self._grouped(item.hits)) for item in judged]
        cves = {name for _, groups in grouped for group in groups for name in group.cves}
        scores = self._snapshot.scores(sorted(cves))
        matches: list[Match] = []
        coverage: list[PackageCoverage] = []
        for item, groups in grouped:
            own = [self._match(item, group, scores) for group in groups]
            if not item.assessed:
                own.insert(0, Match(item.package, MatchState.NOT_ASSESSED, reason=item.reason, status=item.code))
            matches += own
            coverage.append(_coverage(item, own))
        return matches, coverage

    def _grouped(self, hits: Sequence[Hit]) -> list[_Group]:
        """The hits by vulnerability; where some say affected, those that could not tell are left out."""
        groups: dict[str, list[Hit]] = {}
        for hit in hits:
            groups.setdefault(self._groups.name_of(hit.advisory.id), []).append(hit)
        found: list[_Group] = []
        for canonical, members in groups.items():
            kept = [hit for hit in members if hit.state is MatchState.AFFECTED] or members
            found.append(_Group(group_id(_rule(kept[0], canonical)), kept, self._aliases(kept)))
        return found

    def _aliases(self, hits: Sequence[Hit]) -> tuple[str, ...]:
        if hits[0].advisory.status == SUITE_STATUS:
            return ()
        return self._groups.aliases(name for hit in hits for name in (hit.advisory.id, *hit.advisory.aliases))

    def _match(self, judged: Judged, group: _Group, scores: Scores) -> Match:
        hits = group.hits
        first = hits[0]
        found = [score for name in group.cves for _, score in scores.get(name, ())]
        stored = [rating for hit in hits for rating in hit.advisory.ratings]
        stored += (rating for score in found for rating in score.ratings)
        ratings, severity, source = rated(tuple(stored), first.question.space.partition(":")[0])
        listed = next((score for score in found if score.exploited), None)
        likely = max((score for score in found if score.epss >= 0), key=lambda score: score.epss, default=None)
        return Match(
            package=judged.package,
            state=first.state,
            group_id=group.id,
            aliases=group.aliases,
            title=_title(hits) or (listed.title if listed else ""),
            reason=_reason(hits, judged.owner),
            status=first.advisory.status,
            fixed_version=first.fixed if len(hits) == 1 else max(hits, key=lambda hit: hit.fixed_key).fixed,
            severity=severity if first.state is MatchState.AFFECTED else Severity.UNKNOWN,
            severity_source=source,
            ratings=ratings,
            exploited=listed is not None,
            ransomware=any(score.ransomware for score in found),
            exploited_since=listed.exploited if listed else "",
            epss=likely.epss if likely else None,
            epss_percentile=likely.percentile if likely else None,
            confidence=Confidence.LOW if judged.owner or _is_guessed(judged.package) else Confidence.HIGH,
            evidence=tuple(self._evidence(hit) for hit in hits),
        )

    def _evidence(self, hit: Hit) -> Evidence:
        entry = self._snapshot.views[hit.feed].entry
        return Evidence(
            record=hit.advisory.id,
            feed=hit.feed,
            range=hit.range_text,
            comparison=hit.comparison,
            data_date=entry.data_date,
            starter=entry.starter,
        )


def _is_guessed(package: PackageLike) -> bool:
    """Whether the inventory guessed the package's name or version."""
    return getattr(package, "confidence", "high") == "low"


def _title(hits: Sequence[Hit]) -> str:
    if hits[0].advisory.status == SUITE_STATUS:
        return f"Security update pending for {hits[0].question.name}"
    return next((hit.advisory.title for hit in hits if hit.advisory.title), "")


def _rule(hit: Hit, canonical: str) -> str:
    """What the group's id is made from; a pending update is a thing of its package, in whichever release."""
    return f"{hit.question.key.ecosystem} {canonical}" if hit.advisory.status == SUITE_STATUS else canonical


def _reason(hits: Sequence[Hit], owner: str) -> str:
    parts: dict[str, None] = {}
    for hit in hits:
        if hit.reason:
            parts[hit.reason] = None
        text = _STATUS_TEXT.get(hit.advisory.status, hit.advisory.status)
        note = hit.advisory.note
        if text or note:
            parts[f"{text} ({note})" if text and note else text or note] = None
    if owner:
        parts[f"the files belong to {owner}, on which the distribution's feed is silent"] = None
    return "; ".join(parts)


def _coverage(judged: Judged, matches: Sequence[Match]) -> PackageCoverage:
    shown = [match for match in matches if match.state is MatchState.AFFECTED and not match.hidden]
    fixable = sum(bool(match.fixed_version) for match in shown)
    best = judged.clearing or max(
        ((hit.fixed_key, hit.fixed) for hit in judged.hits if hit.state is MatchState.AFFECTED), default=(b"", "")
    )
    return PackageCoverage(
        package=judged.package,
        assessed=judged.assessed,
        feeds=judged.feeds,
        reason=judged.reason,
        code=judged.code,
        fixed_version=best[1],
        fixable=fixable,
        unfixable=len(shown) - fixable,
    )
