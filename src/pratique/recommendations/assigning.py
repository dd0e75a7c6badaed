"""Who is to settle a recommendation, and by when: kept on each of its findings, so that a rebuild keeps both."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.audit import Audit
from pratique.core.clock import DAY
from pratique.core.database import Database, Transaction
from pratique.core.errors import Denied, Invalid
from pratique.core.findings.store import FindingStore
from pratique.core.findings.tables import findings
from pratique.core.permissions import Caller
from pratique.recommendations import evidence, listing, records
from pratique.recommendations.errors import RecommendationUnknown
from pratique.recommendations.narrowing import visible
from pratique.recommendations.types import NOBODY, Visibility

LONGEST = 128
FAR = 10 * 366 * DAY


@dataclass(frozen=True, slots=True)
class Assignment:
    """What is to be set; a field that is None stays as it is."""

    owner: str | None = None
    """Name of a person or a team; '' for nobody."""
    due: int | None = None
    """Microseconds since 1970; 0 for the date that follows from the severity."""


class Assignments:
    """Sets owner and due date of the open findings behind a recommendation, of those that the caller may write."""

    def __init__(
        self,
        database: Database,
        store: FindingStore,
        audit: Audit,
        changed: Callable[[Transaction, Collection[str]], None],
    ) -> None:
        self._database = database
        self._store = store
        self._audit = audit
        self._changed = changed

    def assign(self, caller: Caller, recommendation_id: str, wanted: Assignment, writable: Visibility) -> int:
        """Return how many findings have it now; raises RecommendationUnknown, Denied, Invalid."""
        return self._database.write(lambda tx: self._assign(tx, caller, recommendation_id, wanted, writable))

    def _assign(
        self, tx: Transaction, caller: Caller, recommendation_id: str, wanted: Assignment, writable: Visibility
    ) -> int:
        _check(wanted, tx.now)
        action = listing.action_with(tx, recommendation_id)
        if action is None:
            raise RecommendationUnknown("There is no such recommendation.", remedy="It may have been done meanwhile.")
        chosen = [records.OPEN, evidence.of_action(action), *visible(findings.c.lineage, writable)]
        lineages = tx.execute(sa.select(findings.c.lineage).where(*chosen).distinct()).scalars().all()
        if not lineages:
            raise Denied(
                "You may not assign any finding of this recommendation.",
                remedy="It needs a role with recommendations/items/write at their repositories, such as SecurityAdmin.",
            )
        due_at = ... if wanted.due is None else wanted.due or None
        count = self._store.assign_all(tx, sa.and_(*chosen), owner=wanted.owner, due_at=due_at)
        detail = {"owner": wanted.owner, "due": wanted.due, "findings": count, "repositories": len(lineages)}
        self._audit.with_change(tx, "recommendations.assign", caller, f"/recommendations/{recommendation_id}", detail)
        self._changed(tx, lineages)
        return count


def _check(wanted: Assignment, now: int) -> None:
    owner = wanted.owner or ""
    if len(owner) > LONGEST or not owner.isprintable() or owner != owner.strip():
        raise Invalid("The owner cannot be read.", remedy=f"Give a name of at most {LONGEST} printable characters.")
    if owner.lower() == NOBODY:
        raise Invalid(f"Nobody can be called {NOBODY!r} here.", remedy="Leave the owner empty to take it away.")
    if wanted.due is not None and not 0 <= wanted.due <= now + FAR:
        raise Invalid("The due date is too far away.", remedy="Give a day within ten years.")
