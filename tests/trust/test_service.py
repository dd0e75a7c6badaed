"""Decisions in the database: gates follow at once, history stays, time does what it should."""

from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from pratique.core.clock import SECOND, FakeClock
from pratique.core.database import Database, Transaction
from pratique.core.errors import Invalid
from pratique.core.events import Event
from pratique.core.jobs.tables import jobs
from pratique.core.permissions import SYSTEM, Caller
from pratique.registry.service import QUARANTINE_MARKED
from pratique.registry.types import GateState, QuarantineMark
from pratique.scan.types import Place
from pratique.trust.exemptions import Exemptions, NewExemption
from pratique.trust.jobs import TrustJobs
from pratique.trust.policy import DefaultPolicy
from pratique.trust.service import REVIEW
from pratique.trust.types import DecisionClass
from tests.scan.parts import Parts, Said


class Written:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.actions: list[str] = []

    def with_change(
        self, tx: Transaction, action: str, caller: Caller, target: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        self.actions.append(action)


@pytest.fixture
def parts(database: Database) -> Parts:
    made = Parts(database)
    made.store.say("nginx", Said("vg-1", ("1.0",), fix="1.1", exploited=True))
    made.rejudger.run()
    return made


@pytest.fixture
def audit() -> Written:
    return Written()


@pytest.fixture
def exemptions(parts: Parts, audit: Written) -> Exemptions:
    return Exemptions(parts.database, parts.findings, parts.trust, audit=audit, events=parts.events, jobs=parts.jobs)


def asked(clock: FakeClock, **fields: Any) -> NewExemption:
    plain = {
        "rule": "CVE-1",
        "lineage": "registry/team/a",
        "reason": "behind a proxy",
        "approver": "ann",
        "expires_at": clock.now() + 60 * SECOND,
    }
    return NewExemption(**{**plain, **fields})


def test_an_exemption_opens_the_gate_before_the_call_returns(
    parts: Parts, exemptions: Exemptions, clock: FakeClock, audit: Written
) -> None:
    place, other = parts.push("team/a", {"nginx": "1.0"}), parts.push("team/b", {"nginx": "1.0"})
    effect = exemptions.add(asked(clock), SYSTEM)
    assert effect.decided == 1
    assert parts.shelf.state(place) is GateState.OPEN
    assert parts.shelf.state(other) is GateState.REFUSED
    assert audit.actions == ["trust.exemption.add"]


def test_an_exemption_below_a_prefix_covers_all_repositories_there(
    parts: Parts, exemptions: Exemptions, clock: FakeClock
) -> None:
    places = [parts.push(name, {"nginx": "1.0"}) for name in ("team/a", "team/b", "teams/c")]
    exemptions.add(asked(clock, lineage="registry/team/"), SYSTEM)
    assert [parts.shelf.state(place) for place in places] == [GateState.OPEN, GateState.OPEN, GateState.REFUSED]


def test_an_image_pushed_later_is_exempt_as_well(parts: Parts, exemptions: Exemptions, clock: FakeClock) -> None:
    exemptions.add(asked(clock), SYSTEM, force=True)
    assert parts.shelf.state(parts.push("team/a", {"nginx": "1.0"})) is GateState.OPEN


@pytest.mark.parametrize(
    "fields", [{"rule": "CVE-2"}, {"lineage": "registry/team/b"}, {"lineage": "registry/tea/"}, {"location": "pkg:x/y"}]
)
def test_an_exemption_that_covers_nothing_is_refused_and_leaves_nothing(
    parts: Parts, exemptions: Exemptions, clock: FakeClock, audit: Written, fields: dict[str, str]
) -> None:
    place = parts.push("team/a", {"nginx": "1.0"})
    with pytest.raises(Invalid, match="matches no open finding in"):
        exemptions.add(asked(clock, **fields), SYSTEM)
    assert exemptions.list() == []
    assert audit.actions == []
    assert parts.shelf.state(place) is GateState.REFUSED


@pytest.mark.parametrize("reason", ["", "       ", "  ok    ok  ", "because"])
def test_a_reason_has_to_say_something(parts: Parts, exemptions: Exemptions, clock: FakeClock, reason: str) -> None:
    parts.push("team/a", {"nginx": "1.0"})
    with pytest.raises(Invalid, match="reason"):
        exemptions.add(asked(clock, reason=reason), SYSTEM, force=True)
    assert exemptions.list() == []


def test_an_exemption_that_ends_closes_the_gate_at_its_instant(
    parts: Parts, exemptions: Exemptions, clock: FakeClock
) -> None:
    place = parts.push("team/a", {"nginx": "1.0"})
    end = exemptions.add(asked(clock), SYSTEM).exemption.expires_at
    assert _review_at(parts) == end
    assert parts.trust.review() == 0
    clock.advance(60)
    assert parts.trust.review() == 1
    assert parts.shelf.state(place) is GateState.REFUSED
    assert parts.trust.review() == 0


def test_a_withdrawn_exemption_closes_the_gate_before_the_call_returns(
    parts: Parts, exemptions: Exemptions, clock: FakeClock, audit: Written
) -> None:
    place = parts.push("team/a", {"nginx": "1.0"})
    identity = exemptions.add(asked(clock), SYSTEM).exemption.id
    exemptions.revoke(identity, SYSTEM)
    assert parts.shelf.state(place) is GateState.REFUSED
    assert audit.actions[-1] == "trust.exemption.revoke"


@pytest.mark.parametrize("missing", ["reason", "approver"])
def test_an_exemption_without_reason_or_approver_changes_nothing(
    parts: Parts, exemptions: Exemptions, clock: FakeClock, missing: str
) -> None:
    place = parts.push("team/a", {"nginx": "1.0"})
    with pytest.raises(Invalid):
        exemptions.add(asked(clock, **{missing: " "}), SYSTEM)
    assert parts.shelf.state(place) is GateState.REFUSED
    assert exemptions.list() == []


def test_each_decision_is_kept_and_says_when_it_ended(parts: Parts, exemptions: Exemptions, clock: FakeClock) -> None:
    place = parts.push("team/a", {"nginx": "1.0"})
    clock.advance(1)
    exemptions.add(asked(clock), SYSTEM)
    kept = parts.database.read(lambda tx: parts.trust.history(tx, place.repository_id, place.digest))
    assert [decision.verdict.kind for decision in kept] == [DecisionClass.CLEAR, DecisionClass.EXPLOITED]
    assert kept[0].superseded_at is None
    assert kept[1].superseded_at == kept[0].decided_at


def test_a_decision_that_says_nothing_new_writes_nothing(parts: Parts) -> None:
    place = parts.push("team/a", {"nginx": "1.0"})
    for _ in range(3):
        parts.database.write(lambda tx: parts.trust.decide(tx, place))
    assert len(parts.database.read(lambda tx: parts.trust.history(tx, place.repository_id, place.digest))) == 1


def test_a_policy_of_another_revision_decides_again(parts: Parts) -> None:
    place = parts.push("team/a", {"nginx": "1.0"})
    parts.trust._policy = DefaultPolicy(refuse_exploited=False)
    decision = parts.database.write(lambda tx: parts.trust.decide(tx, place))
    assert decision.verdict.state is GateState.OPEN
    assert parts.shelf.state(place) is GateState.OPEN


def test_a_change_of_the_policys_settings_is_carried_through_by_the_next_review(parts: Parts) -> None:
    place = parts.push("team/a", {"nginx": "1.0"})
    parts.trust._policy = DefaultPolicy(refuse_exploited=False)
    assert parts.trust.review() == 1
    assert parts.shelf.state(place) is GateState.OPEN
    assert parts.trust.review() == 0


def test_what_is_no_image_is_served_and_labelled(parts: Parts) -> None:
    place = Place("sha256:1", "id", "charts/x")
    decision = parts.database.write(lambda tx: parts.trust.pass_other(tx, place))
    assert decision.verdict.kind is DecisionClass.NOT_AN_IMAGE
    assert parts.shelf.summary(place) == "open: this is not an image; it was not assessed"


def test_a_mark_of_failed_refuses_and_one_of_passed_gives_back_what_the_facts_say(parts: Parts) -> None:
    for versions, without in (({"curl": "1.0"}, GateState.OPEN), ({"nginx": "1.0"}, GateState.REFUSED)):
        place = parts.push("team/a", versions)
        key = place.repository_id, place.digest
        assert parts.shelf.state(place) is without
        parts.shelf.failed[key] = QuarantineMark("Failed", {"scanner": "other"}, 1, "scanner-7")
        mark(parts, place, "Failed")
        assert parts.shelf.state(place) is GateState.REFUSED
        assert "a scanner has failed this artifact (principal scanner-7)" in parts.shelf.summary(place)
        del parts.shelf.failed[key]
        mark(parts, place, "Passed")
        assert parts.shelf.state(place) is without


def test_a_mark_of_failed_refuses_what_is_no_image(parts: Parts) -> None:
    place = Place("sha256:1", "id", "charts/x")
    parts.shelf.failed["id", "sha256:1"] = QuarantineMark("Failed", None, 1, "scanner-7")
    mark(parts, place, "Failed", "other")
    assert parts.shelf.state(place) is GateState.REFUSED


def mark(parts: Parts, place: Place, state: str, kind: str = "image") -> None:
    """Say what the registry says when somebody has marked an artifact; only this ear of trust is open here."""
    parts.events.subscribe_inline(QUARANTINE_MARKED, TrustJobs(parts.trust, parts.events)._marked)
    data = {**place.as_json(), "kind": kind, "state": state}
    parts.database.write(lambda tx: parts.events.publish(tx, Event(QUARANTINE_MARKED, place.digest, data)))


def test_a_deleted_image_has_no_decision(parts: Parts) -> None:
    place = parts.push("team/a", {"nginx": "1.0"})
    parts.database.write(lambda tx: parts.trust.forget(tx, place))
    assert parts.database.read(lambda tx: parts.trust.decision(tx, place.repository_id, place.digest)) is None


def _review_at(parts: Parts) -> int | None:
    return parts.database.read(lambda tx: tx.execute(sa.select(jobs.c.run_at).where(jobs.c.kind == REVIEW)).scalar())
