"""Spans of time as people write them on a command line: `90d`, `12h`, `30m`, `45s`."""

import re

from pratique.core.errors import Invalid

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def seconds_of(text: str) -> float:
    """Return a span in seconds, or raise Invalid; a bare number is refused, as nobody knows its unit."""
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip().lower())
    if found is None:
        raise Invalid(f"{text[:40]!r} is not a span of time.", remedy="Write 90d, 12h, 30m or 45s.")
    return float(found[1]) * _UNITS[found[2]]


def optional_seconds_of(text: str) -> float | None:
    """Like `seconds_of`; nothing, or `never`, is None."""
    return None if text.strip().lower() in ("", "never") else seconds_of(text)
