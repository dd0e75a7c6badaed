"""The list of recommendations as one statement: from stored sums for who sees everything, else summed up on the way."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Cursors, Transaction
from pratique.core.database.paging import after, check_limit
from pratique.core.errors import Invalid
from pratique.recommendations import words
from pratique.recommendations.errors import FilterInvalid
from pratique.recommendations.narrowing import below, visible
from pratique.recommendations.refresh import PRIORITY_IMAGES, owners
from pratique.recommendations.tables import (
    COUNTS,
    recommendation_items,
    recommendation_lineages,
    recommendations,
)
from pratique.recommendations.titles import title_of
from pratique.recommendations.types import (
    NOBODY,
    Action,
    Counts,
    Kind,
    Page,
    Recommendation,
    RecommendationFilter,
    Sort,
    State,
    Visibility,
)

NEVER = 1 << 61
"""Stands for no date, after every date."""

Source = sa.Table | sa.Subquery


def listed(tx: Transaction, wanted: RecommendationFilter, visibility: Visibility, cursors: Cursors) -> Page:
    """Return one page; a filter over lineages sums only the items of those."""
    limit = _limit(wanted)
    stored = _source(wanted.repository, wanted.search, visibility)
    conditions = _conditions(stored, wanted, visibility, tx.now)
    if wanted.search and stored is recommendations:
        conditions += words.matching(tx, stored.c.action, wanted.search)
    # Counted in the same walk: to sum items or to search twice would cost twice.
    source = sa.select(stored, sa.func.count().over().label("total")).where(*conditions).subquery()
    columns, descending = _order(source, wanted.sort)
    query = sa.select(source)
    if wanted.cursor:
        query = query.where(after(columns, _position(cursors, wanted), descending=descending))
    order = [column.desc() if down else column.asc() for column, down in zip(columns, descending, strict=True)]
    keys = [column.label(f"sort_{index}") for index, column in enumerate(columns)]
    rows = tx.execute(query.add_columns(*keys).order_by(*order).limit(limit + 1)).mappings().all()
    repositories = assessed(tx, visibility)
    kept = tuple(recommendation_of(dict(row), repositories, tx.now) for row in rows[:limit])
    last = rows[limit - 1] if len(rows) > limit else None
    following = cursors.encode(_listing(wanted), [last[f"sort_{i}"] for i in range(len(keys))]) if last else ""
    return Page(kept, following, rows[0]["total"] if rows else 0)


def found(tx: Transaction, recommendation_id: str, visibility: Visibility) -> Recommendation | None:
    """Return one recommendation as the caller may see it."""
    source = _source("", "", visibility)
    row = tx.execute(sa.select(source).where(source.c.id == recommendation_id)).mappings().one_or_none()
    return recommendation_of(dict(row), assessed(tx, visibility), tx.now) if row else None


def action_with(tx: Transaction, recommendation_id: str) -> str | None:
    """Return the action behind an id."""
    query = sa.select(recommendations.c.action).where(recommendations.c.id == recommendation_id)
    return tx.execute(query).scalar_one_or_none()


def assessed(tx: Transaction, visibility: Visibility) -> int:
    """Return over how many repositories the score is a mean."""
    table = recommendation_lineages
    query = sa.select(sa.func.count()).where(table.c.assessed, *visible(table.c.lineage, visibility))
    return int(tx.execute(query).scalar_one())


def recommendation_of(row: Mapping[str, Any], repositories: int, now: int) -> Recommendation:
    """Make a recommendation of a row of sums; `gain` is spread over the repositories that the score is a mean of."""
    counts = Counts(**{name: int(row[name]) for name in COUNTS})
    action = Action.parse(row["action"]).given(affected=counts.open, unfixed=counts.unfixed, fix=row["fix"])
    return Recommendation(
        id=row["id"],
        action=action,
        title=title_of(action, row["title"]),
        state=state_of(counts, row["due_at"], now),
        counts=counts,
        severity=counts.worst,
        likelihood=row["likelihood"],
        fix="" if action.kind is Kind.AWAIT_FIX else row["fix"],
        risk=row["risk"],
        images=int(row["images"]),
        repositories=int(row["repositories"]),
        first_seen=row["first_seen"],
        due=row["due_at"],
        gain=round(row["gain"] / repositories, 2) if repositories else 0.0,
        updated=row["updated_at"],
        owner=row["owner"],
        owners=int(row["owners"]),
    )


def state_of(counts: Counts, due: int | None, now: int) -> State:
    if counts.open:
        return State.OVERDUE if due is not None and due < now else State.OPEN
    return State.NOT_ASSESSED if counts.not_assessed else State.EXEMPTED


def _source(repository: str, search: str, visibility: Visibility) -> Source:
    if visibility.everything and not repository:
        return recommendations
    items, stored = recommendation_items, recommendations
    conditions = visible(items.c.lineage, visibility)
    if repository:
        conditions.append(below(items.c.lineage, lineage_of(repository)))
    named = sa.func.lower(items.c.title + " " + items.c.action, type_=sa.Text)
    for term in words.terms_of(search):
        ways = (items.c.words, named, words.repository(items.c.lineage))
        conditions.append(sa.or_(*(way.contains(term, autoescape=True) for way in ways)))
    own = sa.select(recommendation_lineages).subquery()
    gain = sa.case((own.c.assessed, own.c.worst_risk - own.c.second_risk), else_=0.0)
    risk, images = sa.func.max(items.c.risk), sa.func.sum(items.c.images)
    return (
        sa.select(
            items.c.id,
            items.c.action,
            stored.c.kind,
            stored.c.title,
            stored.c.fix,
            *(sa.func.sum(items.c[name]).label(name) for name in COUNTS),
            sa.func.max(items.c.severity_rank).label("severity_rank"),
            risk.label("risk"),
            sa.func.max(items.c.likelihood).label("likelihood"),
            images.label("images"),
            sa.func.count().label("repositories"),
            sa.func.min(items.c.first_seen).label("first_seen"),
            sa.func.min(items.c.due_at).label("due_at"),
            (sa.cast(risk * 20, sa.BigInteger) * PRIORITY_IMAGES + images).label("priority"),
            sa.func.coalesce(sa.func.sum(gain), 0.0).label("gain"),
            stored.c.updated_at,
            *owners(items),
        )
        .join(stored, stored.c.action == items.c.action)
        .outerjoin(own, sa.and_(own.c.lineage == items.c.lineage, own.c.worst_action == items.c.action))
        .where(*conditions)
        .group_by(items.c.id, items.c.action, stored.c.kind, stored.c.title, stored.c.fix, stored.c.updated_at)
        .subquery()
    )


def lineage_of(repository: str) -> str:
    """Return the lineage of a repository name; a lineage is taken as it is."""
    return repository.strip("/") if repository.startswith("registry/") else f"registry/{repository.strip('/')}"


def _open(source: Source) -> sa.ColumnElement[bool]:
    return source.c.severity_rank > 0


def _conditions(
    source: Source, wanted: RecommendationFilter, visibility: Visibility, now: int
) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.owner == NOBODY:
        conditions.append(source.c.owners == 0)
    elif wanted.owner:
        items = recommendation_items
        own = sa.select(items.c.action).where(items.c.owner == wanted.owner, *visible(items.c.lineage, visibility))
        conditions.append(source.c.action.in_(own))
    if wanted.severity:
        conditions.append(sa.or_(*(source.c[severity.value] > 0 for severity in wanted.severity)))
    if wanted.exploited is not None:
        conditions.append(source.c.exploited > 0 if wanted.exploited else source.c.exploited == 0)
    if wanted.fixable is not None:
        conditions.append(_fixable(source) if wanted.fixable else sa.not_(_fixable(source)))
    if wanted.kind:
        conditions.append(source.c.kind.in_([kind.value for kind in wanted.kind]))
    if wanted.state is not None:
        conditions.append(_state(source, wanted.state, now))
    return conditions


def _fixable(source: Source) -> sa.ColumnElement[bool]:
    return sa.or_(source.c.fix != "", source.c.kind == Kind.BASE_UPGRADE.value)


def _state(source: Source, state: State, now: int) -> sa.ColumnElement[bool]:
    overdue = sa.and_(_open(source), source.c.due_at.is_not(None), source.c.due_at < now)
    return {
        State.OPEN: _open(source),
        State.OVERDUE: overdue,
        State.NOT_ASSESSED: source.c.not_assessed > 0,
        State.EXEMPTED: source.c.exempted > 0,
    }[state]


def _order(source: Source, sort: Sort) -> tuple[list[sa.ColumnElement[Any]], list[bool]]:
    """Return the columns of an order and which of them descend; the id makes every order total."""
    orders: dict[Sort, tuple[list[sa.ColumnElement[Any]], list[bool]]] = {
        Sort.RISK: ([source.c.priority], [True]),
        Sort.SEVERITY: ([source.c.severity_rank, source.c.priority], [True, True]),
        Sort.IMAGES: ([source.c.images, source.c.priority], [True, True]),
        Sort.NEWEST: ([source.c.first_seen], [True]),
        Sort.DUE: ([sa.func.coalesce(source.c.due_at, NEVER)], [False]),
    }
    columns, descending = orders[sort]
    return [*columns, source.c.id], [*descending, True]


def _listing(wanted: RecommendationFilter) -> str:
    return f"recommendations/{wanted.sort.value}"


def _position(cursors: Cursors, wanted: RecommendationFilter) -> list[Any]:
    try:
        return cursors.decode(_listing(wanted), wanted.cursor)
    except Invalid as error:
        raise FilterInvalid(error.message, remedy=error.remedy) from error


def _limit(wanted: RecommendationFilter) -> int:
    try:
        return check_limit(wanted.limit)
    except Invalid as error:
        raise FilterInvalid(error.message, remedy=error.remedy) from error
