"""The head of the page: the score over repositories, and open findings by severity."""

import sqlalchemy as sa

from pratique.core.clock import DAY
from pratique.core.database import Transaction
from pratique.recommendations.narrowing import below, visible
from pratique.recommendations.risk import MOST
from pratique.recommendations.tables import (
    COUNTS,
    recommendation_days,
    recommendation_items,
    recommendation_lineages,
    recommendations,
)
from pratique.recommendations.types import Counts, Score, ScoreDay, Summary, Visibility


def summary(tx: Transaction, visibility: Visibility) -> Summary:
    """Return score and counts of what the caller may see."""
    items = recommendations if visibility.everything else recommendation_items
    conditions = [] if visibility.everything else visible(recommendation_items.c.lineage, visibility)
    sums = [sa.func.coalesce(sa.func.sum(items.c[name]), 0).label(name) for name in COUNTS]
    late = sa.and_(items.c.severity_rank > 0, items.c.due_at < tx.now)
    actions = sa.func.count(sa.distinct(items.c.action))
    overdue = sa.func.count(sa.distinct(sa.case((late, items.c.action))))
    row = tx.execute(sa.select(*sums, actions.label("actions"), overdue.label("late")).where(*conditions)).one()
    counts = Counts(**{name: int(getattr(row, name)) for name in COUNTS})
    return Summary(score(tx, visibility), counts, row.actions, row.late)


def days(tx: Transaction, limit: int) -> tuple[ScoreDay, ...]:
    """Return the latest days, oldest first."""
    table = recommendation_days
    rows = tx.execute(sa.select(table).order_by(table.c.day.desc()).limit(limit)).all()
    return tuple(
        ScoreDay(
            begins=int(row.day) * DAY,
            score=row.score,
            repositories=row.repositories,
            counts=Counts(**{name: getattr(row, name) for name in COUNTS}),
        )
        for row in reversed(rows)
    )


def score(tx: Transaction, visibility: Visibility) -> Score:
    """Return the mean over assessed repositories of 100 less their worst open risk."""
    table = recommendation_lineages
    known = sa.func.count(sa.case((table.c.assessed, 1)))
    clean = sa.func.count(sa.case((sa.and_(table.c.assessed, table.c.open == 0), 1)))
    worst = sa.func.sum(sa.case((table.c.assessed, table.c.worst_risk), else_=0.0))
    row = tx.execute(
        sa.select(sa.func.count().label("all"), known.label("known"), clean.label("clean"), worst.label("worst"))
        .select_from(table)
        .where(*visible(table.c.lineage, visibility), sa.not_(below(table.c.lineage, "identity")))
    ).one()
    value = round(MOST - row.worst / row.known, 1) if row.known else None
    return Score(value, row.all, row.clean, row.all - row.known)
