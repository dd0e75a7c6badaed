"""Hits become matches: records joined to one vulnerability, rated, explained; and the coverage of each package."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pratique.advisories.matching.evaluate import Hit
from pratique.advisories.matching.questions import Question
from pratique.advisories.matching.rating import chosen, ratings_of
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


Scores = dict[str, list[tuple[str, Score]]]


class Reporter:
    """Builds matches and coverage from one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._groups = snapshot.groups

    def report(self, judged: Sequence[Judged]) -> tuple[list[Match], list[PackageCoverage]]:
        grouped = [(item, self._grouped(item.hits)) for item in judged]
        cves = {name for _, groups in grouped for hits in groups.values() for name in _cves(self._aliases(hits))}
        scores: Scores = {name: list(found) for name, found in self._snapshot.scores(sorted(cves)).items()}
        matches: list[Match] = []
        coverage: list[PackageCoverage] = []
        for item, groups in grouped:
            own = [self._match(item, canonical, hits, scores) for canonical, hits in groups.items()]
            if not item.assessed:
                own.insert(0, Match(item.package, MatchState.NOT_ASSESSED, reason=item.reason, status=item.code))
            matches += own
            coverage.append(_coverage(item, own))
        return matches, coverage

    def _grouped(self, hits: Sequence[Hit]) -> dict[str, list[Hit]]:
        groups: dict[str, list[Hit]] = {}
        for hit in hits:
            groups.setdefault(self._groups.name_of(hit.advisory.id), []).append(hit)
        return groups

    def _aliases(self, hits: Sequence[Hit]) -> tuple[str, ...]:
        if hits[0].advisory.status == SUITE_STATUS:
            return ()
        return self._groups.aliases(name for hit in hits for name in (hit.advisory.id, *hit.advisory.aliases))

    def _match(self, judged: Judged, canonical: str, hits: list[Hit], scores: Scores) -> Match:
        affected = [hit for hit in hits if hit.state is MatchState.AFFECTED]
        hits = affected or hits
        first = hits[0]
        aliases = self._aliases(hits)
        found = [score for name in _cves(aliases) for _, score in scores.get(name, ())]
        stored = [rating for hit in hits for rating in hit.advisory.ratings]
        ratings = ratings_of([*stored, *(rating for score in found for rating in score.ratings)])
        family = first.question.key.ecosystem
        severity, source = chosen(ratings, family)
        listed = next((score for score in found if score.exploited), None)
        likely = max((score for score in found if score.epss >= 0), key=lambda score: score.epss, default=None)
        fixed = max(hits, key=lambda hit: hit.fixed_key)
        return Match(
            package=judged.package,
            state=first.state,
            group_id=group_id(_rule(first, canonical)),
            aliases=aliases,
            title=_title(hits) or (listed.title if listed else ""),
            reason=_reason(hits, judged.owner),
            status=first.advisory.status,
            fixed_version=fixed.fixed,
            severity=severity if first.state is MatchState.AFFECTED else Severity.UNKNOWN,
            severity_source=source,
            ratings=ratings,
            exploited=listed is not None,
            ransomware=any(score.ransomware for score in found),
            exploited_since=listed.exploited if listed else "",
            epss=likely.epss if likely else None,
            epss_percentile=likely.percentile if likely else None,
            confidence=Confidence.LOW if judged.owner else Confidence.HIGH,
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


def _title(hits: Sequence[Hit]) -> str:
    if hits[0].advisory.status == SUITE_STATUS:
        return f"Security update pending for {hits[0].question.name}"
    return next((hit.advisory.title for hit in hits if hit.advisory.title), "")


def _rule(hit: Hit, canonical: str) -> str:
    """What the group's id is made from; a pending update is a thing of its package, in whichever release."""
    return f"{hit.question.key.ecosystem} {canonical}" if hit.advisory.status == SUITE_STATUS else canonical


def _cves(aliases: Sequence[str]) -> list[str]:
    return [name for name in aliases if is_cve(name)]


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
