"""The default policy is a pure function: rows of facts in, verdicts out."""

from dataclasses import replace

import pytest

from pratique.core.findings.types import Exemption, Severity
from pratique.registry.types import SUMMARY_LENGTH, GateState
from pratique.scan.types import Coverage, ImageFacts, ImageState, MatchFact, Place
from pratique.trust.policy import COVERAGE_RULE, IMAGE_RULE, DefaultPolicy, notes
from pratique.trust.types import DecisionClass

PLACE = Place("sha256:" + "0" * 64, "id", "team/app")
MATCH = MatchFact(
    rule="vg-1",
    name="CVE-2023-44487",
    aliases=("CVE-2023-44487", "GHSA-qppj-fm5r-hxr3"),
    package="nginx",
    version="1.22.1-9+deb12u9",
    location="pkg:deb/debian/nginx",
    severity=Severity.HIGH,
    severity_source="debian",
    exploited=False,
    likelihood=0.9,
    fix="1.22.1-9+deb12u11",
)
FACTS = ImageFacts(PLACE.digest, ImageState.ASSESSED, coverage=Coverage(10, 10), revision="r1")


def facts(**match: object) -> ImageFacts:
    return replace(FACTS, notable=(replace(MATCH, **match),))  # type: ignore[arg-type]


def exemption(**fields: object) -> Exemption:
    plain = Exemption("ex-1", "CVE-2023-44487", "registry/team/", "", "why", "ann", "bob", 0, 1000)
    return replace(plain, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "state", "kind"),
    [
        (FACTS, GateState.OPEN, DecisionClass.CLEAR),
        (facts(exploited=True), GateState.REFUSED, DecisionClass.EXPLOITED),
        (facts(exploited=True, fix=""), GateState.REFUSED, DecisionClass.EXPLOITED),
        (facts(severity=Severity.CRITICAL), GateState.REFUSED, DecisionClass.FIXABLE_CRITICAL),
        (facts(severity=Severity.CRITICAL, fix=""), GateState.OPEN, DecisionClass.CLEAR),
        (facts(severity=Severity.UNKNOWN), GateState.HELD, DecisionClass.UNRATED),
        (facts(severity=Severity.UNKNOWN, fix=""), GateState.OPEN, DecisionClass.CLEAR),
        (facts(severity=Severity.HIGH), GateState.OPEN, DecisionClass.CLEAR),
        (
            replace(FACTS, state=ImageState.UNASSESSABLE, problem="no packages"),
            GateState.HELD,
            DecisionClass.NOT_ASSESSABLE,
        ),
        (replace(FACTS, state=ImageState.READING), GateState.HELD, DecisionClass.READING),
        (replace(FACTS, coverage=Coverage(10, 7, {"no data": 3})), GateState.HELD, DecisionClass.LOW_COVERAGE),
        (replace(FACTS, coverage=Coverage(10, 8, {"no data": 2})), GateState.OPEN, DecisionClass.CLEAR),
        (replace(FACTS, starter=True), GateState.OPEN, DecisionClass.CLEAR),
    ],
)
def test_each_kind_of_fact_has_its_verdict(given: ImageFacts, state: GateState, kind: DecisionClass) -> None:
    verdict = DefaultPolicy().judge(given, PLACE, [])
    assert (verdict.state, verdict.kind) == (state, kind)


def test_refusal_outweighs_being_held() -> None:
    given = replace(facts(exploited=True), state=ImageState.UNASSESSABLE, problem="a layer is broken")
    verdict = DefaultPolicy().judge(given, PLACE, [])
    assert verdict.state is GateState.REFUSED
    assert [reason.kind for reason in verdict.reasons] == [DecisionClass.EXPLOITED, DecisionClass.NOT_ASSESSABLE]


def test_the_first_line_names_the_finding_and_what_to_do() -> None:
    verdict = DefaultPolicy().judge(facts(exploited=True), PLACE, [])
    assert verdict.summary == (
        "refused: CVE-2023-44487 in nginx 1.22.1-9+deb12u9 is known to be exploited; update to 1.22.1-9+deb12u11"
    )


def test_an_unrated_finding_says_that_nobody_has_rated_it() -> None:
    verdict = DefaultPolicy().judge(facts(severity=Severity.UNKNOWN), PLACE, [])
    assert "nobody has rated it yet" in verdict.summary


def test_the_first_line_is_never_longer_than_a_client_shows() -> None:
    verdict = DefaultPolicy().judge(facts(exploited=True, package="x" * 300), PLACE, [])
    assert len(verdict.summary) == SUMMARY_LENGTH


@pytest.mark.parametrize("rule", ["CVE-2023-44487", "GHSA-qppj-fm5r-hxr3", "vg-1"])
def test_an_exemption_by_any_name_opens_and_says_until_when(rule: str) -> None:
    verdict = DefaultPolicy().judge(facts(exploited=True), PLACE, [exemption(rule=rule)])
    assert verdict.state is GateState.OPEN
    assert verdict.valid_until == 1000
    assert verdict.reasons[0].exempted_by == "ex-1"


@pytest.mark.parametrize(
    "other", [exemption(lineage="registry/other/"), exemption(rule="CVE-1"), exemption(location="pkg:deb/debian/x")]
)
def test_an_exemption_for_something_else_opens_nothing(other: Exemption) -> None:
    assert DefaultPolicy().judge(facts(exploited=True), PLACE, [other]).state is GateState.REFUSED


def test_of_two_exemptions_the_longer_one_says_when_to_look_again() -> None:
    both = [exemption(), exemption(id="ex-2", expires_at=2000)]
    assert DefaultPolicy().judge(facts(exploited=True), PLACE, both).valid_until == 2000


def test_one_exempted_finding_does_not_cover_another() -> None:
    given = replace(
        FACTS,
        notable=(
            replace(MATCH, exploited=True),
            replace(MATCH, rule="vg-2", name="CVE-2", aliases=("CVE-2",), exploited=True),
        ),
    )
    verdict = DefaultPolicy().judge(given, PLACE, [exemption()])
    assert verdict.state is GateState.REFUSED
    assert verdict.summary.startswith("refused: CVE-2 in nginx")


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (replace(FACTS, state=ImageState.UNASSESSABLE, problem="x"), IMAGE_RULE),
        (replace(FACTS, coverage=Coverage(10, 1, {"no data": 9})), COVERAGE_RULE),
    ],
)
def test_what_could_not_be_assessed_can_be_exempted_by_name(given: ImageFacts, rule: str) -> None:
    assert DefaultPolicy().judge(given, PLACE, [exemption(rule=rule)]).state is GateState.OPEN


def test_settings_switch_grounds_off_and_change_the_revision() -> None:
    lax = DefaultPolicy(refuse_exploited=False, refuse_critical=False, hold_unrated=False, minimum_coverage=0)
    assert lax.revision != DefaultPolicy().revision
    for given in (facts(exploited=True), facts(severity=Severity.CRITICAL), facts(severity=Severity.UNKNOWN)):
        assert lax.judge(given, PLACE, []).state is GateState.OPEN


def test_an_exploited_critical_counts_as_critical_where_exploitation_is_switched_off() -> None:
    policy = DefaultPolicy(refuse_exploited=False)
    verdict = policy.judge(facts(exploited=True, severity=Severity.CRITICAL), PLACE, [])
    assert verdict.kind is DecisionClass.FIXABLE_CRITICAL


def test_starter_data_and_gaps_are_said_beside_the_verdict() -> None:
    given = replace(FACTS, starter=True, coverage=Coverage(10, 9, {"no feed": 1}))
    assert [line.split(":")[0] for line in notes(given)] == [
        "judged by the starter data only",
        "1 of 10 packages were not assessed",
    ]
