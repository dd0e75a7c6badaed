"""Deletes manifests, tags and blob links; what depended on them is derived again in the same transaction."""

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.events import Event, EventBus
from pratique.core.permissions import Caller
from pratique.registry.blobs import find_blob
from pratique.registry.deleted import Bin
from pratique.registry.errors import BlobUnknown, ManifestUnknown, Unsupported
from pratique.registry.gates import Gates
from pratique.registry.locks import Deletion, Locks
from pratique.registry.ports import AuditTrail
from pratique.registry.repositories import require_repository
from pratique.registry.tables import gates, manifest_blobs, manifest_members, manifests, repository_blobs, tags
from pratique.registry.tags import publish_moved, stands_for
from pratique.registry.types import Reference, RepositoryName

MANIFEST_DELETED = "pratique.registry.manifest.deleted.v1"
ON_REQUEST = "deleted on request"


class Deletions:
    """Removes what callers may remove; what went can be restored for a while, blob bytes stay until collection."""

    def __init__(
        self,
        events: EventBus,
        gate_keeper: Gates,
        audit: AuditTrail,
        locks: Locks,
        restorable: Bin | None = None,
    ) -> None:
        self._events = events
        self._gates = gate_keeper
        self._audit = audit
        self._locks = locks
        self._bin = restorable or Bin(keep=0)

    def delete(self, tx: Transaction, caller: Caller, name: RepositoryName, reference: Reference) -> None:
        """Delete a tag, or a manifest with every tag that points to it; raises ManifestUnknown or ContentLocked."""
        if reference.tag is not None:
            self.delete_tag(tx, caller, name, reference.tag, ON_REQUEST)
        else:
            self._delete_manifest(tx, require_repository(tx, name), name, str(reference), caller)
        self._audit.with_change(tx, "registry.manifest.delete", caller, f"{name}@{reference}", {})

    def delete_blob(self, tx: Transaction, caller: Caller, name: RepositoryName, digest: str) -> None:
        """Forget a blob in this repository; raises BlobUnknown, or Unsupported while a manifest names it."""
        blob = find_blob(tx, name.value, digest)
        if blob is None:
            raise BlobUnknown("there is no such blob in this repository")
        if blob.manifests:
            raise Unsupported(
                "a manifest names this blob", remedy="delete the manifest first", manifests=blob.manifests
            )
        self._locks.check_push(tx, blob.repository_id)
        link = repository_blobs.c
        tx.execute(sa.delete(repository_blobs).where(link.repository_id == blob.repository_id, link.blob_id == blob.id))
        self._audit.with_change(tx, "registry.blob.delete", caller, f"{name}@{digest}", {})

    def forget_blobs(self, tx: Transaction, repository_id: str) -> None:
        """Forget every blob in a repository that has no manifest left."""
        link = repository_blobs.c
        tx.execute(sa.delete(repository_blobs).where(link.repository_id == repository_id))

    def delete_tag(self, tx: Transaction, caller: Caller, name: RepositoryName, tag: str, because: str) -> None:
        """Delete a tag and no manifest; raises ManifestUnknown or ContentLocked."""
        repository_id = require_repository(tx, name)
        manifest_id = stands_for(tx, repository_id, tag)
        if manifest_id is None:
            raise ManifestUnknown("there is no such tag", remedy="list the tags of the repository")
        self._locks.check_deletion(tx, Deletion(repository_id, name.value, manifest_id, tag))
        self._bin.put_tag(tx, repository_id, name, tag, caller, because)
        self.remove_tag(tx, repository_id, name, tag)

    def remove_tag(self, tx: Transaction, repository_id: str, name: RepositoryName, tag: str) -> None:
        """Take a tag away without asking locks or keeping anything; for what has asked and kept already."""
        condition = (tags.c.repository_id == repository_id) & (tags.c.name == tag)
        if tx.execute(sa.delete(tags).where(condition)).rowcount:
            publish_moved(tx, self._events, name.value, tag, "")

    def delete_found(
        self,
        tx: Transaction,
        caller: Caller,
        name: RepositoryName,
        row: sa.Row[tuple[int, str, str, str]],
        because: str,
    ) -> None:
        """Delete a manifest (id, digest, kind and gate state of which are given); raises ContentLocked."""
        repository_id = require_repository(tx, name)
        self._locks.check_deletion(tx, Deletion(repository_id, name.value, row.id))
        self._bin.put_manifest(tx, name, row.id, caller, because)
        self.remove_found(tx, repository_id, name, row)

    def remove_found(
        self, tx: Transaction, repository_id: str, name: RepositoryName, row: sa.Row[tuple[int, str, str, str]]
    ) -> None:
        """Take a manifest away for good, and its tags; nobody is asked and nothing is kept."""
        self._release_tags(tx, repository_id, name, row.id)
        self._gates.forget(tx, row.id, row.state)
        for table in (manifest_blobs, manifest_members):
            tx.execute(sa.delete(table).where(table.c.manifest_id == row.id))
        tx.execute(sa.delete(manifests).where(manifests.c.id == row.id))
        self._gates.recompute(tx, repository_id, row.digest)
        data = {"repository_id": repository_id, "repository": name.value, "digest": row.digest, "kind": row.kind}
        self._events.publish(tx, Event(MANIFEST_DELETED, f"{name}@{row.digest}", data))

    def _delete_manifest(
        self, tx: Transaction, repository_id: str, name: RepositoryName, digest: str, caller: Caller
    ) -> None:
        row = find_deletable(tx, repository_id, digest)
        if row is None:
            raise ManifestUnknown("there is no such manifest in this repository")
        self.delete_found(tx, caller, name, row, ON_REQUEST)

    def _release_tags(self, tx: Transaction, repository_id: str, name: RepositoryName, manifest_id: int) -> None:
        own = tags.c.repository_id == repository_id
        served = tx.execute(sa.select(tags.c.name).where(own, tags.c.served_id == manifest_id)).scalars().all()
        tx.execute(sa.update(tags).where(own, tags.c.pending_id == manifest_id).values(pending_id=None))
        tx.execute(sa.update(tags).where(own, tags.c.served_id == manifest_id).values(served_id=None))
        tx.execute(sa.delete(tags).where(own, tags.c.served_id.is_(None), tags.c.pending_id.is_(None)))
        for tag in served:
            publish_moved(tx, self._events, name.value, tag, "")


_DELETABLE = sa.select(manifests.c.id, manifests.c.digest, manifests.c.kind, gates.c.state).join(
    gates, gates.c.manifest_id == manifests.c.id
)


def find_deletable(tx: Transaction, repository_id: str, digest: str) -> sa.Row[tuple[int, str, str, str]] | None:
    """Return id, digest, kind and gate state of a manifest."""
    own = (manifests.c.repository_id == repository_id) & (manifests.c.digest == digest)
    return tx.execute(_DELETABLE.where(own)).one_or_none()


def get_deletable(tx: Transaction, manifest_id: int) -> sa.Row[tuple[int, str, str, str]]:
    """Return the same of a manifest that is known to be here."""
    return tx.execute(_DELETABLE.where(manifests.c.id == manifest_id)).one()
