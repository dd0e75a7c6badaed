"""What the findings of one lineage add up to, in memory: no database here, so that the rules can be read and tested."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pratique.core.findings.types import Severity
from pratique.recommendations.actions import ACTIONABLE, Action, is_settled
from pratique.recommendations.due import due_of
from pratique.recommendations.fixes import VersionOrder, newest
from pratique.recommendations.risk import risk_of
from pratique.recommendations.tables import COUNTS
from pratique.recommendations.titles import title_of

_WHOLE = frozenset({"", "image"})

WORDS = 100_000
"""Characters of searchable text that are kept per action and lineage."""


@dataclass(frozen=True, slots=True)
class Line:
    """One open finding, as far as sums need it."""

    action: str
    title: str
    severity: Severity
    assessed: bool
    exempted: bool
    exploited: bool
    likelihood: float | None
    fix: str
    first_seen: int
    due_at: int | None
    aliases: tuple[str, ...]
    location: str
    rule: str
    owner: str = ""

    @property
    def counted(self) -> bool:
        """Whether it counts against the lineage: affected, and nobody has decided to live with it."""
        return self.assessed and not self.exempted

    @property
    def settled(self) -> bool:
        """Whether its action ends it."""
        return is_settled(self.action, self.fix)

    @property
    def risk(self) -> float:
        if not self.counted:
            return 0.0
        return risk_of(self.severity, exploited=self.exploited, likelihood=self.likelihood, fixable=self.settled).value

    @property
    def due(self) -> int | None:
        if not self.counted:
            return None
        own = due_of(self.severity, exploited=self.exploited, fixable=self.settled, first_seen=self.first_seen)
        return self.due_at if self.due_at is not None else own


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a lineage stands, and its rows of `recommendation_items`."""

    lineage: str
    assessed: bool
    open: int
    worst_risk: float
    second_risk: float
    worst_action: str
    items: tuple[Mapping[str, Any], ...]


def sum_up(lineage: str, lines: Iterable[Line], images: Mapping[str, int], order: VersionOrder) -> Standing:
    """Return the standing of a lineage; `images` is how many images of it each action concerns."""
    groups: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        groups[line.action].append(line)
    items = [_item(lineage, action, group, images.get(action, 0), order) for action, group in groups.items()]
    ranked = sorted(items, key=lambda item: item["risk"], reverse=True)
    everything = [line for group in groups.values() for line in group]
    return Standing(
        lineage=lineage,
        assessed=_assessed(everything),
        open=sum(line.counted for line in everything),
        worst_risk=ranked[0]["risk"] if ranked else 0.0,
        second_risk=max(ranked[1]["risk"] if len(ranked) > 1 else 0.0, _left(groups, ranked)),
        worst_action=ranked[0]["action"] if ranked and ranked[0]["risk"] else "",
        items=tuple(items),
    )


def _left(groups: Mapping[str, list[Line]], ranked: list[dict[str, Any]]) -> float:
    """Return the risk that stays when the worst action is done: that of its findings without a fix."""
    if not ranked or Action.parse(ranked[0]["action"]).kind not in ACTIONABLE:
        return 0.0
    return max((line.risk for line in groups[ranked[0]["action"]] if not line.settled), default=0.0)


def _assessed(lines: list[Line]) -> bool:
    """A lineage counts in the score unless a whole image of it could not be assessed (a gap in no place)."""
    return not any(not line.assessed and line.location.strip("/") in _WHOLE for line in lines)


def _item(lineage: str, action_text: str, lines: list[Line], images: int, order: VersionOrder) -> dict[str, Any]:
    counts, fixes = counts_of(lines), {line.fix for line in lines}
    counted = [line for line in lines if line.counted]
    dates = [line.due for line in counted if line.due is not None]
    fix = newest(Action.parse(action_text), fixes, order)[:200]
    action = given(action_text, counts, fix)
    chances = [line.likelihood for line in counted if line.likelihood is not None]
    return {
        "action": action_text,
        "lineage": lineage,
        "id": action.id,
        **counts,
        "severity_rank": max((line.severity.rank + 1 for line in counted), default=0),
        "risk": max((line.risk for line in counted), default=0.0),
        "likelihood": max(chances, default=None),
        "images": images,
        "first_seen": min(line.first_seen for line in lines),
        "due_at": min(dates, default=None),
        "title": title_of(action, lines[0].title)[:500],
        "fix": fix,
        "owner": min((line.owner for line in lines if line.owner), default=""),
        "words": _words(lines),
    }


def given(action: str, counts: Mapping[str, Any], fix: str) -> Action:
    """Return what an action asks for today, with these counts."""
    affected = sum(counts[severity.value] for severity in Severity)
    return Action.parse(action).given(affected=affected, unfixed=counts["unfixed"], fix=fix)


def counts_of(lines: Iterable[Line]) -> dict[str, int]:
    """Return the counts of every column: what is exempted or not assessed is in no severity."""
    counts = dict.fromkeys(COUNTS, 0)
    for line in lines:
        if line.exempted:
            counts["exempted"] += 1
        elif not line.assessed:
            counts["not_assessed"] += 1
        else:
            counts[line.severity.value] += 1
            counts["exploited"] += line.exploited
            counts["unfixed"] += not line.settled
    return counts


def _words(lines: list[Line]) -> str:
    parts: set[str] = set()
    for line in lines:
        parts.update((line.rule, line.location, *line.aliases))
    return " ".join(sorted(parts)).lower()[:WORDS]
