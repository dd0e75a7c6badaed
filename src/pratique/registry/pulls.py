"""The hot reads: a manifest by tag or digest with its gate, in one indexed statement."""

from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.registry.prepared import Prepared
from pratique.registry.tables import gates, manifests, repositories, tags
from pratique.registry.types import GateReason, GateState, Reference, RepositoryName


@dataclass(frozen=True, slots=True)
class FoundManifest:
    """A manifest as one caller sees it."""

    id: int
    repository_id: str
    digest: str
    media_type: str
    content: bytes
    state: str
    reason_json: str
    decision_id: str | None
    pending: int
    """Not 0 when the tag serves another manifest, or none, to readers."""
    locks: int
    """What is locked, on the repository, the manifest or the tag."""

    @property
    def is_open(self) -> bool:
        return self.state == GateState.OPEN

    @property
    def reason(self) -> GateReason:
        return GateReason.from_json(msgspec.json.decode(self.reason_json))


_COLUMNS = (
    manifests.c.id,
    manifests.c.repository_id,
    manifests.c.digest,
    manifests.c.media_type,
    manifests.c.content,
    gates.c.state,
    sa.type_coerce(gates.c.reason, sa.Text),
    gates.c.decision_id,
)
_LOCKS = repositories.c.locks.bitwise_or(manifests.c.locks)


def _by_tag(chosen: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return (
        sa.select(
            *_COLUMNS,
            sa.and_(tags.c.pending_id.is_not(None), tags.c.pending_id == manifests.c.id),
            _LOCKS.bitwise_or(tags.c.locks),
        )
        .select_from(repositories)
        .join(tags, tags.c.repository_id == repositories.c.id)
        .join(manifests, manifests.c.id == chosen)
        .join(gates, gates.c.manifest_id == manifests.c.id)
        .where(repositories.c.name == sa.bindparam("repository"), tags.c.name == sa.bindparam("reference"))
    )


_SERVED = Prepared(_by_tag(sa.func.coalesce(tags.c.served_id, tags.c.pending_id)))
_PENDING = Prepared(_by_tag(sa.func.coalesce(tags.c.pending_id, tags.c.served_id)))
_BY_DIGEST = Prepared(
    sa.select(*_COLUMNS, sa.literal(0), _LOCKS)
    .select_from(repositories)
    .join(manifests, manifests.c.repository_id == repositories.c.id)
    .join(gates, gates.c.manifest_id == manifests.c.id)
    .where(repositories.c.name == sa.bindparam("repository"), manifests.c.digest == sa.bindparam("reference"))
)


def find_manifest(
    tx: Transaction, name: RepositoryName, reference: Reference, *, sees_held: bool
) -> FoundManifest | None:
    """Return the manifest: for readers what a tag serves, for those who see what is held what waits before that."""
    statement = _BY_DIGEST if reference.digest is not None else _PENDING if sees_held else _SERVED
    row = statement.first(tx, {"repository": name.value, "reference": str(reference)})
    return None if row is None else FoundManifest(*row)


def is_undecided(tx: Transaction, manifest_id: int) -> bool:
    """True while nobody has judged: the gate is held and no decision says why."""
    row = _STATE.first(tx, {"manifest": manifest_id})
    return row is not None and row[0] == GateState.HELD and row[1] is None


_STATE = Prepared(sa.select(gates.c.state, gates.c.decision_id).where(gates.c.manifest_id == sa.bindparam("manifest")))
