"""Repositories come to be by the first push; everything else knows them by id."""

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.ids import new_id
from pratique.registry.errors import NameUnknown
from pratique.registry.tables import repositories
from pratique.registry.types import RepositoryName


def ensure_repository(tx: Transaction, name: RepositoryName) -> str:
    """Return the id of the repository, made now if it was not there."""
    found = find_repository(tx, name)
    if found is not None:
        return found
    tx.execute(
        tx.insert(repositories)
        .values(id=new_id(), name=name.value, created_at=tx.now)
        .on_conflict_do_nothing(index_elements=[repositories.c.name])
    )
    return require_repository(tx, name)


def find_repository(tx: Transaction, name: RepositoryName) -> str | None:
    return tx.execute(sa.select(repositories.c.id).where(repositories.c.name == name.value)).scalar_one_or_none()


def require_repository(tx: Transaction, name: RepositoryName) -> str:
    """Return the id of the repository; raises NameUnknown."""
    found = find_repository(tx, name)
    if found is None:
        raise NameUnknown("there is no repository of this name", remedy="push to it first, or check the spelling")
    return found
