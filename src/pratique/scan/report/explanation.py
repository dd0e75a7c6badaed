"""Why an image is, or is not, affected by one vulnerability: the answer, its evidence, and what is not known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pratique.advisories.matching.explaining import Told
from pratique.advisories.types import Match, MatchState
from pratique.scan.report.as_json import finding
from pratique.scan.report.instants import rfc3339
from pratique.scan.report.result import ScanResult


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer about one image and one vulnerability.

    `NOT_ASSESSED` wherever something that could be affected was not looked at: packages without advisories, or a
    vulnerability that no data on this machine names.
    """

    result: ScanResult
    vulnerability: str
    aliases: tuple[str, ...]
    known: bool
    affected: tuple[Match, ...]
    others: tuple[Told, ...]
    """What records say of packages that are not affected by them."""

    @property
    def state(self) -> MatchState:
        if self.affected:
            return MatchState.AFFECTED
        unsure = not self.known or not self.result.assessable or bool(self.result.not_assessed)
        unsure = unsure or any(one.state is MatchState.NOT_ASSESSED for one in self.others)
        return MatchState.NOT_ASSESSED if unsure else MatchState.NOT_AFFECTED

    @property
    def reason(self) -> str:
        """Say in a sentence why the answer is not `affected`; '' when it is."""
        if self.affected:
            return ""
        if not self.known:
            return f"no advisory data on this machine names {self.vulnerability}"
        if self.others:
            return "every record that names a package of this image leaves its version out"
        return f"no record of {self.vulnerability} names a package of this image"


def explain(result: ScanResult, asked: str, aliases: Sequence[str], known: bool, told: Sequence[Told]) -> Explanation:
    """Join the findings of a result with what the records say of its other packages."""
    names = {asked, *aliases}
    matches = (*result.findings, *result.unimportant)
    affected = tuple(one for one in matches if names & {one.vulnerability, one.group_id, *one.aliases})
    held = {id(match.package) for match in affected}
    others = tuple(_judged(one) for one in told if id(one.package) not in held)
    return Explanation(result, asked, tuple(aliases) or (asked,), known or bool(affected), affected, others)


def _judged(one: Told) -> Told:
    """A record that holds the version without a finding yields to the distribution's own feed."""
    if one.state is not MatchState.AFFECTED:
        return one
    from dataclasses import replace

    owner = one.package.owned_by or "a package of the distribution"
    return replace(one, state=MatchState.NOT_AFFECTED, reason=f"its files belong to {owner}, which its own feed judges")


def document(found: Explanation) -> dict[str, Any]:
    """Return the explanation as one JSON object."""
    result = found.result
    return {
        "schema": "pratique.explain.v1",
        "vulnerability": found.vulnerability,
        "aliases": list(found.aliases),
        "subject": result.subject,
        "digest": result.digest,
        "platform": result.platform,
        "state": found.state.value,
        "reason": found.reason,
        "affected": [finding(result, match) for match in found.affected],
        "not_affected": [_other(one) for one in found.others],
        "not_assessed": [f"{one.what}: {one.reason}" for one in (*result.why_not_assessable, *result.not_assessed)],
        "data": list(_data(result)),
    }


def _other(one: Told) -> dict[str, Any]:
    package = one.package
    named = {"ecosystem": package.ecosystem, "name": package.name, "version": package.version}
    return {"package": {**named, "location": package.location}, **one.as_dict()}


def _data(result: ScanResult) -> Iterator[dict[str, Any]]:
    used = {name for item in result.report.coverage for name in item.feeds}
    for feed in result.feeds:
        if feed.name in used and feed.data_date:
            yield {"feed": feed.name, "state": feed.state.value, "data_date": rfc3339(feed.data_date)}
