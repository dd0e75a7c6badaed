"""Filters of a list out of an address. What cannot be meant is refused with the values that can."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from starlette.datastructures import QueryParams

from pratique.core.findings.types import Severity
from pratique.recommendations.errors import FilterInvalid
from pratique.recommendations.types import FindingFilter, Kind, RecommendationFilter, Sort, State

E = TypeVar("E", bound=StrEnum)
_FLAGS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
LONGEST = 255
PAGE = 50


def recommendation_filter(query: QueryParams, limit: int = PAGE) -> RecommendationFilter:
    """Return the filter that an address means; raises FilterInvalid."""
    return RecommendationFilter(
        severity=_many(Severity, query, "severity"),
        exploited=_flag(query, "exploited"),
        fixable=_flag(query, "fixable"),
        kind=_many(Kind, query, "kind"),
        state=_one(State, query, "state"),
        owner=query.get("owner", "").strip()[:LONGEST],
        repository=query.get("repository", "").strip()[:LONGEST],
        search=query.get("q", "").strip()[:LONGEST],
        sort=_one(Sort, query, "sort") or Sort.RISK,
        cursor=query.get("cursor", ""),
        limit=_limit(query, limit),
    )


def finding_filter(query: QueryParams, limit: int = 100) -> FindingFilter:
    """Return the filter of the list of findings that an address means; raises FilterInvalid."""
    return FindingFilter(
        recommendation=query.get("recommendation", "")[:LONGEST],
        repository=query.get("repository", "").strip()[:LONGEST],
        subject=query.get("subject", "")[:LONGEST],
        severity=_many(Severity, query, "severity"),
        exploited=_flag(query, "exploited"),
        assessed=_flag(query, "assessed"),
        search=query.get("q", "").strip()[:LONGEST],
        cursor=query.get("cursor", ""),
        limit=_limit(query, limit),
    )


def is_narrowed(wanted: RecommendationFilter) -> bool:
    """Whether anything is left out of the list."""
    return wanted != RecommendationFilter(sort=wanted.sort, cursor=wanted.cursor, limit=wanted.limit)


def _many(kind: type[E], query: QueryParams, name: str) -> tuple[E, ...]:
    given = [part for value in query.getlist(name) for part in value.split(",") if part]
    return tuple(sorted({_member(kind, name, value) for value in given[:20]}, key=list(kind).index))


def _one(kind: type[E], query: QueryParams, name: str) -> E | None:
    value = query.get(name, "")
    return _member(kind, name, value) if value else None


def _member(kind: type[E], name: str, value: str) -> E:
    try:
        return kind(value)
    except ValueError:
        raise _invalid(name, value, (member.value for member in kind)) from None


def _flag(query: QueryParams, name: str) -> bool | None:
    value = query.get(name, "")
    if not value:
        return None
    if value not in _FLAGS:
        raise _invalid(name, value, ("yes", "no"))
    return _FLAGS[value]


def _limit(query: QueryParams, default: int) -> int:
    value = query.get("limit", "")
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or not 1 <= int(value[:6]) <= 500:
        raise _invalid("limit", value, ("1", "…", "500"))
    return int(value)


def _invalid(name: str, value: str, known: Iterable[str]) -> FilterInvalid:
    return FilterInvalid(f"The filter {name} cannot be {value[:60]!r}.", remedy=f"It can be: {', '.join(known)}.")
