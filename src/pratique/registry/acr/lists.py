"""Rows behind the attributes of Azure Container Registry: repositories, tags and manifests, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.registry.errors import ManifestUnknown, NameUnknown
from pratique.registry.listing import listed
from pratique.registry.locks import Attributes
from pratique.registry.tables import blobs, manifest_blobs, manifests, quarantine_marks, repositories, tags
from pratique.registry.types import ArtifactKind, QuarantineMark, RepositoryName

_MOST_TAGS = 1000


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    name: str
    created_at: int
    changed_at: int
    manifests: int
    tags: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class TagRow:
    name: str
    digest: str
    created_at: int
    moved_at: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """A manifest with what only its own content, its blobs and its tags can tell."""

    id: int
    digest: str
    kind: ArtifactKind
    media_type: str
    artifact_type: str
    size: int
    """Bytes of the manifest and of each blob that it names."""
    pushed_at: int
    config: str
    """Digest of the config of an image; '' for others."""
    config_type: str
    members: tuple[tuple[str, str, str], ...]
    """(digest, architecture, system) of what an index lists."""
    tags: tuple[str, ...]
    attributes: Attributes
    mark: QuarantineMark | None


class _Content(msgspec.Struct):
    """The few fields of a stored manifest, which was read strictly when it came."""

    config: dict[str, Any] = {}
    manifests: list[dict[str, Any]] = []


def repository_row(tx: Transaction, name: RepositoryName) -> RepositoryRow:
    """Return a repository with its counts; raises NameUnknown."""
    row = tx.execute(sa.select(repositories).where(repositories.c.name == name.value)).one_or_none()
    if row is None:
        raise NameUnknown("there is no repository of this name", remedy="check the spelling")
    held = sa.select(sa.func.count(), sa.func.max(manifests.c.pushed_at)).where(manifests.c.repository_id == row.id)
    tagged = sa.select(sa.func.count(), sa.func.max(tags.c.moved_at)).where(tags.c.repository_id == row.id)
    count, pushed = tuple(tx.execute(held).one())
    tag_count, moved = tuple(tx.execute(tagged).one())
    changed = max(row.created_at, pushed or 0, moved or 0)
    return RepositoryRow(row.name, row.created_at, changed, count, tag_count, Attributes.of(row.locks))


def tag_rows(
    tx: Transaction,
    repository_id: str,
    *,
    limit: int,
    last: str = "",
    order: str = "",
    digest: str = "",
    sees_held: bool,
    only: str = "",
) -> list[TagRow]:
    """Return tags as the caller sees them, after `last`; `order` is '', timeasc or timedesc; `only` is one name."""
    chosen = _chosen(sees_held=sees_held)
    query = (
        sa.select(tags, manifests.c.digest)
        .join(manifests, manifests.c.id == chosen)
        .where(tags.c.repository_id == repository_id)
        .limit(limit)
    )
    if digest:
        query = query.where(manifests.c.digest == digest)
    if only:
        query = query.where(tags.c.name == only)
    else:
        query = query.where(listed(tags))
        before = sa.select(tags.c.moved_at, tags.c.name).where(
            tags.c.repository_id == repository_id, tags.c.name == last
        )
        query = _ordered(tx, query, order, (tags.c.moved_at, tags.c.name), last, before)
    return [
        TagRow(row.name, row.digest, row.created_at or row.moved_at, row.moved_at, Attributes.of(row.locks))
        for row in tx.execute(query)
    ]


def manifest_rows(
    tx: Transaction, repository_id: str, *, limit: int, last: str = "", order: str = "", only: str = ""
) -> list[ManifestRow]:
    """Return manifests after the digest `last`; `order` is '', timeasc or timedesc; `only` is one digest."""
    content = manifests.c.content if only else _SMALL_CONTENT
    query = (
        sa.select(*_COLUMNS, content.label("content"), quarantine_marks.c.state, quarantine_marks.c.details, *_MARKED)
        .outerjoin(quarantine_marks, quarantine_marks.c.manifest_id == manifests.c.id)
        .where(manifests.c.repository_id == repository_id)
        .limit(limit)
    )
    if only:
        query = query.where(manifests.c.digest == only)
    else:
        query = query.where(listed(manifests))
        before = sa.select(manifests.c.pushed_at, manifests.c.digest).where(
            manifests.c.repository_id == repository_id, manifests.c.digest == last
        )
        query = _ordered(tx, query, order, (manifests.c.pushed_at, manifests.c.digest), last, before)
    rows = tx.execute(query).all()
    sizes, names = _sizes(tx, [row.id for row in rows]), _tags_of(tx, repository_id, [row.id for row in rows])
    return [
        replace(_manifest_row(row), size=row.size + sizes.get(row.id, 0), tags=tuple(names.get(row.id, ())))
        for row in rows
    ]


def require_manifest(tx: Transaction, repository_id: str, digest: str) -> ManifestRow:
    """Return one manifest; raises ManifestUnknown."""
    rows = manifest_rows(tx, repository_id, limit=1, only=digest)
    if not rows:
        raise ManifestUnknown("there is no such manifest in this repository", remedy="check the digest")
    return rows[0]


_COLUMNS = tuple(column for column in manifests.c if column.name != "content")
_SMALL_CONTENT = sa.case((manifests.c.size <= 64 * 1024, manifests.c.content), else_=sa.literal(b"{}"))
"""A list tells no platform of an image with a huge manifest, rather than hold hundreds of them in memory."""
_MARKED = (quarantine_marks.c.marked_at, quarantine_marks.c.marked_by)


def _chosen(*, sees_held: bool) -> sa.ColumnElement[int]:
    first, second = (tags.c.pending_id, tags.c.served_id) if sees_held else (tags.c.served_id, tags.c.pending_id)
    return sa.func.coalesce(first, second)


def _ordered(  # noqa: PLR0917  the parts of one statement
    tx: Transaction,
    query: sa.Select[Any],
    order: str,
    keys: tuple[sa.ColumnElement[int], sa.ColumnElement[str]],
    last: str,
    before: sa.Select[tuple[int, str]],
) -> sa.Select[Any]:
    """Sort, and go on after `last`: by name, or by time and then name. A `last` that is gone begins anew."""
    time, name = keys
    if order not in {"timeasc", "timedesc"}:
        return query.where(name > last).order_by(name)
    row = tx.execute(before).one_or_none() if last else None
    position = None if row is None else tuple(row)
    descending = order == "timedesc"
    if position is not None:
        later = time < position[0] if descending else time > position[0]
        query = query.where(sa.or_(later, sa.and_(time == position[0], name > position[1])))
    return query.order_by(time.desc() if descending else time, name)


def _sizes(tx: Transaction, manifest_ids: Sequence[int]) -> dict[int, int]:
    query = (
        sa.select(manifest_blobs.c.manifest_id, sa.func.sum(blobs.c.size).label("bytes"))
        .join(blobs, blobs.c.id == manifest_blobs.c.blob_id)
        .where(manifest_blobs.c.manifest_id.in_(manifest_ids))
        .group_by(manifest_blobs.c.manifest_id)
    )
    return {row.manifest_id: int(row.bytes) for row in tx.execute(query)}


def _tags_of(tx: Transaction, repository_id: str, manifest_ids: Sequence[int]) -> dict[int, list[str]]:
    points = sa.or_(tags.c.served_id.in_(manifest_ids), tags.c.pending_id.in_(manifest_ids))
    query = (
        sa.select(tags.c.name, tags.c.served_id, tags.c.pending_id)
        .where(tags.c.repository_id == repository_id, points, listed(tags))
        .order_by(tags.c.name)
        .limit(_MOST_TAGS)
    )
    found: dict[int, list[str]] = {}
    for row in tx.execute(query):
        for manifest_id in dict.fromkeys((row.served_id, row.pending_id)):
            if manifest_id is not None:
                found.setdefault(manifest_id, []).append(row.name)
    return found


def _manifest_row(row: sa.Row[Any]) -> ManifestRow:
    content = msgspec.json.decode(row.content, type=_Content)
    members = ((str(each["digest"]), *_platform_of(each.get("platform"))) for each in content.manifests)
    kind = ArtifactKind(row.kind)
    return ManifestRow(
        id=row.id,
        digest=row.digest,
        kind=kind,
        media_type=row.media_type,
        artifact_type=row.artifact_type,
        size=row.size,
        pushed_at=row.pushed_at,
        config=str(content.config.get("digest", "")) if kind is ArtifactKind.IMAGE else "",
        config_type=str(content.config.get("mediaType", "")),
        members=tuple(members),
        tags=(),
        attributes=Attributes.of(row.locks),
        mark=QuarantineMark(row.state, row.details, row.marked_at, row.marked_by) if row.state else None,
    )


def _platform_of(value: Any) -> tuple[str, str]:
    platform = value if isinstance(value, dict) else {}
    return str(platform.get("architecture", "")), str(platform.get("os", ""))
