"""Counts what a quota speaks of, in the transaction of the change, without a row that two writers would share.

Each writer adds to a part of its own; the sum over the parts is the usage. A blob counts once in each quota: the row in
`quota_blobs` says that it does, and whoever adds or removes that row moves the sum. Where no quota covers a repository
nothing is written.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.registry.collection.tables import deleted_blobs, deleted_items
from pratique.registry.quotas.tables import quota_blobs, quota_usage, quotas
from pratique.registry.tables import blobs, repositories, repository_blobs

PARTS = 64
Covering = Callable[[Transaction, str], Sequence[str]]
"""Returns the ids of the quotas that cover a repository name."""


def _none(_tx: Transaction, _name: str) -> Sequence[str]:
    return ()


class Usage:
    """Hears of every change of what is held; by itself it knows no quota and writes nothing."""

    def __init__(self, covering: Covering = _none) -> None:
        self._covering = covering

    def linked(self, tx: Transaction, name: str, blob_id: int) -> None:
        """A repository has got a blob, perhaps again."""
        for quota_id in self._covering(tx, name):
            size = tx.execute(sa.select(blobs.c.size).where(blobs.c.id == blob_id)).scalar_one()
            new = tx.insert(quota_blobs).values(quota_id=quota_id, blob_id=blob_id, size=size)
            if tx.execute(new.on_conflict_do_nothing().returning(quota_blobs.c.blob_id)).first() is not None:
                add(tx, quota_id, content=size)

    def unlinked(self, tx: Transaction, blob_ids: Sequence[int]) -> None:
        """Links of these blobs are gone: where nothing holds a blob below a quota's prefix, it counts no longer."""
        counted = sa.select(quota_blobs.c.quota_id, quota_blobs.c.blob_id, quotas.c.prefix)
        counted = counted.join(quotas, quotas.c.id == quota_blobs.c.quota_id)
        for row in tx.execute(counted.where(quota_blobs.c.blob_id.in_(blob_ids))).all():
            if not tx.execute(_still_held(row.blob_id, row.prefix)).scalar_one():
                mine = (quota_blobs.c.quota_id == row.quota_id) & (quota_blobs.c.blob_id == row.blob_id)
                gone = tx.execute(sa.delete(quota_blobs).where(mine).returning(quota_blobs.c.size)).scalar_one_or_none()
                add(tx, row.quota_id, content=-(gone or 0))

    def changed(self, tx: Transaction, name: str, *, content: int = 0, manifests: int = 0, tags: int = 0) -> None:
        """A repository has so many more (or fewer) bytes in manifests, manifests and tags."""
        if content or manifests or tags:
            for quota_id in self._covering(tx, name):
                add(tx, quota_id, content=content, manifests=manifests, tags=tags)


def add(tx: Transaction, quota_id: str, *, content: int = 0, manifests: int = 0, tags: int = 0) -> None:
    """Add to this writer's part of the usage."""
    part = zlib.crc32(tx.writer_id.encode()) % PARTS
    more = {"bytes": content, "manifests": manifests, "tags": tags}
    new = tx.insert(quota_usage).values(quota_id=quota_id, part=part, **more)
    sums = {name: quota_usage.c[name] + amount for name, amount in more.items()}
    tx.execute(new.on_conflict_do_update(index_elements=["quota_id", "part"], set_=sums))


def below(prefix: str, column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a repository name is `prefix` or lies below it; '' takes all."""
    if not prefix:
        return sa.true()
    return sa.or_(column == prefix, column.startswith(prefix + "/", autoescape=True))


def _still_held(blob_id: int, prefix: str) -> sa.Select[Any]:
    """Linked by a repository below the prefix, or kept there for what was deleted and can come back."""
    linked = (
        sa.exists()
        .where(repository_blobs.c.blob_id == blob_id, repositories.c.id == repository_blobs.c.repository_id)
        .where(below(prefix, repositories.c.name))
    )
    kept = (
        sa.exists()
        .where(deleted_blobs.c.blob_id == blob_id, deleted_items.c.id == deleted_blobs.c.deleted_id)
        .where(below(prefix, deleted_items.c.repository))
    )
    return sa.select(sa.or_(linked, kept))
