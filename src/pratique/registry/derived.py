"""Gates that follow from others: of an index from its members, of an attached artifact from what it speaks about."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.database.prepared import one_of
from pratique.registry.tables import gates, manifest_members, manifests, repositories
from pratique.registry.types import ArtifactKind, GateReason, GateState

DERIVED = frozenset({ArtifactKind.INDEX, ArtifactKind.ATTACHED})
_CHUNK = 500
_Key = tuple[str, str]

MANIFEST = (
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
        gates.c.since,
    )
    .join(repositories, repositories.c.id == manifests.c.repository_id)
    .join(gates, gates.c.manifest_id == manifests.c.id)
)
_MEMBER = manifest_members.alias("member")
_LISTING = manifests.alias("listing")
_MEMBERS = (
    sa.select(
        _MEMBER.c.manifest_id, _MEMBER.c.runnable, manifests.c.kind, gates.c.state, gates.c.reason, gates.c.decision_id
    )
    .join(_LISTING, _LISTING.c.id == _MEMBER.c.manifest_id)
    .join(manifests, (manifests.c.digest == _MEMBER.c.digest) & (manifests.c.repository_id == _LISTING.c.repository_id))
    .join(gates, gates.c.manifest_id == manifests.c.id)
    .order_by(_MEMBER.c.manifest_id, _MEMBER.c.position)
)
_MEMBERS_OF = _MEMBERS.where(one_of(_MEMBER.c.manifest_id, "lists"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate is to become."""

    state: GateState
    reason: GateReason
    decision_id: str | None = None


def find(tx: Transaction, keys: Iterable[_Key]) -> list[sa.Row[Any]]:
    """Return manifests with their gates, by repository id and digest."""
    return [row for part in _chunks(list(keys)) for row in tx.execute(_FIND, {"keys": part}).all()]


_FIND = MANIFEST.where(one_of(sa.tuple_(manifests.c.repository_id, manifests.c.digest), "keys"))


def dependants(tx: Transaction, keys: Sequence[_Key]) -> list[sa.Row[Any]]:
    """Return each manifest once whose gate follows from one of these."""
    found: dict[int, sa.Row[Any]] = {}
    for part in _chunks(keys):
        found.update((row.id, row) for row in (*_attached_to(tx, part), *_listing(tx, part)))
    return [row for row in found.values() if row.kind in DERIVED and row.gate_subject != row.digest]


def derive(tx: Transaction, rows: Sequence[sa.Row[Any]]) -> dict[int, Verdict]:
    """Return by id what the gates of these indexes and attached artifacts are to be."""
    attached = [row for row in rows if row.kind == ArtifactKind.ATTACHED]
    subjects = find(tx, {(row.repository_id, row.gate_subject) for row in attached if row.gate_subject})
    present = {(row.repository_id, row.digest): row for row in subjects}
    verdicts = {row.id: _of_subject(present.get((row.repository_id, row.gate_subject))) for row in attached}
    members: dict[int, list[Any]] = {row.id: [] for row in rows if row.kind == ArtifactKind.INDEX}
    for part in _chunks(list(members)):
        for found in tx.execute(_MEMBERS_OF, {"lists": part}).all():
            members[found.manifest_id].append(tuple(found)[1:])
    return verdicts | {identity: derive_index(listed) for identity, listed in members.items()}


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


def _of_subject(subject: sa.Row[Any] | None) -> Verdict:
    if subject is None:
        return Verdict(GateState.HELD, GateReason("held: the image it speaks about is not here"))
    return Verdict(GateState(subject.state), GateReason.from_json(subject.reason), subject.decision_id)


def _attached_to(tx: Transaction, keys: Sequence[_Key]) -> Iterable[sa.Row[Any]]:
    return tx.execute(_ATTACHED, {"keys": list(keys)}).all()


_ATTACHED = MANIFEST.where(
    one_of(sa.tuple_(manifests.c.repository_id, manifests.c.gate_subject), "keys"),
    # In the words of the partial index, so that both engines use it.
    sa.text("manifests.gate_subject <> ''"),
)


def _listing(tx: Transaction, keys: Sequence[_Key]) -> Iterator[sa.Row[Any]]:
    digests, places = sorted({digest for _, digest in keys}), sorted({repository for repository, _ in keys})
    wanted = set(keys)
    for row in tx.execute(_LISTS, {"digests": digests, "places": places}).all():
        if (row.repository_id, row.member) in wanted:
            yield row


_LISTS = (
    MANIFEST.add_columns(manifest_members.c.digest.label("member"))
    .join(manifest_members, manifest_members.c.manifest_id == manifests.c.id)
    .where(one_of(manifest_members.c.digest, "digests"), one_of(manifests.c.repository_id, "places"))
)


def _chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
