"""Takes manifests: one transaction for manifest, references, gate, tags, event and audit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.blobs import BlobStore
from pratique.core.clock import SECOND
from pratique.core.database import Database, Transaction
from pratique.core.digests import Digest
from pratique.core.events import Event, EventBus
from pratique.core.permissions import Caller
from pratique.registry.arrivals import held_for, is_complete, note_missing, pushed_event
from pratique.registry.errors import DigestInvalid, ManifestBlobUnknown, ManifestInvalid
from pratique.registry.gates import Gates, Verdict
from pratique.registry.locks import Locks, TagMove
from pratique.registry.parsing import Descriptor, Manifest, parse_manifest
from pratique.registry.ports import AuditTrail
from pratique.registry.repositories import ensure_repository
from pratique.registry.retention.tables import untagged_manifests
from pratique.registry.statements import check_statements
from pratique.registry.tables import blobs, gates, manifest_blobs, manifest_members, manifests, repository_blobs
from pratique.registry.tags import point_tag, publish_moved, stands_for
from pratique.registry.types import ArtifactKind, GateReason, GateState, Reference, RepositoryName

_SIGNATURE_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]{64,128})\.(?:sig|att|sbom)")
_FIRST_VERDICT = {
    ArtifactKind.OTHER: Verdict(GateState.OPEN, GateReason("open: not an image, so nothing in it is run")),
}
_HELD = Verdict(GateState.HELD, GateReason("held: not judged yet", remedy="wait a moment and pull again"))


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push came to."""

    digest: str
    subject: str
    kind: ArtifactKind
    state: GateState
    created: bool


class Pushes:
    """Stores manifests; what `push` returned is durable, and what it raised for has changed nothing."""

    def __init__(  # noqa: PLR0917  the collaborators
        self,
        database: Database,
        store: BlobStore,
        events: EventBus,
        gate_keeper: Gates,
        audit: AuditTrail,
        locks: Locks,
        *,
        serve_pending: bool,
        blob_lease: float,
    ) -> None:
        self._database = database
        self._store = store
        self._events = events
        self._gates = gate_keeper
        self._audit = audit
        self._locks = locks
        self._serve_pending = serve_pending
        self._lease = round(blob_lease * SECOND)

    def parse(self, content: bytes, media_type: str, reference: Reference) -> tuple[Manifest, str]:
        """Return the manifest and its digest; raises ManifestInvalid or DigestInvalid."""
        digest = Digest.of(content, reference.digest.algorithm if reference.digest else "sha256")
        if reference.digest is not None and reference.digest != digest:
            raise DigestInvalid("the manifest has another digest than its address", remedy=f"its digest is {digest}")
        return parse_manifest(content, media_type), str(digest)

    def check_statements(self, manifest: Manifest) -> None:
        """Raise ManifestInvalid when layers that claim to be statements are something else. Blocks."""
        check_statements(self._database, self._store, manifest)

    def store(
        self,
        tx: Transaction,
        *,
        caller: Caller,
        name: RepositoryName,
        manifest: Manifest,
        content: bytes,
        digest: str,
        tag_names: Sequence[str],
    ) -> Pushed:
        """Store a parsed manifest; the body of one transaction."""
        repository_id = ensure_repository(tx, name)
        self._locks.check_push(tx, repository_id)
        known = _find(tx, repository_id, digest)
        if known is None:
            row_id, complete = self._insert(tx, repository_id, manifest, content, digest, caller, _signed_by(tag_names))
        else:
            row_id, complete = known.id, is_complete(tx, known.id)
            _check_type(known.media_type, manifest.media_type)
            # Who pushes it again wants it: retention counts anew.
            tx.execute(sa.delete(untagged_manifests).where(untagged_manifests.c.manifest_id == row_id))
        if manifest.kind is ArtifactKind.INDEX:
            self._adopt_statements(tx, repository_id, manifest)
        state = _state(tx, row_id)
        if complete and (state is not GateState.OPEN or manifest.kind is ArtifactKind.OTHER):
            self._events.publish(tx, _pushed(repository_id, name, manifest, digest, caller))
            state = _state(tx, row_id)  # inline subscribers have had their say
        for tag in tag_names:
            before = stands_for(tx, repository_id, tag)
            self._locks.check_move(tx, TagMove(repository_id, name.value, tag, before, row_id))
            serve = state is GateState.OPEN or self._serve_pending
            if point_tag(tx, repository_id, tag, row_id, principal_id=caller.principal_id, serve=serve):
                publish_moved(tx, self._events, name.value, tag, digest)
        target = f"{name}@{digest}"
        self._audit.with_change(tx, "registry.manifest.push", caller, target, {"tags": list(tag_names)})
        return Pushed(digest, manifest.subject, manifest.kind, state, created=known is None)

    def _insert(  # noqa: PLR0917  the columns of one row
        self,
        tx: Transaction,
        repository_id: str,
        manifest: Manifest,
        content: bytes,
        digest: str,
        caller: Caller,
        signed: str,
    ) -> tuple[int, bool]:
        """Return the id of the new row, and whether all its blobs are here."""
        blob_ids, missing = _require_blobs(tx, repository_id, manifest)
        values = {
            "repository_id": repository_id,
            "digest": digest,
            "media_type": manifest.media_type,
            "artifact_type": manifest.artifact_type,
            "kind": manifest.kind.value,
            "subject": manifest.subject,
            "gate_subject": _gate_subject(tx, repository_id, manifest, digest, signed),
            "size": len(content),
            "content": content,
            "pushed_at": tx.now,
            "pusher": caller.principal_id,
        }
        row_id: int = tx.execute(sa.insert(manifests).values(values).returning(manifests.c.id)).scalar_one()
        self._insert_references(tx, repository_id, row_id, blob_ids, manifest.members)
        note_missing(tx, repository_id, row_id, missing)
        self._gates.create(tx, row_id, _first_verdict(manifest, len(missing)))
        return row_id, not missing

    def _insert_references(
        self,
        tx: Transaction,
        repository_id: str,
        row_id: int,
        blob_ids: Sequence[int],
        members: Sequence[Descriptor],
    ) -> None:
        if blob_ids:
            tx.execute(sa.insert(manifest_blobs), [{"manifest_id": row_id, "blob_id": each} for each in blob_ids])
            held = repository_blobs.c
            tx.execute(
                sa.update(repository_blobs)
                .where(held.repository_id == repository_id, held.blob_id.in_(blob_ids))
                .values(manifests=held.manifests + 1, lease_until=tx.now + self._lease)
            )
        if members:
            tx.execute(
                sa.insert(manifest_members),
                [
                    {
                        "manifest_id": row_id,
                        "position": position,
                        "digest": member.digest,
                        "runnable": member.runnable,
                        "statement_subject": member.statement_subject,
                    }
                    for position, member in enumerate(members)
                ],
            )

    def _adopt_statements(self, tx: Transaction, repository_id: str, index: Manifest) -> None:
        """Let attestations that came before their index share the gate of what the index says they speak about."""
        for member in index.members:
            if not member.statement_subject:
                continue
            result = tx.execute(
                sa.update(manifests)
                .where(
                    manifests.c.repository_id == repository_id,
                    manifests.c.digest == member.digest,
                    manifests.c.kind == ArtifactKind.ATTACHED,
                    manifests.c.gate_subject == "",
                )
                .values(gate_subject=member.statement_subject)
            )
            if result.rowcount:
                self._gates.recompute(tx, repository_id, member.statement_subject)


def _pushed(repository_id: str, name: RepositoryName, manifest: Manifest, digest: str, caller: Caller) -> Event:
    return pushed_event(
        repository_id=repository_id,
        repository=name.value,
        digest=digest,
        kind=manifest.kind.value,
        media_type=manifest.media_type,
        artifact_type=manifest.artifact_type,
        subject=manifest.subject,
        pusher=caller.principal_id,
    )


def _find(tx: Transaction, repository_id: str, digest: str) -> sa.Row[tuple[int, str]] | None:
    condition = (manifests.c.repository_id == repository_id) & (manifests.c.digest == digest)
    return tx.execute(sa.select(manifests.c.id, manifests.c.media_type).where(condition)).one_or_none()


def _check_type(stored: str, given: str) -> None:
    """The same bytes under another type may be another kind of artifact, with another gate."""
    if stored != given:
        raise ManifestInvalid(f"the manifest is here as {stored}", remedy="push it with the same Content-Type")


def _state(tx: Transaction, row_id: int) -> GateState:
    return GateState(tx.execute(sa.select(gates.c.state).where(gates.c.manifest_id == row_id)).scalar_one())


def _first_verdict(manifest: Manifest, missing: int) -> Verdict:
    if missing:
        return Verdict(GateState.HELD, held_for(missing))
    return _FIRST_VERDICT.get(manifest.kind, _HELD)


def _require_blobs(tx: Transaction, repository_id: str, manifest: Manifest) -> tuple[list[int], list[Descriptor]]:
    """Return ids of the blobs that lie in this repository, and the layers that are still to come.

    Only an image may wait for layers, as it is held until it was read whole; raises for anything else that is missing,
    and for sizes that are not those of the bytes.
    """
    wanted = manifest.blobs()
    query = (
        sa.select(blobs.c.id, blobs.c.digest, blobs.c.size)
        .join(repository_blobs, repository_blobs.c.blob_id == blobs.c.id)
        .where(
            repository_blobs.c.repository_id == repository_id,
            blobs.c.digest.in_([descriptor.digest for descriptor in wanted]),
        )
    )
    held = {row.digest: row for row in tx.execute(query)}
    missing = {each.digest: each for each in wanted if each.digest not in held and not each.foreign}
    own = manifest.config.digest if manifest.config else ""
    for digest in missing:
        if digest == own or manifest.kind is not ArtifactKind.IMAGE:
            raise ManifestBlobUnknown(
                "a blob of the manifest is not in this repository", remedy="push or mount it first", digest=digest
            )
    for descriptor in wanted:
        row = held.get(descriptor.digest)
        if row is not None and row.size != descriptor.size:
            raise ManifestInvalid(
                f"the manifest gives {descriptor.digest} a size of {descriptor.size}, and it has {row.size} bytes"
            )
    return [row.id for row in held.values()], list(missing.values())


def _gate_subject(tx: Transaction, repository_id: str, manifest: Manifest, digest: str, signed: str) -> str:
    if manifest.kind is not ArtifactKind.ATTACHED:
        return ""
    return manifest.subject or signed or _listed_subject(tx, repository_id, digest)


def _listed_subject(tx: Transaction, repository_id: str, digest: str) -> str:
    """What an index that is here already says that this attestation speaks about."""
    query = (
        sa.select(manifest_members.c.statement_subject)
        .join(manifests, manifests.c.id == manifest_members.c.manifest_id)
        .where(
            manifest_members.c.digest == digest,
            manifest_members.c.statement_subject != "",
            manifests.c.repository_id == repository_id,
        )
        .limit(1)
    )
    return tx.execute(query).scalar_one_or_none() or ""


def _signed_by(tag_names: Sequence[str]) -> str:
    """The digest in a signature tag such as `sha256-….sig` (cosign without referrers), or ''."""
    for tag in tag_names:
        match = _SIGNATURE_TAG.fullmatch(tag)
        if match:
            return f"{match[1]}:{match[2]}"
    return ""
