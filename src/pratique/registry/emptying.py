"""Deletes whole repositories, in short transactions."""

from dataclasses import dataclass, field

import sqlalchemy as sa

from pratique.core.database import Database, Transaction
from pratique.core.events import Event, EventBus
from pratique.core.permissions import Caller
from pratique.registry.deletions import Deletions
from pratique.registry.errors import NameUnknown
from pratique.registry.locks import Deletion, Locks
from pratique.registry.ports import AuditTrail
from pratique.registry.repositories import find_repository, require_repository
from pratique.registry.tables import manifests, repositories, tags
from pratique.registry.types import Reference, RepositoryName, parse_digest

REPOSITORY_DELETED = "pratique.registry.repository.deleted.v1"
_PIECE = 25
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class DeletedRepository:
    """What went with a repository."""

    manifests: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


class RepositoryDeletions:
    """Removes repositories; bytes of blobs stay until collection, uploads under way go on into a new repository."""

    def __init__(
        self, database: Database, events: EventBus, deletions: Deletions, locks: Locks, audit: AuditTrail
    ) -> None:
        self._database = database
        self._events = events
        self._deletions = deletions
        self._locks = locks
        self._audit = audit

    def delete(self, caller: Caller, name: RepositoryName) -> DeletedRepository:
        """Delete a repository with all that is in it. Blocks.

        Raises NameUnknown; or ContentLocked before anything is deleted, when a lock or a rule keeps anything in it.
        """
        deleted = DeletedRepository(tags=self._database.read(lambda tx: self._check(tx, name)))
        while digests := self._database.write(lambda tx: self._delete_some(tx, caller, name)):
            deleted.manifests.extend(digests)
        self._database.write(lambda tx: self._close(tx, caller, name))
        return deleted

    def _check(self, tx: Transaction, name: RepositoryName) -> list[str]:
        repository_id = require_repository(tx, name)
        self._locks.check_push(tx, repository_id)
        own = sa.select(manifests.c.id).where(manifests.c.repository_id == repository_id).limit(_MOST)
        for manifest_id in tx.execute(own).scalars().all():
            self._locks.check_deletion(tx, Deletion(repository_id, name.value, manifest_id))
        named = sa.select(tags.c.name).where(tags.c.repository_id == repository_id).order_by(tags.c.name)
        return list(tx.execute(named.limit(_MOST)).scalars())

    def _delete_some(self, tx: Transaction, caller: Caller, name: RepositoryName) -> list[str]:
        """Newest first: what speaks about another manifest goes before it."""
        repository_id = find_repository(tx, name)
        newest = sa.select(manifests.c.digest).where(manifests.c.repository_id == repository_id)
        digests = list(tx.execute(newest.order_by(manifests.c.id.desc()).limit(_PIECE)).scalars())
        for digest in digests:
            self._deletions.delete(tx, caller, name, Reference(digest=parse_digest(digest)))
        return digests

    def _close(self, tx: Transaction, caller: Caller, name: RepositoryName) -> None:
        """Remove the row, unless somebody has pushed meanwhile."""
        repository_id = find_repository(tx, name)
        if repository_id is None:
            raise NameUnknown("the repository was deleted meanwhile")
        again = sa.select(manifests.c.id).where(manifests.c.repository_id == repository_id).limit(1)
        if tx.execute(again).first() is not None:
            return
        self._deletions.forget_blobs(tx, repository_id)
        tx.execute(sa.delete(repositories).where(repositories.c.id == repository_id))
        data = {"repository_id": repository_id, "repository": name.value}
        self._events.publish(tx, Event(REPOSITORY_DELETED, name.value, data))
        self._audit.with_change(tx, "registry.repository.delete", caller, name.value, {})
