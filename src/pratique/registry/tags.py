"""Moves tags: a tag serves one manifest to readers while another waits for its gate."""

from collections.abc import Mapping

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.events import Event, EventBus
from pratique.registry.tables import tags

TAG_MOVED = "pratique.registry.tag.moved.v1"


def point_tag(
    tx: Transaction, repository_id: str, name: str, manifest_id: int, *, principal_id: str, serve: bool
) -> bool:
    """Point a tag at a manifest: at once when `serve`, else as what waits. True when readers get another one."""
    before = tx.execute(
        sa.select(tags.c.served_id).where(tags.c.repository_id == repository_id, tags.c.name == name)
    ).one_or_none()
    served = manifest_id if serve else (before.served_id if before else None)
    # A push of what is served already also withdraws what waited.
    pending = None if serve or served == manifest_id else manifest_id
    values = {"served_id": served, "pending_id": pending, "moved_at": tx.now, "moved_by": principal_id}
    tx.execute(
        tx.insert(tags)
        .values(repository_id=repository_id, name=name, created_at=tx.now, **values)
        .on_conflict_do_update(index_elements=[tags.c.repository_id, tags.c.name], set_=values)
    )
    return serve and (before is None or before.served_id != manifest_id)


def stands_for(tx: Transaction, repository_id: str, name: str) -> int | None:
    """Return the id of what a tag stands for: what waits before what is served; None when there is no such tag."""
    chosen = sa.func.coalesce(tags.c.pending_id, tags.c.served_id)
    condition = (tags.c.repository_id == repository_id) & (tags.c.name == name)
    return tx.execute(sa.select(chosen).where(condition)).scalar_one_or_none()


def serve_pending_tags(tx: Transaction, events: EventBus, opened: Mapping[int, tuple[str, str]]) -> None:
    """Let every tag for which one of these manifests waits serve it; `opened` is id -> (repository, digest)."""
    waiting = tags.c.pending_id.in_(list(opened))
    found = tx.execute(sa.select(tags.c.name, tags.c.pending_id).where(waiting)).all()
    if not found:
        return
    tx.execute(sa.update(tags).where(waiting).values(served_id=tags.c.pending_id, pending_id=None, moved_at=tx.now))
    events.publish_many(tx, [_moved(opened[row.pending_id][0], row.name, opened[row.pending_id][1]) for row in found])


def publish_moved(tx: Transaction, events: EventBus, repository: str, name: str, digest: str) -> None:
    """Tell that readers of a tag now get this digest ('' when the tag is gone)."""
    events.publish(tx, _moved(repository, name, digest))


def _moved(repository: str, name: str, digest: str) -> Event:
    return Event(TAG_MOVED, f"{repository}:{name}", {"repository": repository, "tag": name, "digest": digest})
