"""Locks: what may not be deleted, written, listed or read; on a repository, a tag or a manifest.

- A lock binds everybody, whatever their rights; who may change attributes takes it off first.
- What is closed for writing is closed for deletion too.
- A repository's lock holds for all that is in it, and a tag's for the deletion of what it points to.
- Further rules (immutability, holds) are `Guard`s, asked in the same transaction and only after the locks.

The four flags are those of `changeableAttributes` in Azure Container Registry, kept as one number beside the row that
they lock, so that a pull reads them with the row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.registry.blobs import HeldBlob
from pratique.registry.errors import ContentLocked, ReadLocked
from pratique.registry.tables import manifest_blobs, manifests, repositories, tags

NO_DELETE = 1
NO_WRITE = 2
NO_LIST = 4
NO_READ = 8
HOLDS_NO_READ = 16
"""On a repository: some manifest in it is closed for reading, so a read of a blob has to look closer."""

_FLAGS = {"deleteEnabled": NO_DELETE, "writeEnabled": NO_WRITE, "listEnabled": NO_LIST, "readEnabled": NO_READ}


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is allowed on one repository, tag or manifest; all of it unless somebody has locked it."""

    delete_enabled: bool = True
    write_enabled: bool = True
    list_enabled: bool = True
    read_enabled: bool = True

    @classmethod
    def of(cls, mask: int) -> Self:
        """Read the stored number."""
        return cls(*(not mask & flag for flag in _FLAGS.values()))

    @property
    def mask(self) -> int:
        """The number to store."""
        flags = zip(self.as_json().values(), _FLAGS.values(), strict=True)
        return sum(flag for enabled, flag in flags if not enabled)

    def as_json(self) -> dict[str, bool]:
        """In the words of `changeableAttributes`."""
        return {
            "deleteEnabled": self.delete_enabled,
            "writeEnabled": self.write_enabled,
            "listEnabled": self.list_enabled,
            "readEnabled": self.read_enabled,
        }

    def changed(self, wanted: Mapping[str, bool | None]) -> Self:
        """With those flags of `wanted` (in the words of `changeableAttributes`) that are given."""
        values = {name: wanted.get(key) for name, key in zip(self.__slots__, _FLAGS, strict=True)}
        return replace(self, **{name: value for name, value in values.items() if value is not None})


@dataclass(frozen=True, slots=True)
class TagMove:
    """A tag is about to point to a manifest; `before` is what it stood for, None for a new tag."""

    repository_id: str
    repository: str
    tag: str
    before: int | None
    after: int


@dataclass(frozen=True, slots=True)
class Deletion:
    """A tag (`tag` is set) or a manifest with all its tags is about to be deleted."""

    repository_id: str
    repository: str
    manifest_id: int
    """Of a tag: what it stands for."""
    tag: str = ""


class Guard(Protocol):
    """A rule over what locks allow: returns, or raises ContentLocked with the rule's name and what to do."""

    def check_move(self, tx: Transaction, move: TagMove) -> None: ...

    def check_deletion(self, tx: Transaction, deletion: Deletion) -> None: ...


class Locks:
    """Asked before anything is written or deleted, inside the transaction that does it."""

    def __init__(self, guards: Sequence[Guard] = ()) -> None:
        self._guards = tuple(guards)

    def check_push(self, tx: Transaction, repository_id: str) -> None:
        """Raise ContentLocked where the repository is closed for writing."""
        if _mask(tx, repositories.c.locks, repositories.c.id == repository_id) & NO_WRITE:
            raise locked("the repository is locked for writing")

    def check_move(self, tx: Transaction, move: TagMove) -> None:
        """Raise ContentLocked where the tag may not point elsewhere; pointing it to where it points is no move."""
        if move.before is None or move.before == move.after:
            return
        if _mask(tx, tags.c.locks, (tags.c.repository_id == move.repository_id) & (tags.c.name == move.tag)) & NO_WRITE:
            raise locked(f"the tag {move.tag} is locked for writing")
        for guard in self._guards:
            guard.check_move(tx, move)

    def check_deletion(self, tx: Transaction, deletion: Deletion) -> None:
        """Raise ContentLocked where repository, manifest or a tag of it may not be deleted."""
        closed = NO_DELETE | NO_WRITE
        if _mask(tx, repositories.c.locks, repositories.c.id == deletion.repository_id) & closed:
            raise locked("the repository is locked")
        own = tags.c.repository_id == deletion.repository_id
        points = sa.or_(tags.c.served_id == deletion.manifest_id, tags.c.pending_id == deletion.manifest_id)
        which = own & (tags.c.name == deletion.tag if deletion.tag else points)
        for row in tx.execute(sa.select(tags.c.name, tags.c.locks).where(which, tags.c.locks > 0)):
            if row.locks & closed:
                raise locked(f"the tag {row.name} is locked")
        if not deletion.tag and _mask(tx, manifests.c.locks, manifests.c.id == deletion.manifest_id) & closed:
            raise locked("the manifest is locked")
        for guard in self._guards:
            guard.check_deletion(tx, deletion)


def is_readable(tx: Transaction, blob: HeldBlob) -> bool:
    """True unless the repository, or every manifest in it that names the blob, is closed for reading."""
    if blob.locks & NO_READ:
        return False
    if not blob.locks & HOLDS_NO_READ or not blob.manifests:
        return True
    naming = (
        sa.select(manifests.c.id)
        .join(manifest_blobs, manifest_blobs.c.manifest_id == manifests.c.id)
        .where(manifest_blobs.c.blob_id == blob.id, manifests.c.repository_id == blob.repository_id)
        .where(manifests.c.locks.bitwise_and(NO_READ) == 0)
        .limit(1)
    )
    return tx.execute(naming).first() is not None


def locked(what: str) -> ContentLocked:
    """Return the error for a change that a lock forbids."""
    return ContentLocked(
        f"the operation is not allowed: {what}",
        remedy="somebody with registry/metadata/write can unlock it: pratique registry unlock",
    )


def read_locked(what: str) -> ReadLocked:
    """Return the error for a read that a lock forbids."""
    return ReadLocked(
        f"the operation is not allowed: {what} is locked for reading",
        remedy="somebody with registry/metadata/write can unlock it: pratique registry unlock",
    )


def _mask(tx: Transaction, column: sa.ColumnElement[int], condition: sa.ColumnElement[bool]) -> int:
    return tx.execute(sa.select(column).where(condition)).scalar_one_or_none() or 0
