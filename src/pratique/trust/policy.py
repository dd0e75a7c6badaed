"""The default policy: pure, total and explained. The same facts and exemptions always give the same verdict.

Refused: a vulnerability known to be exploited, or a critical one that has a fix.
Held: an image that cannot be assessed, or of which too little could be; a vulnerability that its vendor has fixed and
nobody has rated.
Open: everything else. The age of data opens and closes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pratique.core.findings.types import Exemption, Finding, Severity
from pratique.registry.types import SUMMARY_LENGTH, GateState
from pratique.scan.types import Coverage, ImageFacts, ImageState, MatchFact, Place
from pratique.trust.types import DecisionClass, Reason, Verdict

IMAGE_RULE = "not-assessed-image"
COVERAGE_RULE = "not-assessed-coverage"
_NAMED = 20
"""Reasons that a decision names one by one; the page lists all findings."""

_STATE = {
    DecisionClass.EXPLOITED: GateState.REFUSED,
    DecisionClass.FIXABLE_CRITICAL: GateState.REFUSED,
    DecisionClass.NOT_ASSESSABLE: GateState.HELD,
    DecisionClass.LOW_COVERAGE: GateState.HELD,
    DecisionClass.UNRATED: GateState.HELD,
}
"""From the weightiest to the lightest."""


@dataclass(frozen=True, slots=True)
class DefaultPolicy:
    """The policy of a new installation; its revision changes with any of its settings."""

    refuse_exploited: bool = True
    refuse_critical: bool = True
    hold_unrated: bool = True
    minimum_coverage: float = 0.8
    name: str = "default"

    @property
    def revision(self) -> str:
        """Names rules and settings: decisions of another revision are taken again."""
        switches = "".join("01"[on] for on in (self.refuse_exploited, self.refuse_critical, self.hold_unrated))
        return f"1-{switches}-{self.minimum_coverage:g}"

    def judge(self, facts: ImageFacts, place: Place, exemptions: Sequence[Exemption]) -> Verdict:
        """Return what these facts mean in this repository; `exemptions` are those active now."""
        if facts.state is ImageState.READING:
            return Verdict(GateState.HELD, DecisionClass.READING, _first_line("held", "the image is being read"))
        weighed = [_weigh(reason, place, exemptions) for reason in self._reasons(facts)]
        reasons = [reason for reason, _ in weighed]
        ends = [exemption.expires_at for _, exemption in weighed if exemption is not None]
        standing = [reason for reason in reasons if not reason.exempted_by]
        return Verdict(
            **_outcome(standing, len(reasons) - len(standing), place),
            reasons=tuple(_most(standing, reasons)),
            valid_until=min(ends) if ends else None,
        )

    def _reasons(self, facts: ImageFacts) -> Iterator[Reason]:
        """Every ground against the image, weightiest class first."""
        found = [reason for match in facts.notable if (reason := self._match_reason(match)) is not None]
        if facts.state in {ImageState.UNASSESSABLE, ImageState.FAILING}:
            found.append(_unassessable(facts))
        elif facts.coverage.share < self.minimum_coverage:
            found.append(_uncovered(facts))
        yield from sorted(found, key=lambda reason: list(_STATE).index(reason.kind))

    def _match_reason(self, match: MatchFact) -> Reason | None:
        if match.exploited and self.refuse_exploited:
            return _reason(match, DecisionClass.EXPLOITED, "is known to be exploited")
        if match.severity is Severity.CRITICAL and match.fix and self.refuse_critical:
            return _reason(match, DecisionClass.FIXABLE_CRITICAL, "is critical")
        if match.severity is Severity.UNKNOWN and match.fix and self.hold_unrated:
            return _reason(match, DecisionClass.UNRATED, "has a fix and nobody has rated it yet")
        return None


def not_an_image() -> Verdict:
    """Charts, modules and other artifacts are served, and labelled for what they are not."""
    return Verdict(
        GateState.OPEN, DecisionClass.NOT_AN_IMAGE, _first_line("open", "this is not an image; it was not assessed")
    )


def failed_elsewhere(marked_by: str) -> Verdict:
    """Refused: somebody who may write quarantine has failed it, whatever our own facts say."""
    text = f"a scanner has failed this artifact (principal {marked_by})"
    line = _first_line("refused", text)
    remedy = "ask who runs that scanner; a mark of Passed takes this back"
    reason = Reason(kind=DecisionClass.FAILED, text=text, remedy=remedy, location="image")
    return Verdict(GateState.REFUSED, DecisionClass.FAILED, line, remedy=remedy, reasons=(reason,))


def _outcome(standing: Sequence[Reason], exempted: int, place: Place) -> dict[str, Any]:
    if not standing:
        text = f"{exempted} findings are exempted" if exempted else "nothing stands against this image"
        return {"state": GateState.OPEN, "kind": DecisionClass.CLEAR, "summary": _first_line("open", text)}
    first = standing[0]
    state = _STATE[first.kind]
    more = len({(reason.name, reason.location) for reason in standing}) - 1
    text = f"{first.text}; {first.remedy}" + (f" (+{more} more)" if more else "")
    line = _first_line(state.value, text)
    return {"state": state, "kind": first.kind, "summary": line, "remedy": _way_out(first, line, place)}


def _way_out(first: Reason, line: str, place: Place) -> str:
    """What the first line has no room for: the fix where it was cut off, and the way to live with a finding."""
    fix = "" if first.remedy in line else f"{first.remedy}; "
    name = first.name or first.rule
    return (
        f"{fix}or accept it for a time: pratique exempt {name} --repository {place.repository} --reason … --expires 7d"
    )


def _first_line(state: str, text: str) -> str:
    """What a pull prints first: verdict, finding, what to do."""
    line = f"{state}: {text}"
    return line if len(line) <= SUMMARY_LENGTH else line[: SUMMARY_LENGTH - 1] + "…"


def _weigh(reason: Reason, place: Place, exemptions: Iterable[Exemption]) -> tuple[Reason, Exemption | None]:
    """Take the weight off a reason that an exemption covers; of several the one that lasts longest."""
    finding = Finding(
        domain="scan",
        rule=reason.rule,
        lineage=place.lineage,
        location=reason.location,
        title="",
        severity=Severity.UNKNOWN,
        severity_source="",
        aliases=reason.aliases,
    )
    covering = [exemption for exemption in exemptions if exemption.covers(finding)]
    if not covering:
        return reason, None
    longest = max(covering, key=lambda exemption: exemption.expires_at)
    return reason.exempt(longest.id), longest


def _reason(match: MatchFact, kind: DecisionClass, says: str) -> Reason:
    remedy = (
        f"update to {match.clears or match.fix}"
        if match.fix
        else f"no fix is published: remove {match.package} or exempt it"
    )
    return Reason(
        kind=kind,
        text=f"{match.name} in {match.package} {match.version} {says}",
        remedy=remedy,
        rule=match.rule,
        name=match.name,
        location=match.location,
        aliases=match.aliases,
    )


def _unassessable(facts: ImageFacts) -> Reason:
    remedy = facts.remedy or "build the image again and push it"
    return Reason(
        kind=DecisionClass.NOT_ASSESSABLE,
        text=f"the image cannot be assessed: {facts.problem}",
        remedy=remedy,
        rule=IMAGE_RULE,
        location="image",
    )


def _uncovered(facts: ImageFacts) -> Reason:
    why = _main_gap(facts.coverage)
    share = f"{facts.coverage.assessed} of {facts.coverage.packages}"
    return Reason(
        kind=DecisionClass.LOW_COVERAGE,
        text=f"only {share} packages could be assessed: {why}",
        remedy="load the missing data with `pratique advisories sync`, or rebuild on a supported release",
        rule=COVERAGE_RULE,
        location="image",
    )


def _main_gap(coverage: Coverage) -> str:
    return max(coverage.reasons.items(), key=lambda item: item[1])[0] if coverage.reasons else "no reason is known"


def notes(facts: ImageFacts) -> Iterator[str]:
    """What is to be said beside a verdict and closes nothing."""
    if facts.starter:
        yield "judged by the starter data only: run `pratique advisories sync` for all known vulnerabilities"
    missing = facts.coverage.packages - facts.coverage.assessed
    if missing:
        yield f"{missing} of {facts.coverage.packages} packages were not assessed: {_main_gap(facts.coverage)}"


def _most(standing: Sequence[Reason], reasons: Sequence[Reason]) -> list[Reason]:
    """Standing reasons first; exempted ones stay visible."""
    return [*standing[:_NAMED], *[reason for reason in reasons if reason.exempted_by][:_NAMED]]
