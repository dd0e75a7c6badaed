"""Which severity a finding has, and who says so: the vendor of the package first, then NVD, then whoever rated it."""

from collections.abc import Sequence
from functools import lru_cache

from pratique.advisories.cvss import InvalidVectorError, base_score, severity_of_score
from pratique.advisories.store.records import StoredRating
from pratique.advisories.types import Rating, Severity

VENDORS = {
    "debian": ("debian", "nvd", "cna", "ghsa", "pypa", "cve", "osv", "ossf"),
    "alpine": ("alpine", "nvd", "cna", "ghsa", "pypa", "cve", "osv", "ossf"),
    "pypi": ("ghsa", "pypa", "ossf", "cve", "osv", "nvd", "cna", "debian"),
    "npm": ("ghsa", "ossf", "cve", "osv", "nvd", "cna", "debian"),
}
_WORDS = {item.value: item for item in Severity}


@lru_cache(maxsize=16_384)
def rating_of(stored: StoredRating) -> Rating:
    """The rating with the score of its vector; the source's own word counts more than the band of its score."""
    score = stored.score if stored.score >= 0 else _score(stored.vector)
    severity = _WORDS.get(stored.severity, Severity.UNKNOWN)
    if stored.severity == "none":
        severity = Severity.NEGLIGIBLE
    if severity is Severity.UNKNOWN and score is not None:
        severity = severity_of_score(score, stored.vector)
    return Rating(stored.source, severity, stored.vector, score)


def _score(vector: str) -> float | None:
    if not vector:
        return None
    try:
        return base_score(vector)
    except InvalidVectorError:
        return None


@lru_cache(maxsize=16_384)
def rated(stored: tuple[StoredRating, ...], family: str) -> tuple[tuple[Rating, ...], Severity, str]:
    """All ratings, each once, the newest CVSS version of a source first; the severity to show, and its source."""
    if not stored:
        return (), Severity.UNKNOWN, ""
    unique = dict.fromkeys(rating_of(item) for item in stored)
    ratings = sorted(unique, key=lambda rating: (rating.source, -_cvss_version(rating.vector), rating.vector))
    severity, source = chosen(ratings, family)
    return tuple(ratings), severity, source


def chosen(ratings: Sequence[Rating], family: str) -> tuple[Severity, str]:
    """The severity to show and its source; UNKNOWN from nobody when there is no rating."""
    order = {source: rank for rank, source in enumerate(VENDORS.get(family, ()))}
    rated = [rating for rating in ratings if rating.severity is not Severity.UNKNOWN]
    if not rated:
        return Severity.UNKNOWN, ""
    best = min(rated, key=lambda rating: (order.get(rating.source, len(order)), -_cvss_version(rating.vector)))
    return best.severity, best.source


def _cvss_version(vector: str) -> float:
    head = vector.partition("/")[0]
    if head.startswith("CVSS:"):
        return float(head.removeprefix("CVSS:")) if head[5:].replace(".", "", 1).isdigit() else 0.0
    return 2.0 if vector else 0.0
