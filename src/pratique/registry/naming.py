"""Under which tags manifests are found, and what the tags of a repository serve; read by domains above."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.registry.tables import gates, manifest_members, manifests, repositories, tags
from pratique.registry.types import GateState, ManifestName, ServedTag

_POINTED = manifests.alias("pointed")
_NAMES = (
    sa.select(repositories.c.name.label("repository"), tags.c.name.label("tag"), _POINTED.c.digest)
    .join(repositories, repositories.c.id == tags.c.repository_id)
    .join(_POINTED, sa.or_(_POINTED.c.id == tags.c.served_id, _POINTED.c.id == tags.c.pending_id))
)


def listed_in(tx: Transaction, digests: Iterable[str]) -> dict[str, str]:
    """Return the indexes that list any of these manifests, each with one of those that it lists."""
    query = (
        sa.select(manifests.c.digest, manifest_members.c.digest.label("member"))
        .join(manifests, manifests.c.id == manifest_members.c.manifest_id)
        .where(manifest_members.c.digest.in_(sorted(set(digests))))
        .limit(500)
    )
    return {row.digest: row.member for row in tx.execute(query)}


def names_of(tx: Transaction, digests: Sequence[str], limit: int = 500) -> list[ManifestName]:
    """Return each tag that serves one of these manifests, or for which one waits; members of an index have its tags."""
    through = listed_in(tx, digests)
    wanted = {**{digest: digest for digest in digests}, **through}
    found = manifests.alias("found")
    ids = tx.execute(sa.select(found.c.id).where(found.c.digest.in_(sorted(wanted))).limit(limit)).scalars().all()
    rows = tx.execute(_NAMES.where(_POINTED.c.id.in_(ids)).limit(limit))
    return [ManifestName(row.repository, row.tag, wanted[row.digest], row.digest) for row in rows]


def served_tags(tx: Transaction, repository: str, limit: int = 2000) -> list[ServedTag]:
    """Return the tags of a repository whose served manifest has an open gate, those that moved last first."""
    query = (
        sa.select(tags.c.name, manifests.c.digest, manifests.c.kind, tags.c.moved_at)
        .join(repositories, repositories.c.id == tags.c.repository_id)
        .join(manifests, manifests.c.id == tags.c.served_id)
        .join(gates, gates.c.manifest_id == manifests.c.id)
        .where(repositories.c.name == repository, gates.c.state == GateState.OPEN)
        .order_by(tags.c.moved_at.desc(), tags.c.name)
        .limit(limit)
    )
    return [ServedTag(row.name, row.digest, row.kind == "index", row.moved_at) for row in tx.execute(query)]


def runnable_members(tx: Transaction, repository: str, digest: str) -> list[str]:
    """Return the members of an index that can run, and whose own gate is open."""
    listing = manifests.alias("listing")
    query = (
        sa.select(manifest_members.c.digest)
        .join(listing, listing.c.id == manifest_members.c.manifest_id)
        .join(repositories, repositories.c.id == listing.c.repository_id)
        .join(
            manifests,
            sa.and_(
                manifests.c.digest == manifest_members.c.digest, manifests.c.repository_id == listing.c.repository_id
            ),
        )
        .join(gates, gates.c.manifest_id == manifests.c.id)
        .where(repositories.c.name == repository, listing.c.digest == digest, manifest_members.c.runnable)
        .where(gates.c.state == GateState.OPEN)
        .order_by(manifest_members.c.position)
    )
    return list(tx.execute(query).scalars())
