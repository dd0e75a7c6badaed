"""Moves gates, inside one transaction, and everything that hangs on them.

Invariants, for every committed state:
- `repository_blobs.open_manifests` is the number of manifests of that repository with an open gate that name the blob,
  and `manifests` the number that name it at all.
- A tag's `served` manifest had an open gate when the tag moved to it (or `registry.serve_pending` is on).
- An index is open when one of its present members that can run is open, refused when all of them are, else held.
- A manifest that cannot run by itself and speaks about another has that one's gate, and is held while it is absent.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.events import Event, EventBus
from pratique.registry.tables import gates, manifest_blobs, manifest_members, manifests, repositories, repository_blobs
from pratique.registry.tags import serve_pending_tags
from pratique.registry.types import ArtifactKind, GateReason, GateState

GATE_CHANGED = "pratique.registry.gate.changed.v1"
_MOST_DERIVED = 10_000
_DERIVED = frozenset({ArtifactKind.INDEX, ArtifactKind.ATTACHED})

_MANIFEST = (
    sa.select(
        manifests.c.id,
        manifests.c.repository_id,
        repositories.c.name.label("repository"),
        manifests.c.digest,
        manifests.c.kind,
        manifests.c.gate_subject,
        gates.c.state,
        gates.c.reason,
        gates.c.decision_id,
    )
    .join(repositories, repositories.c.id == manifests.c.repository_id)
    .join(gates, gates.c.manifest_id == manifests.c.id)
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate is to become."""

    state: GateState
    reason: GateReason
    decision_id: str | None = None


class Gates:
    """Changes gates; publishes one event for each state that changed."""

    def __init__(self, events: EventBus) -> None:
        self._events = events

    def create(self, tx: Transaction, manifest_id: int, verdict: Verdict) -> None:
        """Give a new manifest its first gate: held first, then the verdict with all that follows from it."""
        held = GateReason("held: not judged yet").as_json()
        tx.execute(
            sa.insert(gates),
            {"manifest_id": manifest_id, "state": GateState.HELD, "reason": held, "since": tx.now},
        )
        row = tx.execute(_MANIFEST.where(manifests.c.id == manifest_id)).one()
        if row.kind in _DERIVED:
            verdict = self._derive(tx, row)
        self._set(tx, row, verdict)
        self._follow(tx, [(row.repository_id, row.digest)])

    def apply(self, tx: Transaction, repository_id: str, digest: str, verdict: Verdict) -> bool:
        """Set the gate of a manifest that has one of its own, and derive those that depend on it.

        The gates of indexes and attached artifacts are derived: for them nothing changes and the answer is False.
        """
        condition = (manifests.c.repository_id == repository_id) & (manifests.c.digest == digest)
        row = tx.execute(_MANIFEST.where(condition)).one_or_none()
        if row is None or row.kind in _DERIVED:
            return False
        before = row.state
        if self._set(tx, row, verdict):
            self._follow(tx, [(repository_id, digest)])
        return bool(before != verdict.state)

    def recompute(self, tx: Transaction, repository_id: str, digest: str) -> None:
        """Derive again what depends on a manifest that came or went."""
        self._follow(tx, [(repository_id, digest)])

    def forget(self, tx: Transaction, manifest_id: int, state: str) -> None:
        """Remove the gate and the counts of a manifest that is about to be deleted."""
        self._count(tx, manifest_id, opened=-1 if state == GateState.OPEN else 0, named=-1)
        tx.execute(sa.delete(gates).where(gates.c.manifest_id == manifest_id))

    def _set(self, tx: Transaction, row: sa.Row[Any], verdict: Verdict) -> bool:
        """Write the verdict; True when anything about the gate is new, so that what depends on it is derived again."""
        reason = verdict.reason.as_json()
        same = row.state == verdict.state
        if same and row.reason == reason and row.decision_id == verdict.decision_id:
            return False
        values: dict[str, Any] = {"state": verdict.state, "reason": reason, "decision_id": verdict.decision_id}
        if not same:
            values["since"] = tx.now
        tx.execute(sa.update(gates).where(gates.c.manifest_id == row.id).values(values))
        if not same:
            self._moved(tx, row, verdict)
        tx.hint(f"gate:{row.id}")
        return True

    def _moved(self, tx: Transaction, row: sa.Row[Any], verdict: Verdict) -> None:
        if verdict.state is GateState.OPEN:
            self._count(tx, row.id, opened=1)
            serve_pending_tags(tx, self._events, row.id, row.repository, row.digest)
        elif row.state == GateState.OPEN:
            self._count(tx, row.id, opened=-1)
        data = {
            "repository_id": row.repository_id,
            "repository": row.repository,
            "digest": row.digest,
            "kind": row.kind,
            "state": verdict.state.value,
            "previous": row.state,
            "summary": verdict.reason.summary,
        }
        self._events.publish(tx, Event(GATE_CHANGED, f"{row.repository}@{row.digest}", data))

    def _count(self, tx: Transaction, manifest_id: int, *, opened: int = 0, named: int = 0) -> None:
        repository = sa.select(manifests.c.repository_id).where(manifests.c.id == manifest_id).scalar_subquery()
        named_blobs = sa.select(manifest_blobs.c.blob_id).where(manifest_blobs.c.manifest_id == manifest_id)
        counted = repository_blobs.c
        tx.execute(
            sa.update(repository_blobs)
            .where(counted.repository_id == repository, counted.blob_id.in_(named_blobs))
            .values(open_manifests=counted.open_manifests + opened, manifests=counted.manifests + named)
        )

    def _follow(self, tx: Transaction, changed: Iterable[tuple[str, str]]) -> None:
        """Derive dependants until nothing moves; bounded, as hostile signature tags can form circles."""
        todo = deque(changed)
        for _ in range(_MOST_DERIVED):
            if not todo:
                return
            repository_id, digest = todo.popleft()
            for row in self._dependants(tx, repository_id, digest):
                if self._set(tx, row, self._derive(tx, row)):
                    todo.append((repository_id, row.digest))

    def _dependants(self, tx: Transaction, repository_id: str, digest: str) -> list[sa.Row[Any]]:
        listing = sa.select(manifest_members.c.manifest_id).where(manifest_members.c.digest == digest)
        condition = (manifests.c.repository_id == repository_id) & (
            (manifests.c.gate_subject == digest) | manifests.c.id.in_(listing)
        )
        rows = tx.execute(_MANIFEST.where(condition)).all()
        return [row for row in rows if row.kind in _DERIVED and row.digest != digest]

    def _derive(self, tx: Transaction, row: sa.Row[Any]) -> Verdict:
        if row.kind == ArtifactKind.INDEX:
            return self._of_members(tx, row)
        subject = self._present(tx, row.repository_id, row.gate_subject)
        if subject is None:
            return Verdict(GateState.HELD, GateReason("held: the image it speaks about is not here"))
        return Verdict(GateState(subject.state), GateReason.from_json(subject.reason), subject.decision_id)

    def _of_members(self, tx: Transaction, row: sa.Row[Any]) -> Verdict:
        member = manifest_members.alias()
        query = (
            sa.select(member.c.runnable, manifests.c.kind, gates.c.state, gates.c.reason, gates.c.decision_id)
            .join(manifests, (manifests.c.digest == member.c.digest) & (manifests.c.repository_id == row.repository_id))
            .join(gates, gates.c.manifest_id == manifests.c.id)
            .where(member.c.manifest_id == row.id)
            .order_by(member.c.position)
        )
        return derive_index([tuple(found) for found in tx.execute(query)])

    def _present(self, tx: Transaction, repository_id: str, digest: str) -> sa.Row[Any] | None:
        condition = (manifests.c.repository_id == repository_id) & (manifests.c.digest == digest)
        return tx.execute(_MANIFEST.where(condition)).one_or_none() if digest else None


def derive_index(members: list[tuple[bool, str, str, dict[str, Any], str | None]]) -> Verdict:
    """Return the gate of an index from its present members: (runnable, kind, state, reason, decision). Pure."""
    runnable = [member for member in members if member[0] and member[1] != ArtifactKind.ATTACHED]
    considered = runnable or members
    if not considered:
        return Verdict(GateState.HELD, GateReason("held: none of the images it lists is here"))
    states = [member[2] for member in considered]
    if GateState.OPEN in states:
        count = states.count(GateState.OPEN)
        return Verdict(GateState.OPEN, GateReason(f"open: {count} of {len(states)} listed images are open"))
    undecided = sum(state == GateState.HELD and decision is None for _, _, state, _, decision in considered)
    if undecided:
        return Verdict(
            GateState.HELD, GateReason(f"held: {undecided} of {len(states)} listed images are not judged yet")
        )
    state = GateState.HELD if GateState.HELD in states else GateState.REFUSED
    _, _, _, reason, decision = considered[states.index(state)]
    return Verdict(state, GateReason.from_json(reason), decision)
