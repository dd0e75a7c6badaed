"""The published risk formula. It is stated here once; page, API and documentation print it from this module.

    risk = severity * threat * fix * 2              between 0 and 100

    severity   critical 10, high 7, unknown 5, medium 4, low 1.5, negligible 0.5
    threat     5 if exploitation is known (CISA KEV), else 1 + 3 * probability of exploitation (EPSS; 0 if unknown)
    fix        1 if something can be done today, else 0.8

A recommendation has the risk of its worst finding: many small findings never outrank one that is being exploited.
Equal risks are ordered by the number of images. *Not assessed* has no risk: it is a gap, counted and shown apart.
"""

from dataclasses import dataclass

from pratique.core.findings.types import Severity

SEVERITY_WEIGHT: dict[Severity, float] = {
    Severity.CRITICAL: 10.0,
    Severity.HIGH: 7.0,
    Severity.MEDIUM: 4.0,
    Severity.LOW: 1.5,
    Severity.NEGLIGIBLE: 0.5,
    Severity.UNKNOWN: 5.0,
}
EXPLOITED_THREAT = 5.0
LIKELY_THREAT = 3.0
WITHOUT_FIX = 0.8
SCALE = 2.0
MOST = 100.0

LIKELY = 0.1
"""EPSS from which a finding carries the mark *likely*: one in ten is exploited within thirty days."""


@dataclass(frozen=True, slots=True)
class Risk:
    """A risk with the factors it was made of, so that a page can show the sum it did."""

    value: float
    severity: float
    threat: float
    fix: float


def risk_of(severity: Severity, *, exploited: bool, likelihood: float | None, fixable: bool) -> Risk:
    """Return the risk of one finding by the published formula; likelihood is a probability or None for unknown."""
    weight = SEVERITY_WEIGHT[severity]
    threat = EXPLOITED_THREAT if exploited else 1 + LIKELY_THREAT * min(max(likelihood or 0.0, 0.0), 1.0)
    fix = 1.0 if fixable else WITHOUT_FIX
    return Risk(round(min(weight * threat * fix * SCALE, MOST), 1), weight, round(threat, 2), fix)


def score_of(worst: float) -> float:
    """Return the points of a repository, 0 to 100, from its worst open risk."""
    return round(MOST - worst, 1)
