"""Until when a finding should be repaired, counted from the day on which it was first seen in its lineage."""

from pratique.core.clock import DAY
from pratique.core.findings.types import Severity

EXPLOITED_DAYS = 7
DAYS: dict[Severity, int] = {
    Severity.CRITICAL: 14,
    Severity.HIGH: 30,
    Severity.UNKNOWN: 30,
    Severity.MEDIUM: 90,
    Severity.LOW: 180,
}
"""Negligible findings have no date."""


def due_of(severity: Severity, *, exploited: bool, fixable: bool, first_seen: int) -> int | None:
    """Return the due instant, or None where nothing can be done yet or nothing has to be."""
    if not fixable:
        return None
    days = EXPLOITED_DAYS if exploited else DAYS.get(severity)
    return None if days is None else first_seen + days * DAY
