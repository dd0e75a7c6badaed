import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.findings.types import Severity
from pratique.recommendations.risk import MOST, risk_of, score_of

WORST = {"exploited": True, "likelihood": 1.0, "fixable": True}


@pytest.mark.parametrize(
    ("severity", "exploited", "likelihood", "fixable", "value"),
    [
        (Severity.CRITICAL, True, None, True, 100.0),
        (Severity.HIGH, True, 0.2, True, 70.0),
        (Severity.CRITICAL, False, None, True, 20.0),
        (Severity.CRITICAL, False, 0.5, True, 50.0),
        (Severity.MEDIUM, False, 0.0, False, 6.4),
        (Severity.UNKNOWN, False, None, True, 10.0),
        (Severity.NEGLIGIBLE, False, None, False, 0.8),
    ],
)
def test_the_published_examples(
    severity: Severity, exploited: bool, likelihood: float | None, fixable: bool, value: float
) -> None:
    assert risk_of(severity, exploited=exploited, likelihood=likelihood, fixable=fixable).value == value


@given(st.sampled_from(Severity), st.booleans(), st.none() | st.floats(-1, 2), st.booleans())
def test_risk_is_a_number_of_points(
    severity: Severity, exploited: bool, likelihood: float | None, fixable: bool
) -> None:
    risk = risk_of(severity, exploited=exploited, likelihood=likelihood, fixable=fixable)
    assert 0 < risk.value <= MOST
    assert risk.value == pytest.approx(risk.severity * risk.threat * risk.fix * 2, abs=0.2)


@given(st.sampled_from(Severity), st.floats(0, 1), st.booleans())
def test_known_exploitation_outranks_every_prediction(severity: Severity, likelihood: float, fixable: bool) -> None:
    known = risk_of(severity, exploited=True, likelihood=None, fixable=fixable)
    assert known.value > risk_of(severity, exploited=False, likelihood=likelihood, fixable=fixable).value


def test_a_repository_without_open_risk_has_all_points() -> None:
    assert score_of(0.0) == 100.0
    assert score_of(100.0) == 0.0
