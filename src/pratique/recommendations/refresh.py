"""Keeps the sums true: lineages whose findings changed are summed up again, and the actions that they touch."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Database, Transaction
from pratique.recommendations import records, words
from pratique.recommendations.actions import Action
from pratique.recommendations.fixes import VersionOrder, newest
from pratique.recommendations.standing import Standing, given, sum_up
from pratique.recommendations.tables import (
    COUNTS,
    recommendation_changes,
    recommendation_items,
    recommendation_lineages,
    recommendation_stale,
    recommendations,
)
from pratique.recommendations.titles import title_of

BATCH = 20
"""Lineages in one transaction: some tens of milliseconds."""

ACTIONS = 100
"""Actions in one transaction."""

PRIORITY_IMAGES = 1 << 20


class Refresher:
    """Sums up what was marked. Marks are taken in the transaction that stores the sums: nothing is lost on a crash."""

    def __init__(self, database: Database, order: VersionOrder, changed: Callable[[Transaction], None]) -> None:
        self._database = database
        self._order = order
        self._changed = changed

    def mark(self, tx: Transaction, lineages: Collection[str]) -> None:
        """Remember in the caller's transaction that findings of these lineages changed."""
        insert = tx.insert(recommendation_changes)
        later = {"changed_at": insert.excluded.changed_at}
        rows = [{"lineage": lineage, "changed_at": tx.now} for lineage in sorted(set(lineages))]
        if rows:
            tx.execute(insert.on_conflict_do_update(index_elements=["lineage"], set_=later), rows)

    def run(self, stop: Callable[[], None] = lambda: None) -> int:
        """Sum up everything that is marked and return how many lineages that were.

        Lineages first, then each action that any of them touched: once, not once for each lineage.
        """
        done = 0
        while count := self._database.write(self._lineages):
            done += count
            stop()
        while self._database.write(self._stale):
            stop()
        return done

    def everything(self, tx: Transaction) -> None:
        """Mark every lineage that has findings or had sums: after an upgrade of the rules of this module."""
        known = tx.execute(sa.select(recommendation_lineages.c.lineage)).scalars().all()
        self.mark(tx, {*known, *records.lineages(tx)})

    def _lineages(self, tx: Transaction) -> int:
        query = sa.select(recommendation_changes.c.lineage).order_by(recommendation_changes.c.changed_at).limit(BATCH)
        lineages = tx.execute(query).scalars().all()
        touched: set[str] = set()
        for lineage in lineages:
            touched |= self._lineage(tx, lineage)
        if touched:
            rows = [{"action": action} for action in sorted(touched)]
            tx.execute(tx.insert(recommendation_stale).on_conflict_do_nothing(), rows)
        if lineages:
            tx.execute(recommendation_changes.delete().where(recommendation_changes.c.lineage.in_(lineages)))
            self._changed(tx)
        return len(lineages)

    def _stale(self, tx: Transaction) -> int:
        query = sa.select(recommendation_stale.c.action).order_by(recommendation_stale.c.action).limit(ACTIONS)
        actions = tx.execute(query).scalars().all()
        if actions:
            self._actions(tx, actions)
            tx.execute(recommendation_stale.delete().where(recommendation_stale.c.action.in_(actions)))
            self._changed(tx)
        return len(actions)

    def _lineage(self, tx: Transaction, lineage: str) -> set[str]:
        standing = sum_up(lineage, records.lines(tx, lineage), records.images(tx, lineage), self._order)
        items, own = recommendation_items, recommendation_items.c.lineage == lineage
        before = set(tx.execute(sa.select(items.c.action).where(own)).scalars())
        tx.execute(items.delete().where(own))
        if standing.items:
            tx.execute(items.insert(), list(standing.items))
        former = self._store_standing(tx, standing)
        return before | {item["action"] for item in standing.items} | former - {""}

    def _store_standing(self, tx: Transaction, standing: Standing) -> set[str]:
        table = recommendation_lineages
        known = tx.execute(sa.select(table.c.worst_action).where(table.c.lineage == standing.lineage)).scalar()
        if not standing.items and not records.is_known(tx, standing.lineage):
            tx.execute(table.delete().where(table.c.lineage == standing.lineage))
            return {known or ""}
        values = {
            "assessed": standing.assessed,
            "open": standing.open,
            "worst_risk": standing.worst_risk,
            "second_risk": standing.second_risk,
            "worst_action": standing.worst_action,
            "updated_at": tx.now,
        }
        row = tx.insert(table).values(lineage=standing.lineage, **values)
        tx.execute(row.on_conflict_do_update(index_elements=["lineage"], set_=values))
        return {known or "", standing.worst_action}

    def _actions(self, tx: Transaction, actions: Sequence[str]) -> None:
        """Sum the items of these actions over all lineages; actions without items end."""
        alive = [row._mapping for row in tx.execute(_sums(actions))]  # noqa: SLF001  SQLAlchemy's public name for it
        gains = _gains(tx, actions)
        fixes = _fixes(tx, actions)
        gone = set(actions) - {row["action"] for row in alive}
        words.store(tx, words.of_items(tx, actions))
        if gone:
            tx.execute(recommendations.delete().where(recommendations.c.action.in_(sorted(gone))))
        for row in alive:
            fix = newest(Action.parse(row["action"]), fixes.get(row["action"], ()), self._order)
            action = given(row["action"], dict(row), fix)
            values = dict(row) | {
                "kind": action.kind.value,
                "title": title_of(action, row["title"])[:500],
                "fix": fix,
                "priority": priority_of(row["risk"], row["images"], row["not_assessed"]),
                "gain": gains.get(action.text, 0.0),
                "updated_at": tx.now,
            }
            statement = tx.insert(recommendations).values(id=action.id, **values)
            tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


def priority_of(risk: float, images: int, not_assessed: int) -> int:
    """Return the number that the list is ordered by: risk first, then images; gaps before what is only exempted."""
    gap = 1 if not_assessed and not risk else 0
    return (round(risk * 10) * 2 + gap) * PRIORITY_IMAGES + min(images, PRIORITY_IMAGES - 1)


def _sums(actions: Sequence[str]) -> sa.Select[Any]:
    items = recommendation_items
    return (
        sa.select(
            items.c.action,
            *(sa.func.sum(items.c[name]).label(name) for name in COUNTS),
            sa.func.max(items.c.severity_rank).label("severity_rank"),
            sa.func.max(items.c.risk).label("risk"),
            sa.func.max(items.c.likelihood).label("likelihood"),
            sa.func.sum(items.c.images).label("images"),
            sa.func.count().label("repositories"),
            sa.func.min(items.c.first_seen).label("first_seen"),
            sa.func.min(items.c.due_at).label("due_at"),
            sa.func.max(items.c.title).label("title"),
            *owners(items),
        )
        .where(items.c.action.in_(actions))
        .group_by(items.c.action)
    )


def owners(items: sa.Table) -> tuple[sa.Label[str], sa.Label[int]]:
    """Return the first owner by name, and how many there are."""
    named = sa.func.nullif(items.c.owner, "")
    return sa.func.coalesce(sa.func.min(named), "").label("owner"), sa.func.count(sa.distinct(named)).label("owners")


def _gains(tx: Transaction, actions: Sequence[str]) -> dict[str, float]:
    table = recommendation_lineages
    query = (
        sa.select(table.c.worst_action, sa.func.sum(table.c.worst_risk - table.c.second_risk).label("gain"))
        .where(table.c.worst_action.in_(actions), table.c.assessed)
        .group_by(table.c.worst_action)
    )
    return {row.worst_action: float(row.gain) for row in tx.execute(query)}


def _fixes(tx: Transaction, actions: Sequence[str]) -> dict[str, set[str]]:
    items = recommendation_items
    query = sa.select(items.c.action, items.c.fix).where(items.c.action.in_(actions), items.c.fix != "").distinct()
    found: dict[str, set[str]] = {}
    for row in tx.execute(query):
        found.setdefault(row.action, set()).add(row.fix)
    return found
