"""Frozen values of trust: what was decided about an image in a repository, by which policy, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pratique.registry.types import GateState

EXEMPTION_CHANGED = "pratique.trust.exemption.changed.v1"
"""An exemption came or went: `{"lineages": [those with findings under it]}`."""

DECISION_TAKEN = "pratique.trust.decision.taken.v1"


class DecisionClass(StrEnum):
    """Why a decision is as it is, in one word that pages, metrics and scripts can group by."""

    CLEAR = "clear"
    EXPLOITED = "exploited"
    FIXABLE_CRITICAL = "fixable-critical"
    UNRATED = "unrated"
    NOT_ASSESSABLE = "not-assessable"
    LOW_COVERAGE = "low-coverage"
    READING = "reading"
    NOT_AN_IMAGE = "not-an-image"
    FAILED = "failed-by-scanner"


@dataclass(frozen=True, slots=True)
class Reason:
    """One ground of a decision: the finding, and what to do about it."""

    kind: DecisionClass
    text: str
    remedy: str
    rule: str = ""
    """Alias group of the finding, or '' when the ground is no finding."""
    name: str = ""
    location: str = ""
    aliases: tuple[str, ...] = ()
    exempted_by: str = ""
    """Id of the exemption that takes the weight off this ground, or ''."""

    def exempt(self, exemption: str) -> "Reason":
        """The same ground without its weight."""
        return replace(self, exempted_by=exemption)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "text": self.text,
            "remedy": self.remedy,
            "rule": self.rule,
            "name": self.name,
            "location": self.location,
            "aliases": list(self.aliases),
            "exempted_by": self.exempted_by,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Reason":
        return cls(
            kind=DecisionClass(value["kind"]),
            text=str(value["text"]),
            remedy=str(value["remedy"]),
            rule=str(value.get("rule", "")),
            name=str(value.get("name", "")),
            location=str(value.get("location", "")),
            aliases=tuple(value.get("aliases", ())),
            exempted_by=str(value.get("exempted_by", "")),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says about facts; pure, so the same facts and exemptions always give the same verdict."""

    state: GateState
    kind: DecisionClass
    summary: str
    """Starts with the finding and what to do: read by people in the error of a refused pull."""
    remedy: str = ""
    reasons: tuple[Reason, ...] = ()
    valid_until: int | None = None
    """Microseconds at which the answer can change by time alone (an exemption ends)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict as it was taken: bound to digest, repository, policy and that policy's revision."""

    id: str
    digest: str
    repository_id: str
    repository: str
    policy: str
    policy_revision: str
    verdict: Verdict
    facts_revision: str
    decided_at: int
    superseded_at: int | None = None
