"""What other domains may ask of the registry. It owns the `gates` table and knows no policy."""

from collections.abc import Sequence
from typing import BinaryIO

import sqlalchemy as sa

from pratique.core.blobs import BlobStore
from pratique.core.blobs.reader import open_blob, read_spans
from pratique.core.database import Database, Transaction
from pratique.core.permissions import Extent
from pratique.registry import naming
from pratique.registry.arrivals import MANIFEST_PUSHED
from pratique.registry.attributes import QUARANTINE_MARKED
from pratique.registry.blobs import spans_of
from pratique.registry.deletions import MANIFEST_DELETED
from pratique.registry.errors import BlobUnknown, ManifestUnknown
from pratique.registry.gates import GATE_CHANGED, Gates
from pratique.registry.listing import in_extents
from pratique.registry.parsing import Descriptor, Manifest, parse_manifest
from pratique.registry.tables import blobs, gates, manifests, missing_blobs, quarantine_marks, repositories, tags
from pratique.registry.tags import TAG_MOVED
from pratique.registry.types import (
    ArtifactKind,
    BlobSource,
    Gate,
    GateChange,
    GateReason,
    GateState,
    ImageSource,
    ManifestName,
    ManifestSummary,
    MemberSource,
    QuarantineMark,
    RepositoryRef,
    RepositorySummary,
    ServedTag,
    TagSummary,
)

__all__ = ["GATE_CHANGED", "MANIFEST_DELETED", "MANIFEST_PUSHED", "QUARANTINE_MARKED", "TAG_MOVED", "RegistryService"]


class RegistryService:
    """The registry's use cases for higher domains; every method that takes a transaction acts inside it."""

    def __init__(self, database: Database, store: BlobStore, gate_keeper: Gates) -> None:
        self._database = database
        self._store = store
        self._gates = gate_keeper

    def apply_gate(
        self,
        tx: Transaction,
        *,
        repository_id: str,
        digest: str,
        state: GateState,
        reason: GateReason,
        decision_id: str | None,
    ) -> bool:
        """Set the gate of one manifest as `apply_gates` does; True if the state changed."""
        return bool(self.apply_gates(tx, [GateChange(repository_id, digest, state, reason, decision_id)]))

    def apply_gates(self, tx: Transaction, changes: Sequence[GateChange]) -> set[tuple[str, str]]:
        """Set gates in the caller's transaction; returns (repository id, digest) of those whose state changed.

        Moves served tags when a gate opens, derives the gates of indexes that list it and of artifacts attached to it
        once for all changes, and publishes `pratique.registry.gate.changed.v1` for each gate. The gates of indexes and
        attached artifacts follow from others: for them, and for a manifest that is gone, nothing changes.
        """
        return self._gates.apply(tx, changes)

    def gate(self, tx: Transaction, repository_id: str, digest: str) -> Gate | None:
        """Return the gate of a manifest in a repository; None when it is not there."""
        query = (
            sa.select(gates.c.state, gates.c.reason, gates.c.decision_id, gates.c.since)
            .join(manifests, manifests.c.id == gates.c.manifest_id)
            .where(manifests.c.repository_id == repository_id, manifests.c.digest == digest)
        )
        row = tx.execute(query).one_or_none()
        if row is None:
            return None
        return Gate(GateState(row.state), GateReason.from_json(row.reason), row.decision_id, row.since)

    def image_source(self, tx: Transaction, repository_id: str, digest: str) -> ImageSource:
        """Return the manifest and where its blobs lie; raises ManifestUnknown."""
        query = (
            sa.select(manifests, repositories.c.name.label("repository"))
            .join(repositories, repositories.c.id == manifests.c.repository_id)
            .where(manifests.c.repository_id == repository_id, manifests.c.digest == digest)
        )
        row = tx.execute(query).one_or_none()
        if row is None:
            raise ManifestUnknown("there is no such manifest in this repository")
        manifest = parse_manifest(row.content, row.media_type)
        sources = _blob_sources(tx, manifest.blobs())
        return ImageSource(
            repository=RepositoryRef(repository_id, row.repository),
            digest=digest,
            media_type=row.media_type,
            kind=ArtifactKind(row.kind),
            artifact_type=row.artifact_type,
            subject=row.gate_subject or row.subject,
            manifest=row.content,
            config=sources.get(manifest.config.digest) if manifest.config else None,
            layers=tuple(sources[layer.digest] for layer in manifest.layers),
            members=_members(tx, repository_id, manifest),
        )

    def repositories_of(self, tx: Transaction, digest: str) -> list[RepositoryRef]:
        """Return the repositories that hold this manifest with all that it names, by name."""
        waiting = sa.exists().where(missing_blobs.c.manifest_id == manifests.c.id)
        query = (
            sa.select(repositories.c.id, repositories.c.name)
            .join(manifests, manifests.c.repository_id == repositories.c.id)
            .where(manifests.c.digest == digest, ~waiting)
            .order_by(repositories.c.name)
        )
        return [RepositoryRef(row.id, row.name) for row in tx.execute(query)]

    def repository(self, tx: Transaction, name: str) -> RepositoryRef | None:
        """Return the repository of this name."""
        row = tx.execute(sa.select(repositories.c.id).where(repositories.c.name == name)).one_or_none()
        return None if row is None else RepositoryRef(row.id, name)

    def resolve(self, tx: Transaction, name: str, reference: str) -> ManifestSummary | None:
        """Return what a tag (what waits before what is served) or a digest stands for."""
        repository = self.repository(tx, name)
        if repository is None:
            return None
        if ":" in reference:
            condition = manifests.c.digest == reference
        else:
            pointed = sa.select(sa.func.coalesce(tags.c.pending_id, tags.c.served_id)).where(
                tags.c.repository_id == repository.id, tags.c.name == reference
            )
            condition = manifests.c.id == pointed.scalar_subquery()
        query = _SUMMARY.where(manifests.c.repository_id == repository.id, condition)
        row = tx.execute(query).one_or_none()
        return None if row is None else self._summary(tx, row)

    def list_repositories(
        self, tx: Transaction, extents: Sequence[Extent], *, limit: int, after: str = ""
    ) -> list[RepositorySummary]:
        """Return repositories in these extents by name, with what they hold."""
        held = sa.select(sa.func.count()).select_from(manifests).where(manifests.c.repository_id == repositories.c.id)
        tagged = sa.select(sa.func.count()).select_from(tags).where(tags.c.repository_id == repositories.c.id)
        pushed = sa.select(sa.func.max(manifests.c.pushed_at)).where(manifests.c.repository_id == repositories.c.id)
        query = (
            sa.select(
                repositories.c.id,
                repositories.c.name,
                repositories.c.created_at,
                held.scalar_subquery().label("manifests"),
                tagged.scalar_subquery().label("tags"),
                pushed.scalar_subquery().label("pushed_at"),
            )
            .where(repositories.c.name > after, in_extents(extents))
            .order_by(repositories.c.name)
            .limit(limit)
        )
        return [RepositorySummary(*tuple(row)) for row in tx.execute(query)]

    def gate_counts(self, tx: Transaction, repository_ids: Sequence[str]) -> dict[str, dict[GateState, int]]:
        """Return for each repository how many manifests have which gate."""
        query = (
            sa.select(manifests.c.repository_id, gates.c.state, sa.func.count().label("held"))
            .join(gates, gates.c.manifest_id == manifests.c.id)
            .where(manifests.c.repository_id.in_(repository_ids))
            .group_by(manifests.c.repository_id, gates.c.state)
        )
        counts: dict[str, dict[GateState, int]] = {}
        for row in tx.execute(query):
            counts.setdefault(row.repository_id, {})[GateState(row.state)] = row.held
        return counts

    def list_tags(self, tx: Transaction, repository_id: str, *, limit: int, after: str = "") -> list[TagSummary]:
        """Return tags by name, with the digest that is served and the one that waits."""
        served, pending = manifests.alias("served"), manifests.alias("pending")
        query = (
            sa.select(
                tags.c.name,
                served.c.digest.label("served"),
                pending.c.digest.label("pending"),
                tags.c.moved_at,
            )
            .outerjoin(served, served.c.id == tags.c.served_id)
            .outerjoin(pending, pending.c.id == tags.c.pending_id)
            .where(tags.c.repository_id == repository_id, tags.c.name > after)
            .order_by(tags.c.name)
            .limit(limit)
        )
        return [TagSummary(row.name, row.served or "", row.pending or "", row.moved_at) for row in tx.execute(query)]

    def list_manifests(
        self, tx: Transaction, repository_id: str, *, limit: int, before: int | None = None
    ) -> list[ManifestSummary]:
        """Return manifests with their gates, newest push first; `before` is the `number` of the last one seen."""
        query = _SUMMARY.where(manifests.c.repository_id == repository_id).order_by(manifests.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(manifests.c.id < before)
        return [self._summary(tx, row) for row in tx.execute(query).all()]

    def names_of(self, tx: Transaction, digests: Sequence[str]) -> list[ManifestName]:
        """Return the tags under which these manifests, or indexes that list them, are served or wait."""
        return naming.names_of(tx, digests)

    def indexes_of(self, tx: Transaction, digests: Sequence[str]) -> dict[str, str]:
        """Return the indexes that list any of these manifests, each with one that it lists."""
        return naming.listed_in(tx, digests)

    def served_tags(self, tx: Transaction, repository: str) -> list[ServedTag]:
        """Return the tags of a repository whose served manifest is open, those that moved last first."""
        return naming.served_tags(tx, repository)

    def runnable_members(self, tx: Transaction, repository: str, digest: str) -> list[str]:
        """Return the open members of an index that can run."""
        return naming.runnable_members(tx, repository, digest)

    def failed_marks(self, tx: Transaction, digests: Sequence[str]) -> dict[tuple[str, str], QuarantineMark]:
        """Return by repository id and digest what somebody who may write quarantine has failed."""
        query = (
            sa.select(manifests.c.repository_id, manifests.c.digest, *_MARK)
            .join(quarantine_marks, quarantine_marks.c.manifest_id == manifests.c.id)
            .where(quarantine_marks.c.state == "Failed", manifests.c.digest.in_(digests))
        )
        return {
            (row.repository_id, row.digest): QuarantineMark(row.state, row.details, row.marked_at, row.marked_by)
            for row in tx.execute(query)
        }

    def open_blob(self, digest: str) -> BinaryIO:
        """Open a stored blob for reading from its first byte; raises BlobUnknown. For workers: it blocks.

        A blob of one local segment comes as a plain file, so that a child can read it by its descriptor.
        """
        segments = self._database.read(
            lambda tx: tx.execute(sa.select(blobs.c.segments).where(blobs.c.digest == digest)).scalar_one_or_none()
        )
        if segments is None:
            raise BlobUnknown("there is no such blob", digest=digest)
        return open_blob(self._store, spans_of(segments))

    def read_source(self, source: BlobSource) -> bytes:
        """Return a small blob whole (a config); the caller has looked at its size."""
        spans = spans_of(source.segments)
        return b"".join(read_spans(self._store, spans, 0, source.size))

    def _summary(self, tx: Transaction, row: sa.Row[tuple[object, ...]]) -> ManifestSummary:
        pointing = sa.select(tags.c.name).where(sa.or_(tags.c.served_id == row.id, tags.c.pending_id == row.id))
        names = tx.execute(pointing.order_by(tags.c.name).limit(100)).scalars().all()
        return ManifestSummary(
            number=row.id,
            repository_id=row.repository_id,
            digest=row.digest,
            media_type=row.media_type,
            artifact_type=row.artifact_type,
            kind=ArtifactKind(row.kind),
            subject=row.subject,
            size=row.size,
            pushed_at=row.pushed_at,
            pusher=row.pusher,
            tags=tuple(names),
            gate=Gate(GateState(row.state), GateReason.from_json(row.reason), row.decision_id, row.since),
        )


_MARK = tuple(quarantine_marks.c[name] for name in ("state", "details", "marked_at", "marked_by"))
_SUMMARY = sa.select(
    *(column for column in manifests.c if column.name != "content"),
    gates.c.state,
    gates.c.reason,
    gates.c.decision_id,
    gates.c.since,
).join(gates, gates.c.manifest_id == manifests.c.id)


def _blob_sources(tx: Transaction, descriptors: Sequence[Descriptor]) -> dict[str, BlobSource]:
    wanted = [descriptor.digest for descriptor in descriptors]
    query = sa.select(blobs.c.digest, blobs.c.segments).where(blobs.c.digest.in_(wanted))
    held = {row.digest: row.segments for row in tx.execute(query)}
    return {
        each.digest: BlobSource(
            digest=each.digest,
            media_type=each.media_type,
            size=each.size,
            segments=tuple(tuple(segment) for segment in held.get(each.digest, ())),
            stored=each.digest in held,
            annotations=each.annotations,
        )
        for each in descriptors
    }


def _members(tx: Transaction, repository_id: str, manifest: Manifest) -> tuple[MemberSource, ...]:
    wanted = [member.digest for member in manifest.members]
    query = sa.select(manifests.c.digest).where(
        manifests.c.repository_id == repository_id, manifests.c.digest.in_(wanted)
    )
    present = set(tx.execute(query).scalars()) if wanted else set()
    return tuple(
        MemberSource(member.digest, member.media_type, member.platform, member.runnable, member.digest in present)
        for member in manifest.members
    )
