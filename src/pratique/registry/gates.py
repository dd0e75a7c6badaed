"""Moves gates, inside one transaction, and everything that hangs on them.

Invariants, for every committed state:
- `repository_blobs.open_manifests` is the number of manifests of that repository with an open gate that name the blob,
  and `manifests` the number that name it at all.
- A tag's `served` manifest had an open gate when the tag moved to it (or `registry.serve_pending` is on).
- An index is open when one of its present members that can run is open, refused when all of them are, else held.
- A manifest that cannot run by itself and speaks about another has that one's gate, and is held while it is absent.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.database.prepared import one_of
from pratique.core.events import Event, EventBus
from pratique.registry.derived import DERIVED, MANIFEST, Verdict, dependants, derive, find
from pratique.registry.tables import gates, manifest_blobs, manifests, repository_blobs
from pratique.registry.tags import serve_pending_tags
from pratique.registry.types import GateChange, GateReason, GateState

__all__ = ["GATE_CHANGED", "Gates", "Verdict"]

GATE_CHANGED = "pratique.registry.gate.changed.v1"
_MOST_DERIVED = 10_000
_Key = tuple[str, str]
"""Repository id and digest."""

_UPDATE = (
    sa.update(gates)
    .where(gates.c.manifest_id == sa.bindparam("of"))
    .values(
        state=sa.bindparam("new_state"),
        reason=sa.bindparam("new_reason"),
        decision_id=sa.bindparam("new_decision"),
        since=sa.bindparam("new_since"),
    )
)


class Gates:
    """Changes gates, many at once in few statements; publishes one event for each state that changed."""

    def __init__(self, events: EventBus) -> None:
        self._events = events

    def create(self, tx: Transaction, manifest_id: int, verdict: Verdict) -> None:
        """Give a new manifest its first gate: held first, then the verdict with all that follows from it."""
        held = GateReason("held: not judged yet") if verdict.state is not GateState.HELD else verdict.reason
        values = {"manifest_id": manifest_id, "state": GateState.HELD, "reason": held.as_json(), "since": tx.now}
        tx.execute(_INSERT, values)
        row = tx.execute(_BY_ID, {"id": manifest_id}).one()
        if row.kind in DERIVED:
            verdict = derive(tx, [row])[row.id]
        self._set(tx, [(row, verdict)])
        self._follow(tx, [(row.repository_id, row.digest)])

    def apply(self, tx: Transaction, changes: Sequence[GateChange]) -> set[_Key]:
        """Set gates of manifests that have one of their own, and derive those that depend on them.

        Returns repository id and digest of those whose state changed. The gates of indexes and attached artifacts are
        derived: for them nothing changes.
        """
        wanted = {(each.repository_id, each.digest): each for each in changes}
        pairs = [(row, _verdict(wanted[_key(row)])) for row in find(tx, wanted) if row.kind not in DERIVED]
        self._follow(tx, self._set(tx, pairs))
        return {_key(row) for row, verdict in pairs if row.state != verdict.state}

    def recompute(self, tx: Transaction, repository_id: str, digest: str) -> None:
        """Derive again what depends on a manifest that came or went."""
        self._follow(tx, [(repository_id, digest)])

    def forget(self, tx: Transaction, manifest_id: int, state: str) -> None:
        """Remove the gate and the counts of a manifest that is about to be deleted."""
        _count(tx, [manifest_id], opened=-1 if state == GateState.OPEN else 0, named=-1)
        tx.execute(sa.delete(gates).where(gates.c.manifest_id == manifest_id))

    def _set(self, tx: Transaction, pairs: Iterable[tuple[sa.Row[Any], Verdict]]) -> list[_Key]:
        """Write verdicts; returns those whose gate has anything new, so that what depends on it is derived again."""
        changed = [(row, verdict) for row, verdict in pairs if _differs(row, verdict)]
        if not changed:
            return []
        tx.execute(_UPDATE, [_new_values(tx, row, verdict) for row, verdict in changed])
        self._moved(tx, [(row, verdict) for row, verdict in changed if row.state != verdict.state])
        for row, _ in changed:
            tx.hint(f"gate:{row.id}")
        return [_key(row) for row, _ in changed]

    def _moved(self, tx: Transaction, moved: Sequence[tuple[sa.Row[Any], Verdict]]) -> None:
        opened = {row.id: (row.repository, row.digest) for row, verdict in moved if verdict.state is GateState.OPEN}
        closed = [row.id for row, _ in moved if row.state == GateState.OPEN]
        _count(tx, list(opened), opened=1)
        _count(tx, closed, opened=-1)
        if opened:
            serve_pending_tags(tx, self._events, opened)
        self._events.publish_many(tx, [_changed(row, verdict) for row, verdict in moved])

    def _follow(self, tx: Transaction, changed: Sequence[_Key]) -> None:
        """Derive dependants until nothing moves; bounded, as hostile signature tags can form circles."""
        left = _MOST_DERIVED
        while changed and left > 0:
            rows = dependants(tx, changed)[:left]
            left -= len(rows)
            verdicts = derive(tx, rows)
            changed = self._set(tx, [(row, verdicts[row.id]) for row in rows])


def _key(row: sa.Row[Any]) -> _Key:
    return row.repository_id, row.digest


def _verdict(change: GateChange) -> Verdict:
    return Verdict(change.state, change.reason, change.decision_id)


def _differs(row: sa.Row[Any], verdict: Verdict) -> bool:
    before = row.state, row.decision_id, row.reason
    return before != (verdict.state, verdict.decision_id, verdict.reason.as_json())


def _new_values(tx: Transaction, row: sa.Row[Any], verdict: Verdict) -> dict[str, Any]:
    return {
        "of": row.id,
        "new_state": verdict.state,
        "new_reason": verdict.reason.as_json(),
        "new_decision": verdict.decision_id,
        "new_since": row.since if row.state == verdict.state else tx.now,
    }


def _changed(row: sa.Row[Any], verdict: Verdict) -> Event:
    data = {
        "repository_id": row.repository_id,
        "repository": row.repository,
        "digest": row.digest,
        "kind": row.kind,
        "state": verdict.state.value,
        "previous": row.state,
        "summary": verdict.reason.summary,
    }
    return Event(GATE_CHANGED, f"{row.repository}@{row.digest}", data)


def _count(tx: Transaction, manifest_ids: Sequence[int], *, opened: int = 0, named: int = 0) -> None:
    """Add to the counts of every blob that these manifests name, once for each manifest that names it."""
    if manifest_ids:
        tx.execute(_COUNT, {"ids": list(manifest_ids), "opened": opened, "named": named})


_INSERT = sa.insert(gates)
_BY_ID = MANIFEST.where(manifests.c.id == sa.bindparam("id"))
_counted = repository_blobs.c
_times = (
    sa.select(manifests.c.repository_id, manifest_blobs.c.blob_id, sa.func.count().label("times"))
    .join(manifests, manifests.c.id == manifest_blobs.c.manifest_id)
    .where(one_of(manifest_blobs.c.manifest_id, "ids"))
    .group_by(manifests.c.repository_id, manifest_blobs.c.blob_id)
    .subquery()
)
_COUNT = (
    sa.update(repository_blobs)
    .where(_counted.repository_id == _times.c.repository_id, _counted.blob_id == _times.c.blob_id)
    .values(
        open_manifests=_counted.open_manifests + sa.bindparam("opened", type_=sa.Integer) * _times.c.times,
        manifests=_counted.manifests + sa.bindparam("named", type_=sa.Integer) * _times.c.times,
    )
)
