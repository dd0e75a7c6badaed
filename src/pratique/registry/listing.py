"""Lists: repositories by right of sight, tags, referrers; all paged by key, in lexical order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.permissions import Extent, NamePattern, Scope
from pratique.registry.locks import NO_LIST
from pratique.registry.repositories import require_repository
from pratique.registry.tables import gates, manifests, repositories, tags
from pratique.registry.types import GateState, RepositoryName

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of names; `more` tells whether another follows."""

    names: tuple[str, ...]
    more: bool


def list_repositories(tx: Transaction, extents: Sequence[Extent], limit: int, last: str = "") -> Listed:
    """Return names that lie in one of the extents, after `last`; filtered by the database."""
    query = (
        sa.select(repositories.c.name)
        .where(repositories.c.name > last, in_extents(extents), listed(repositories))
        .order_by(repositories.c.name)
        .limit(limit + 1)
    )
    return _page(tx.execute(query).scalars().all(), limit)


def list_tags(tx: Transaction, name: RepositoryName, limit: int, last: str = "") -> Listed:
    """Return tags after `last`; raises NameUnknown."""
    repository_id = require_repository(tx, name)
    query = (
        sa.select(tags.c.name)
        .where(tags.c.repository_id == repository_id, tags.c.name > last, listed(tags))
        .order_by(tags.c.name)
        .limit(limit + 1)
    )
    return _page(tx.execute(query).scalars().all(), limit)


def list_referrers(
    tx: Transaction, name: RepositoryName, subject: str, *, artifact_type: str, sees_held: bool, after: int = 0
) -> tuple[list[dict[str, Any]], int | None]:
    """Return descriptors of what speaks about the subject, and where the next page begins.

    Readers see those whose gate is open. An unknown repository or subject has none (OCI distribution-spec, end-12).
    """
    query = (
        sa.select(manifests)
        .join(repositories, repositories.c.id == manifests.c.repository_id)
        .join(gates, gates.c.manifest_id == manifests.c.id)
        .where(repositories.c.name == name.value, manifests.c.subject == subject, manifests.c.id > after)
        .where(listed(manifests))
        .order_by(manifests.c.id)
        .limit(PAGE + 1)
    )
    if artifact_type:
        query = query.where(manifests.c.artifact_type == artifact_type)
    if not sees_held:
        query = query.where(gates.c.state == GateState.OPEN)
    rows = tx.execute(query).all()
    return [_descriptor(row) for row in rows[:PAGE]], rows[PAGE - 1].id if len(rows) > PAGE else None


def _descriptor(row: sa.Row[Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"mediaType": row.media_type, "digest": row.digest, "size": row.size}
    if row.artifact_type:
        entry["artifactType"] = row.artifact_type
    annotations = msgspec.json.decode(row.content).get("annotations")
    if annotations:
        entry["annotations"] = annotations
    return entry


def _page(names: Sequence[str], limit: int) -> Listed:
    return Listed(tuple(names[:limit]), len(names) > limit)


def listed(table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that a repository, tag or manifest is not locked against being listed."""
    return table.c.locks.bitwise_and(NO_LIST) == 0


def in_extents(extents: Sequence[Extent]) -> sa.ColumnElement[bool]:
    """Return the condition that a repository lies in one of the extents."""
    return sa.or_(sa.false(), *(_in_extent(extent) for extent in extents))


def _in_extent(extent: Extent) -> sa.ColumnElement[bool]:
    places = (*(_below(scope) for scope in extent.allowed), *(_named(pattern) for pattern in extent.names))
    seen = sa.or_(sa.false(), *places)
    hidden = sa.or_(sa.false(), *(_below(scope) for scope in extent.denied))
    condition = sa.and_(seen, sa.not_(hidden))
    if extent.bound is None:
        return condition
    bounds = (_exactly(bound.scope) if bound.exact else _below(bound.scope) for bound in extent.bound)
    return sa.and_(condition, sa.or_(sa.false(), *bounds))


def _named(pattern: NamePattern) -> sa.ColumnElement[bool]:
    name = repositories.c.name
    fits = name == pattern.text if pattern.exact else name.startswith(pattern.text, autoescape=True)
    return sa.and_(_below(pattern.scope), fits)


def _below(scope: Scope) -> sa.ColumnElement[bool]:
    if not scope.segments or scope.segments == ("registry",):
        return sa.true()
    if scope.segments[0] != "registry":
        return sa.false()
    path = "/".join(scope.segments[1:])
    return sa.or_(repositories.c.name == path, repositories.c.name.startswith(path + "/", autoescape=True))


def _exactly(scope: Scope) -> sa.ColumnElement[bool]:
    path = "/".join(scope.segments[1:])
    return repositories.c.name == path if scope.segments[:1] == ("registry",) else sa.false()
