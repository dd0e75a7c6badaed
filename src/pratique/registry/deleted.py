"""What was deleted and can still come back: the exact manifest, the tags that went with it, and its blobs' bytes.

Collection leaves alone what `deleted_blobs` names. A restored manifest is pushed again, so it is judged again: what was
refused is refused. Tags that somebody has set meanwhile stay where they are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import SECOND
from pratique.core.database import Transaction
from pratique.core.events import Event, EventBus
from pratique.core.permissions import Caller
from pratique.registry.blobs import link_blob
from pratique.registry.collection.tables import deleted_blobs, deleted_items
from pratique.registry.errors import DeletedUnknown, ManifestUnknown, TagTaken
from pratique.registry.parsing import parse_manifest
from pratique.registry.ports import AuditTrail
from pratique.registry.pushes import Pushes
from pratique.registry.repositories import ensure_repository
from pratique.registry.tables import manifest_blobs, manifests, tags
from pratique.registry.tags import stands_for
from pratique.registry.types import RepositoryName

MANIFEST_RESTORED = "pratique.registry.manifest.restored.v1"
MANIFEST, TAG = "manifest", "tag"
_item = deleted_items.c


@dataclass(frozen=True, slots=True)
class DeletedItem:
    """A deleted manifest (`name` is its digest) or tag."""

    id: int
    kind: str
    name: str
    digest: str
    media_type: str
    tags: tuple[str, ...]
    size: int
    pushed_at: int
    deleted_at: int
    deleted_by: str
    because: str
    expires_at: int


class Bin:
    """Keeps what is deleted for `keep` seconds; 0 keeps nothing."""

    def __init__(self, keep: float) -> None:
        self._keep = round(keep * SECOND)

    def put_manifest(
        self, tx: Transaction, name: RepositoryName, manifest_id: int, caller: Caller, because: str
    ) -> None:
        """Keep a manifest that is about to go, with the names of its tags and a hold on its blobs."""
        if not self._keep:
            return
        row = tx.execute(sa.select(manifests).where(manifests.c.id == manifest_id)).one()
        points = sa.or_(tags.c.served_id == manifest_id, tags.c.pending_id == manifest_id)
        own = tags.c.repository_id == row.repository_id
        names = list(tx.execute(sa.select(tags.c.name).where(own, points).order_by(tags.c.name)).scalars())
        self._forget_former(tx, name, MANIFEST, row.digest)
        values = _values(tx, row, name, MANIFEST, row.digest) | {"tags": names}
        deleted_id = self._insert(tx, values | {"content": row.content}, caller, because)
        held = sa.select(sa.literal(deleted_id), manifest_blobs.c.blob_id)
        held = held.where(manifest_blobs.c.manifest_id == manifest_id)
        tx.execute(sa.insert(deleted_blobs).from_select(["deleted_id", "blob_id"], held))

    def put_tag(  # noqa: PLR0917  who, what and why
        self, tx: Transaction, repository_id: str, name: RepositoryName, tag: str, caller: Caller, because: str
    ) -> None:
        """Keep what a tag that is about to go stands for."""
        if not self._keep:
            return
        found = stands_for(tx, repository_id, tag)
        row = tx.execute(sa.select(manifests).where(manifests.c.id == found)).one_or_none()
        if row is not None:
            self._forget_former(tx, name, TAG, tag)
            self._insert(tx, _values(tx, row, name, TAG, tag), caller, because)

    def _insert(self, tx: Transaction, values: dict[str, Any], caller: Caller, because: str) -> int:
        values |= {"deleted_by": caller.principal_id, "because": because, "expires_at": tx.now + self._keep}
        made: int = tx.execute(sa.insert(deleted_items).values(values).returning(_item.id)).scalar_one()
        return made

    def _forget_former(self, tx: Transaction, repository: RepositoryName, kind: str, name: str) -> None:
        same = (_item.repository == repository.value) & (_item.kind == kind) & (_item.name == name)
        forget_deleted(tx, list(tx.execute(sa.select(_item.id).where(same)).scalars()))


class Restoring:
    """Lists what can come back, and brings it back."""

    def __init__(self, pushes: Pushes, events: EventBus, audit: AuditTrail, *, blob_lease: float) -> None:
        self._pushes = pushes
        self._events = events
        self._audit = audit
        self._lease = round(blob_lease * SECOND)

    def restore(self, tx: Transaction, caller: Caller, name: RepositoryName, item_id: int) -> list[str]:
        """Bring a manifest or tag back; return the tags that point to it now.

        Raises DeletedUnknown, TagTaken, ManifestUnknown for a tag without its manifest, ContentLocked.
        """
        row = _find(tx, name, item_id)
        if row.kind == TAG:
            restored = self._restore_tag(tx, caller, name, row)
        else:
            restored = self._restore_manifest(tx, caller, name, row)
        forget_deleted(tx, [row.id])
        target = f"{name}:{row.name}" if row.kind == TAG else f"{name}@{row.digest}"
        self._audit.with_change(tx, "registry.deleted.restore", caller, target, {"tags": restored})
        data = {"repository_id": ensure_repository(tx, name), "repository": name.value, "digest": row.digest}
        self._events.publish(tx, Event(MANIFEST_RESTORED, target, data | {"tags": restored}))
        return restored

    def purge(self, tx: Transaction, caller: Caller, name: RepositoryName, item_id: int) -> None:
        """Give a deleted item up before its time; raises DeletedUnknown."""
        row = _find(tx, name, item_id)
        forget_deleted(tx, [row.id])
        self._audit.with_change(tx, "registry.deleted.purge", caller, f"{name}@{row.digest}", {"name": row.name})

    def _restore_manifest(self, tx: Transaction, caller: Caller, name: RepositoryName, row: Any) -> list[str]:
        repository_id = ensure_repository(tx, name)
        held = sa.select(deleted_blobs.c.blob_id).where(deleted_blobs.c.deleted_id == row.id)
        for blob_id in tx.execute(held).scalars().all():
            link_blob(tx, repository_id, blob_id, tx.now + self._lease)
        free = [tag for tag in row.tags if stands_for(tx, repository_id, tag) is None]
        self._push(tx, caller, name, row.content, row.media_type, row.digest, free)
        return free

    def _restore_tag(self, tx: Transaction, caller: Caller, name: RepositoryName, row: Any) -> list[str]:
        repository_id = ensure_repository(tx, name)
        if stands_for(tx, repository_id, row.name) is not None:
            raise TagTaken(f"the tag {row.name} points elsewhere now", remedy="delete it first, or leave it")
        own = (manifests.c.repository_id == repository_id) & (manifests.c.digest == row.digest)
        content = tx.execute(sa.select(manifests.c.content).where(own)).scalar_one_or_none()
        if content is None:
            raise ManifestUnknown("what the tag stood for is deleted too", remedy="restore that manifest first")
        self._push(tx, caller, name, content, row.media_type, row.digest, [row.name])
        return [row.name]

    def _push(  # noqa: PLR0917  the parts of a push
        self,
        tx: Transaction,
        caller: Caller,
        name: RepositoryName,
        content: bytes,
        media_type: str,
        digest: str,
        tag_names: Sequence[str],
    ) -> None:
        manifest = parse_manifest(content, media_type)
        self._pushes.store(
            tx, caller=caller, name=name, manifest=manifest, content=content, digest=digest, tag_names=tag_names
        )


def list_deleted(tx: Transaction, name: RepositoryName, *, limit: int, before: int | None = None) -> list[DeletedItem]:
    """Return what can be restored in a repository, last deleted first."""
    columns = [deleted_items.c[field] for field in DeletedItem.__slots__]
    query = sa.select(*columns).where(_item.repository == name.value, _item.expires_at > tx.now)
    if before is not None:
        query = query.where(_item.id < before)
    rows = tx.execute(query.order_by(_item.id.desc()).limit(limit))
    return [DeletedItem(*_plain(row)) for row in rows]


def forget_expired(tx: Transaction, limit: int) -> int:
    """Give up one batch of what was kept long enough; return how many."""
    due = sa.select(_item.id).where(_item.expires_at <= tx.now).order_by(_item.expires_at).limit(limit)
    found = list(tx.execute(due).scalars())
    forget_deleted(tx, found)
    return len(found)


def forget_deleted(tx: Transaction, item_ids: Sequence[int]) -> None:
    """Remove items, and with them the hold on their blobs."""
    if not item_ids:
        return
    tx.execute(sa.delete(deleted_blobs).where(deleted_blobs.c.deleted_id.in_(item_ids)))
    tx.execute(sa.delete(deleted_items).where(_item.id.in_(item_ids)))


def _plain(row: sa.Row[Any]) -> Iterator[Any]:
    return (tuple(value) if isinstance(value, list) else value for value in row)


def _find(tx: Transaction, name: RepositoryName, item_id: int) -> sa.Row[Any]:
    query = sa.select(deleted_items).where(_item.id == item_id, _item.repository == name.value)
    row = tx.execute(query.where(_item.expires_at > tx.now)).one_or_none()
    if row is None:
        raise DeletedUnknown("there is nothing of this number to restore", remedy="list what is deleted here")
    return row


def _values(tx: Transaction, row: Any, repository: RepositoryName, kind: str, name: str) -> dict[str, Any]:
    return {
        "repository": repository.value,
        "kind": kind,
        "name": name,
        "digest": row.digest,
        "media_type": row.media_type,
        "tags": [],
        "size": row.size,
        "pusher": row.pusher,
        "pushed_at": row.pushed_at,
        "deleted_at": tx.now,
    }
