"""Base scores of CVSS vectors, versions 2, 3.0, 3.1 and 4.0, and the severity bands of their specifications.

Only base metrics count: threat and environment are what the reader of a finding knows better than the feed.
"""

from collections.abc import Mapping

from pratique.advisories.cvss import v2, v3, v4
from pratique.core.findings.types import Severity

__all__ = ["InvalidVectorError", "base_score", "severity_of_score"]


class InvalidVectorError(ValueError):
    """The text is no CVSS vector with all base metrics."""


def base_score(vector: str) -> float:
    """The base score of a vector; raises `InvalidVectorError`."""
    head, _, rest = vector.strip().strip("()").partition("/")
    try:
        if head in ("CVSS:3.0", "CVSS:3.1"):
            return v3.base_score(_metrics(rest), exact=head == "CVSS:3.1")
        if head == "CVSS:4.0":
            return v4.base_score(_metrics(rest))
        if head.startswith("AV:"):
            return v2.base_score(_metrics(f"{head}/{rest}"))
    except (KeyError, ValueError) as error:
        raise InvalidVectorError(f"{vector[:120]!r} is no complete CVSS vector: {error}") from error
    raise InvalidVectorError(f"{vector[:120]!r} is of no known CVSS version")


def severity_of_score(score: float, vector: str = "") -> Severity:
    """The band of a score; version 2 has no critical band."""
    if score < 0:
        return Severity.UNKNOWN
    if score == 0:
        return Severity.NEGLIGIBLE
    if score < 4.0:
        return Severity.LOW
    if score < 7.0:
        return Severity.MEDIUM
    if score < 9.0 or (vector and not vector.startswith("CVSS:")):
        return Severity.HIGH
    return Severity.CRITICAL


def _metrics(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for item in text.split("/"):
        name, colon, value = item.partition(":")
        if not colon or name in found:
            raise ValueError(f"{item!r} is no metric")
        found[name] = value
    return found
