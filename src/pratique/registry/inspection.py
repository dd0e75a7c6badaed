"""What pages show of repositories: sizes, tags with gates and locks, members, and what speaks about a manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.registry.attributes import mark_of
from pratique.registry.locks import Attributes
from pratique.registry.parsing import parse_manifest
from pratique.registry.retention.tables import manifest_pulls
from pratique.registry.tables import (
    blobs,
    gates,
    manifest_blobs,
    manifests,
    repositories,
    repository_blobs,
    tags,
)
from pratique.registry.types import GateReason, QuarantineMark

MEMBERS = 200
REFERRERS = 200


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of the blobs of a repository: all of them, and those that no other repository has."""

    total: int = 0
    own: int = 0

    @property
    def shared(self) -> int:
        return self.total - self.own


@dataclass(frozen=True, slots=True)
class Pointed:
    """What a tag points to: digest, gate and the reason for it."""

    digest: str
    gate: str
    summary: str
    pusher: str
    pulled_at: int | None


@dataclass(frozen=True, slots=True)
class TagLine:
    """A tag as a page shows it."""

    name: str
    served: Pointed | None
    pending: Pointed | None
    moved_at: int
    allowed: Attributes

    @property
    def pointed(self) -> Pointed | None:
        """What waits, else what readers get."""
        return self.pending or self.served


@dataclass(frozen=True, slots=True)
class Referrer:
    """Something that speaks about a manifest."""

    digest: str
    type: str
    gate: str
    size: int
    pushed_at: int
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """A line of an index; `gate` is '' when it is not here."""

    digest: str
    platform: str
    runnable: bool
    size: int
    gate: str = ""


@dataclass(frozen=True, slots=True)
class Inspected:
    """A manifest with all that hangs on it."""

    allowed: Attributes
    mark: QuarantineMark | None
    sizes: Sizes
    members: tuple[Member, ...]
    referrers: tuple[Referrer, ...]
    annotations: Mapping[str, str]


def sizes(tx: Transaction, repository_ids: Sequence[str]) -> dict[str, Sizes]:
    """Return what each repository holds, and how much of it lies in no other."""
    other = repository_blobs.alias("other")
    row = repository_blobs.c
    elsewhere = sa.exists().where(other.c.blob_id == row.blob_id, other.c.repository_id != row.repository_id)
    own = sa.func.sum(sa.case((elsewhere, 0), else_=blobs.c.size))
    query = (
        sa.select(row.repository_id, sa.func.sum(blobs.c.size).label("total"), own.label("own"))
        .join(blobs, blobs.c.id == row.blob_id)
        .where(row.repository_id.in_(repository_ids))
        .group_by(row.repository_id)
    )
    return {found.repository_id: Sizes(int(found.total), int(found.own)) for found in tx.execute(query)}


def locks_of(tx: Transaction, repository_ids: Sequence[str]) -> dict[str, Attributes]:
    """Return what is allowed on each repository."""
    query = sa.select(repositories.c.id, repositories.c.locks).where(repositories.c.id.in_(repository_ids))
    return {row.id: Attributes.of(row.locks) for row in tx.execute(query)}


def tag_lines(tx: Transaction, repository_id: str, *, limit: int, after: str = "", search: str = "") -> list[TagLine]:
    """Return tags by name, after `after`, whose name holds `search`."""
    query = sa.select(tags).where(tags.c.repository_id == repository_id, tags.c.name > after)
    if search:
        query = query.where(tags.c.name.contains(search, autoescape=True))
    rows = tx.execute(query.order_by(tags.c.name).limit(limit)).all()
    wanted = {number for row in rows for number in (row.served_id, row.pending_id) if number is not None}
    found = _pointed(tx, wanted)
    return [
        TagLine(
            row.name, found.get(row.served_id), found.get(row.pending_id), row.moved_at, Attributes.of(row.locks)
        )
        for row in rows
    ]  # fmt: skip


def inspect(tx: Transaction, repository_id: str, digest: str) -> Inspected | None:
    """Return one manifest with its locks, mark, members and referrers; None when it is not here."""
    query = sa.select(manifests).where(manifests.c.repository_id == repository_id, manifests.c.digest == digest)
    row = tx.execute(query).one_or_none()
    if row is None:
        return None
    return Inspected(
        allowed=Attributes.of(row.locks),
        mark=mark_of(tx, repository_id, digest),
        sizes=_manifest_sizes(tx, row.id),
        members=_members(tx, row),
        referrers=_referrers(tx, repository_id, digest),
        annotations=_annotations(row.content),
    )


def tag_locks(tx: Transaction, repository_id: str, manifest_id: int) -> dict[str, Attributes]:
    """Return what is allowed on the tags that point to a manifest."""
    points = sa.or_(tags.c.served_id == manifest_id, tags.c.pending_id == manifest_id)
    query = sa.select(tags.c.name, tags.c.locks).where(tags.c.repository_id == repository_id, points)
    return {row.name: Attributes.of(row.locks) for row in tx.execute(query.order_by(tags.c.name).limit(100))}


def _pointed(tx: Transaction, manifest_ids: set[int]) -> dict[int, Pointed]:
    query = (
        sa.select(
            manifests.c.id,
            manifests.c.digest,
            manifests.c.pusher,
            gates.c.state,
            gates.c.reason,
            manifest_pulls.c.pulled_at,
        )
        .join(gates, gates.c.manifest_id == manifests.c.id)
        .outerjoin(manifest_pulls, manifest_pulls.c.manifest_id == manifests.c.id)
        .where(manifests.c.id.in_(sorted(manifest_ids)))
    )
    return {
        row.id: Pointed(row.digest, row.state, GateReason.from_json(row.reason).summary, row.pusher, row.pulled_at)
        for row in tx.execute(query)
    }


def _manifest_sizes(tx: Transaction, manifest_id: int) -> Sizes:
    """Bytes of the blobs of a manifest, and of those that no other manifest of the registry names."""
    other, row = manifest_blobs.alias("other"), manifest_blobs.c
    elsewhere = sa.exists().where(other.c.blob_id == row.blob_id, other.c.manifest_id != row.manifest_id)
    query = (
        sa.select(sa.func.sum(blobs.c.size), sa.func.sum(sa.case((elsewhere, 0), else_=blobs.c.size)))
        .join(blobs, blobs.c.id == row.blob_id)
        .where(row.manifest_id == manifest_id)
    )
    total, own = tuple(tx.execute(query).one())
    return Sizes(int(total or 0), int(own or 0))


def _members(tx: Transaction, row: sa.Row[Any]) -> tuple[Member, ...]:
    listed = parse_manifest(row.content, row.media_type).members[:MEMBERS]
    if not listed:
        return ()
    query = (
        sa.select(manifests.c.digest, gates.c.state)
        .join(gates, gates.c.manifest_id == manifests.c.id)
        .where(manifests.c.repository_id == row.repository_id, manifests.c.digest.in_([one.digest for one in listed]))
    )
    known = {found.digest: found.state for found in tx.execute(query)}
    return tuple(
        Member(one.digest, platform_name(one.platform), one.runnable, one.size, known.get(one.digest, ""))
        for one in listed
    )


def platform_name(platform: Mapping[str, str]) -> str:
    """Return `linux/arm/v7`; '' where nothing is said."""
    return "/".join(filter(None, (platform.get(key, "") for key in ("os", "architecture", "variant"))))[:100]


def _referrers(tx: Transaction, repository_id: str, digest: str) -> tuple[Referrer, ...]:
    """What names the manifest as its subject, in the way of the specification or of a signature's tag."""
    # The indexes hold what is not empty, and have to be told that this is.
    said = sa.and_(manifests.c.subject == digest, manifests.c.subject != "")
    shared = sa.and_(manifests.c.gate_subject == digest, manifests.c.gate_subject != "")
    query = (
        sa.select(manifests, gates.c.state)
        .join(gates, gates.c.manifest_id == manifests.c.id)
        .where(manifests.c.repository_id == repository_id, manifests.c.digest != digest, sa.or_(said, shared))
        .order_by(manifests.c.id)
        .limit(REFERRERS)
    )
    return tuple(
        Referrer(
            row.digest, row.artifact_type or row.media_type, row.state, row.size, row.pushed_at,
            _annotations(row.content),
        )
        for row in tx.execute(query)
    )  # fmt: skip


class _Annotated(msgspec.Struct):
    annotations: dict[str, str] | None = None


def _annotations(content: bytes) -> Mapping[str, str]:
    """What a manifest says of itself, bounded; it was read strictly when it came."""
    try:
        found = msgspec.json.decode(content, type=_Annotated).annotations or {}
    except msgspec.MsgspecError:
        return {}
    return {key[:200]: value[:500] for key, value in sorted(found.items())[:50]}
