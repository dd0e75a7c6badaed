"""Conditions that limit a list to what a caller may see and has asked for."""

from collections.abc import Sequence

import sqlalchemy as sa

from pratique.recommendations.types import Visibility

LIKE_LIMIT = 200
"""Characters of a search that are looked at."""


def visible(column: sa.ColumnElement[str], visibility: Visibility) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on a lineage column; none for a caller who may see everything."""
    if visibility.everything:
        return []
    if visibility.nothing:
        return [sa.false()]
    conditions = []
    if "" not in visibility.allow:
        places = [below(column, prefix) for prefix in visibility.allow]
        conditions.append(sa.or_(sa.false(), *places, *(_named(column, *name) for name in visibility.names)))
    conditions += [sa.not_(below(column, prefix)) for prefix in visibility.deny]
    if visibility.bound is not None:
        conditions.append(_bound(column, visibility.bound))
    return conditions


def below(column: sa.ColumnElement[str], prefix: str) -> sa.ColumnElement[bool]:
    """Return the condition that a lineage is `prefix` or lies below it, as ranges that an index serves."""
    if not prefix:
        return sa.true()
    # '0' is the character after '/', so this is every text that starts with `prefix/`.
    return sa.or_(column == prefix, sa.and_(column >= f"{prefix}/", column < f"{prefix}0"))


def _named(column: sa.ColumnElement[str], place: str, text: str, exact: bool) -> sa.ColumnElement[bool]:
    return sa.and_(below(column, place), column == text if exact else column.startswith(text, autoescape=True))


def _bound(column: sa.ColumnElement[str], bound: Sequence[tuple[str, bool]]) -> sa.ColumnElement[bool]:
    return sa.or_(*(column == prefix if exact else below(column, prefix) for prefix, exact in bound))
