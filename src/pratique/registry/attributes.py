"""Changes attributes: locks of repositories, tags and manifests, and marks of quarantine."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.errors import Denied, Invalid
from pratique.core.events import Event, EventBus
from pratique.core.permissions import Caller
from pratique.registry.errors import ManifestUnknown
from pratique.registry.locks import HOLDS_NO_READ, NO_READ, Attributes
from pratique.registry.ports import AuditTrail
from pratique.registry.repositories import require_repository
from pratique.registry.tables import manifests, quarantine_marks, repositories, tags
from pratique.registry.types import QuarantineMark, RepositoryName

ATTRIBUTES_CHANGED = "pratique.registry.attributes.changed.v1"
QUARANTINE_MARKED = "pratique.registry.manifest.quarantined.v1"
MARKS = ("Passed", "Failed")
MAX_DETAILS = 16 * 1024

Wanted = Mapping[str, bool | None]
"""In the words of `changeableAttributes`; what is absent or None stays as it is."""


class AttributeService:
    """Use cases on attributes; the caller's rights were asked for before. Each change is audited and published."""

    def __init__(self, events: EventBus, audit: AuditTrail) -> None:
        self._events = events
        self._audit = audit

    def lock_repository(self, tx: Transaction, caller: Caller, name: RepositoryName, wanted: Wanted) -> Attributes:
        """Change what is allowed on a repository and all that is in it; raises NameUnknown."""
        condition = repositories.c.id == require_repository(tx, name)
        return self._lock(tx, caller, repositories, condition, wanted, name.value)

    def lock_tag(self, tx: Transaction, caller: Caller, name: RepositoryName, tag: str, wanted: Wanted) -> Attributes:
        """Change what is allowed on a tag and on the deletion of what it points to; raises ManifestUnknown."""
        condition = (tags.c.repository_id == require_repository(tx, name)) & (tags.c.name == tag)
        return self._lock(tx, caller, tags, condition, wanted, f"{name}:{tag}")

    def lock_manifest(
        self, tx: Transaction, caller: Caller, name: RepositoryName, digest: str, wanted: Wanted
    ) -> Attributes:
        """Change what is allowed on a manifest; raises ManifestUnknown."""
        repository_id = require_repository(tx, name)
        condition = (manifests.c.repository_id == repository_id) & (manifests.c.digest == digest)
        changed = self._lock(tx, caller, manifests, condition, wanted, f"{name}@{digest}")
        _note_closed_manifests(tx, repository_id)
        return changed

    def mark(
        self, tx: Transaction, caller: Caller, name: RepositoryName, digest: str, *, state: str, details: Any
    ) -> QuarantineMark:
        """Record that somebody has passed or failed a manifest; policies read it, and no gate moves by itself.

        Whoever pushed a manifest may fail it and may not pass it.
        """
        if state not in MARKS:
            raise Invalid("quarantineState is Passed or Failed", remedy="send one of the two")
        details = "" if details is None else details
        row = _manifest(tx, require_repository(tx, name), digest)
        if state == "Passed" and row.pusher == caller.principal_id:
            raise Denied("nobody passes what they pushed themselves", remedy="let the scanner's own principal do it")
        values = {"state": state, "details": details, "marked_at": tx.now, "marked_by": caller.principal_id}
        tx.execute(
            tx.insert(quarantine_marks)
            .values(manifest_id=row.id, **values)
            .on_conflict_do_update(index_elements=[quarantine_marks.c.manifest_id], set_=values)
        )
        data = {
            "repository_id": row.repository_id, "repository": name.value, "digest": digest, "kind": row.kind,
            "state": state, "details": details, "marked_by": caller.principal_id,
        }  # fmt: skip
        self._events.publish(tx, Event(QUARANTINE_MARKED, f"{name}@{digest}", data))
        self._audit.with_change(tx, "registry.quarantine.mark", caller, f"{name}@{digest}", {"state": state})
        return QuarantineMark(state, details, tx.now, caller.principal_id)

    def _lock(  # noqa: PLR0917  who changes what, where
        self,
        tx: Transaction,
        caller: Caller,
        table: sa.Table,
        condition: sa.ColumnElement[bool],
        wanted: Wanted,
        target: str,
    ) -> Attributes:
        mask = tx.execute(sa.select(table.c.locks).where(condition)).scalar_one_or_none()
        if mask is None:
            raise ManifestUnknown(f"there is no {target}", remedy="check the tag or digest")
        changed = Attributes.of(mask).changed(wanted)
        after = changed.mask | mask & HOLDS_NO_READ
        if after == mask:
            return changed
        tx.execute(sa.update(table).where(condition).values(locks=after))
        self._audit.with_change(tx, "registry.attributes.change", caller, target, changed.as_json())
        data = {"target": target, "changed_by": caller.principal_id, **changed.as_json()}
        self._events.publish(tx, Event(ATTRIBUTES_CHANGED, target, data))
        return changed


def mark_of(tx: Transaction, repository_id: str, digest: str) -> QuarantineMark | None:
    """Return what was said about a manifest in a repository, or None."""
    query = (
        sa.select(quarantine_marks)
        .join(manifests, manifests.c.id == quarantine_marks.c.manifest_id)
        .where(manifests.c.repository_id == repository_id, manifests.c.digest == digest)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else QuarantineMark(row.state, row.details, row.marked_at, row.marked_by)


def _manifest(tx: Transaction, repository_id: str, digest: str) -> sa.Row[Any]:
    query = sa.select(manifests.c.id, manifests.c.repository_id, manifests.c.kind, manifests.c.pusher)
    row = tx.execute(query.where(manifests.c.repository_id == repository_id, manifests.c.digest == digest)).first()
    if row is None:
        raise ManifestUnknown("there is no such manifest in this repository")
    return row


def _note_closed_manifests(tx: Transaction, repository_id: str) -> None:
    """Keep on the repository whether reads of its blobs have to look closer."""
    own = manifests.c.repository_id == repository_id
    closed = tx.execute(sa.select(manifests.c.id).where(own, manifests.c.locks.bitwise_and(NO_READ) > 0).limit(1))
    row = repositories.c.locks
    noted = row.bitwise_or(HOLDS_NO_READ) if closed.first() else row.bitwise_and(~HOLDS_NO_READ & 0xFF)
    tx.execute(sa.update(repositories).where(repositories.c.id == repository_id).values(locks=noted))
