"""Instants and ages as people and standards write them."""

from datetime import UTC, datetime

from pratique.core.clock import DAY, HOUR, MINUTE


def rfc3339(micros: int) -> str:
    """UTC microseconds as RFC 3339, to the second."""
    return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def age(then: int, now: int) -> str:
    """How long ago, in the largest fitting unit."""
    past = max(0, now - then)
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if past >= unit:
            count = past // unit
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "less than a minute"
