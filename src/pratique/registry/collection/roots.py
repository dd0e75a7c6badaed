"""What collection may take, as questions to the database: each is asked again in the transaction that takes it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.registry.collection.tables import deleted_blobs, deleted_items
from pratique.registry.tables import (
    blobs,
    gates,
    manifest_blobs,
    manifest_members,
    manifests,
    missing_blobs,
    repositories,
    repository_blobs,
    tags,
    uploads,
)
from pratique.registry.types import ArtifactKind

WINDOW = 20_000
"""Rows that one read looks through."""

_link = repository_blobs.c
_subject, _listing, _list = manifests.alias("subject"), manifests.alias("listing"), manifest_members.alias("list")


def unnamed_links(now: int) -> sa.ColumnElement[bool]:
    """No manifest names the blob in this repository, nobody waits for it there, and its lease is over."""
    awaited = (
        sa.exists()
        .where(missing_blobs.c.repository_id == _link.repository_id)
        .where(missing_blobs.c.digest == blobs.c.digest, blobs.c.id == _link.blob_id)
    )
    return sa.and_(_link.manifests == 0, _link.lease_until <= now, sa.not_(awaited))


def find_links(tx: Transaction, after: tuple[str, int], limit: int) -> Sequence[sa.Row[tuple[str, int]]]:
    """Return repository and blob of links that may go, in their order."""
    place = sa.tuple_(_link.repository_id, _link.blob_id)
    query = sa.select(_link.repository_id, _link.blob_id).where(unnamed_links(tx.now), place > sa.tuple_(*after))
    return tx.execute(query.order_by(_link.repository_id, _link.blob_id).limit(limit)).all()


def unlink(tx: Transaction, keys: Sequence[tuple[str, int]]) -> list[int]:
    """Remove those links that may still go; return their blobs."""
    mine = sa.tuple_(_link.repository_id, _link.blob_id).in_(keys)
    gone = sa.delete(repository_blobs).where(mine, unnamed_links(tx.now)).returning(_link.blob_id)
    return list(tx.execute(gone).scalars())


def unheld_blobs() -> sa.ColumnElement[bool]:
    """No repository holds the blob, no manifest names it, nothing that can be restored needs it."""
    return sa.and_(
        sa.not_(sa.exists().where(_link.blob_id == blobs.c.id)),
        sa.not_(sa.exists().where(manifest_blobs.c.blob_id == blobs.c.id)),
        sa.not_(sa.exists().where(deleted_blobs.c.blob_id == blobs.c.id)),
    )


def find_blobs(tx: Transaction, after: int) -> tuple[list[int], int | None]:
    """Look through a window of blobs; return those that may go, and where to go on (None: that was the last)."""
    last = tx.execute(sa.select(sa.func.max(blobs.c.id))).scalar_one() or 0
    inside = (blobs.c.id > after) & (blobs.c.id <= after + WINDOW)
    found = tx.execute(sa.select(blobs.c.id).where(inside, unheld_blobs()).order_by(blobs.c.id)).scalars()
    return list(found), after + WINDOW if after + WINDOW < last else None


def forget_blobs(tx: Transaction, blob_ids: Sequence[int]) -> Sequence[sa.Row[tuple[str, int, Any]]]:
    """Remove those blobs that may still go; return digest, size and segments."""
    gone = sa.delete(blobs).where(blobs.c.id.in_(blob_ids), unheld_blobs())
    return tx.execute(gone.returning(blobs.c.digest, blobs.c.size, blobs.c.segments)).all()


def find_uploads(tx: Transaction, limit: int) -> Sequence[sa.Row[tuple[str, str, int, Any]]]:
    """Return id, repository, size and segments of uploads whose time is over."""
    row = uploads.c
    due = (row.expires_at <= tx.now) | row.closed
    query = sa.select(row.id, row.repository, row.size, row.segments).where(due).order_by(row.expires_at)
    return tx.execute(query.limit(limit)).all()


def expired(tx: Transaction, ids: Sequence[str]) -> Sequence[sa.Row[tuple[str, int, Any]]]:
    """Return id, size and segments of those uploads whose time is still over."""
    row = uploads.c
    query = sa.select(row.id, row.size, row.segments).where(row.id.in_(ids), (row.expires_at <= tx.now) | row.closed)
    return tx.execute(query).all()


def find_lonely(tx: Transaction, before: int, after: int, limit: int) -> Sequence[sa.Row[Any]]:
    """Return attached manifests whose subject is not here and cannot come back, pushed before that instant."""
    query = _LONELY.where(manifests.c.pushed_at <= before, manifests.c.id > after)
    return tx.execute(query.order_by(manifests.c.id).limit(limit)).all()


def is_lonely(tx: Transaction, manifest_id: int, before: int) -> sa.Row[Any] | None:
    """Return the manifest as `find_lonely` does if it may still go."""
    query = _LONELY.where(manifests.c.pushed_at <= before, manifests.c.id == manifest_id)
    return tx.execute(query).one_or_none()


def _lonely() -> sa.Select[Any]:
    """Build the question once.

    One that an index lists stays with the index, and one with a tag of its own (other than the tag by which a
    signature names its subject) stays with the tag.
    """
    here = sa.exists().where(
        _subject.c.repository_id == manifests.c.repository_id, _subject.c.digest == manifests.c.gate_subject
    )
    restorable = sa.exists().where(
        deleted_items.c.repository == repositories.c.name, deleted_items.c.digest == manifests.c.gate_subject
    )
    listed = sa.exists().where(
        _list.c.digest == manifests.c.digest,
        _listing.c.id == _list.c.manifest_id,
        _listing.c.repository_id == manifests.c.repository_id,
    )
    named = sa.func.replace(manifests.c.gate_subject, ":", "-") + "."
    points = sa.or_(tags.c.served_id == manifests.c.id, tags.c.pending_id == manifests.c.id)
    tagged = sa.exists().where(points, sa.func.substr(tags.c.name, 1, sa.func.length(named)) != named)
    return (
        sa.select(
            manifests.c.id,
            manifests.c.digest,
            manifests.c.kind,
            manifests.c.size,
            manifests.c.repository_id,
            manifests.c.gate_subject,
            gates.c.state,
            repositories.c.name.label("repository"),
        )
        .join(gates, gates.c.manifest_id == manifests.c.id)
        .join(repositories, repositories.c.id == manifests.c.repository_id)
        .where(manifests.c.kind == ArtifactKind.ATTACHED)
        # In the words of the partial index, so that both engines use it.
        .where(sa.text("manifests.gate_subject <> ''"))
        .where(sa.not_(here), sa.not_(restorable), sa.not_(listed), sa.not_(tagged))
    )


_LONELY = _lonely()


def find_freed(tx: Transaction, after: int) -> tuple[Sequence[sa.Row[tuple[int, str, int]]], int | None]:
    """For a dry run: look through a window of blobs for those that a run now would let go, with digest and size."""
    last = tx.execute(sa.select(sa.func.max(blobs.c.id))).scalar_one() or 0
    stays = sa.exists().where(_link.blob_id == blobs.c.id, sa.not_(unnamed_links(tx.now)))
    kept = sa.exists().where(
        deleted_blobs.c.blob_id == blobs.c.id,
        deleted_items.c.id == deleted_blobs.c.deleted_id,
        deleted_items.c.expires_at > tx.now,
    )
    named = sa.exists().where(manifest_blobs.c.blob_id == blobs.c.id)
    inside = (blobs.c.id > after) & (blobs.c.id <= after + WINDOW)
    query = sa.select(blobs.c.id, blobs.c.digest, blobs.c.size).where(inside, sa.not_(sa.or_(stays, named, kept)))
    return tx.execute(query.order_by(blobs.c.id)).all(), after + WINDOW if after + WINDOW < last else None
