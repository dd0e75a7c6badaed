"""Rows of blobs: which segments make one up, which repository holds it, who may read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.blobs import SegmentSpan
from pratique.core.database import Transaction
from pratique.registry.collection.segments import claim_segments
from pratique.registry.tables import blobs, repositories, repository_blobs

_HELD_BLOB = (
    sa.select(
        blobs.c.id,
        blobs.c.size,
        blobs.c.segments,
        repository_blobs.c.repository_id,
        repository_blobs.c.manifests,
        repository_blobs.c.open_manifests,
        repository_blobs.c.lease_until,
        repositories.c.locks,
    )
    .select_from(repositories)
    .join(repository_blobs, repository_blobs.c.repository_id == repositories.c.id)
    .join(blobs, blobs.c.id == repository_blobs.c.blob_id)
    .where(repositories.c.name == sa.bindparam("repository"), blobs.c.digest == sa.bindparam("digest"))
)
# From the digest to the repository: a blob lies in few repositories, a repository holds many blobs.


@dataclass(frozen=True, slots=True)
class HeldBlob:
    """A blob in one repository."""

    id: int
    repository_id: str
    digest: str
    size: int
    spans: tuple[SegmentSpan, ...]
    manifests: int
    open_manifests: int
    lease_until: int
    locks: int
    """What is locked on the repository."""


def find_blob(tx: Transaction, repository: str, digest: str) -> HeldBlob | None:
    """Return the blob as this repository holds it: one indexed read."""
    row = tx.execute(_HELD_BLOB, {"repository": repository, "digest": digest}).one_or_none()
    if row is None:
        return None
    return HeldBlob(
        id=row.id,
        repository_id=row.repository_id,
        digest=digest,
        size=row.size,
        spans=spans_of(row.segments),
        manifests=row.manifests,
        open_manifests=row.open_manifests,
        lease_until=row.lease_until,
        locks=row.locks,
    )


def spans_of(segments: Sequence[Sequence[Any]]) -> tuple[SegmentSpan, ...]:
    return tuple(SegmentSpan(*segment) for segment in segments)


def segments_of(spans: Sequence[SegmentSpan]) -> list[list[Any]]:
    return [
        [span.key, span.size, span.version, span.seal] if span.seal else [span.key, span.size, span.version]
        for span in spans
    ]


def link_blob(tx: Transaction, repository_id: str, blob_id: int, lease_until: int) -> None:
    """Make the blob known in the repository and renew its lease; counts stay as they are."""
    statement = tx.insert(repository_blobs).values(
        repository_id=repository_id, blob_id=blob_id, manifests=0, open_manifests=0, lease_until=lease_until
    )
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=[repository_blobs.c.repository_id, repository_blobs.c.blob_id],
            set_={"lease_until": lease_until},
        )
    )


def renew_lease(tx: Transaction, blob: HeldBlob, lease_until: int) -> bool:
    """Renew the lease of a blob that was found here; False when collection has taken it since."""
    link = repository_blobs.c
    mine = (link.repository_id == blob.repository_id) & (link.blob_id == blob.id)
    return tx.execute(sa.update(repository_blobs).where(mine).values(lease_until=lease_until)).rowcount == 1


def store_blob(
    tx: Transaction, repository_id: str, digest: str, spans: Sequence[SegmentSpan], lease_until: int
) -> tuple[SegmentSpan, ...]:
    """Record a finished blob; return its segments when they are *not* needed, as the bytes lie here already."""
    claim_segments(tx, spans)
    size = sum(span.size for span in spans)
    made = tx.execute(
        tx.insert(blobs)
        .values(digest=digest, size=size, segments=segments_of(spans), created_at=tx.now)
        .on_conflict_do_nothing(index_elements=[blobs.c.digest])
        .returning(blobs.c.id)
    ).scalar_one_or_none()
    blob_id = made or tx.execute(sa.select(blobs.c.id).where(blobs.c.digest == digest)).scalar_one()
    link_blob(tx, repository_id, blob_id, lease_until)
    return () if made else tuple(spans)
