"""Brings manifests and what they name from another registry into a repository here, bytes first, proved by digest.

Blobs that this very repository holds are not fetched again. Those that lie elsewhere in this registry are: an upstream
that names a digest has not shown that it has the bytes, and must not be a way to read what belongs to others.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import sqlalchemy as sa

from pratique.core.blobs import BlobStore
from pratique.core.clock import SECOND
from pratique.core.database import Database, Transaction
from pratique.core.digests import Digest, Hasher
from pratique.core.errors import Invalid
from pratique.core.outward import Answer
from pratique.core.permissions import Caller
from pratique.registry.blobs import HeldBlob, find_blob, link_blob, renew_lease, store_blob
from pratique.registry.errors import ManifestInvalid
from pratique.registry.ingest import BATCH, Ingest
from pratique.registry.parsing import Descriptor, Manifest
from pratique.registry.pushes import Pushes
from pratique.registry.repositories import ensure_repository
from pratique.registry.tables import manifests, repositories
from pratique.registry.types import Reference, RepositoryName, parse_digest
from pratique.registry.upstream.client import Fetched
from pratique.registry.upstream.errors import UpstreamInvalid

Choose = Callable[[Sequence[Descriptor]], Sequence[Descriptor]]
AT_ONCE: Final = 3
"""Blobs that are fetched side by side."""
_DEPTH: Final = 3


class Source(Protocol):
    """Where content comes from: another registry, or repositories of this one."""

    host: str

    def manifest(self, repository: str, reference: str) -> Fetched:
        """Return what a tag or digest stands for, with its true digest."""

    def blob(self, repository: str, descriptor: Descriptor) -> AbstractContextManager[Answer]:
        """Give the bytes of a blob, which the caller proves."""

    def held(self, tx: Transaction, repository: str, digest: str) -> HeldBlob | None:
        """Return a blob that need not be fetched, as it lies in a repository here that may be read."""


@dataclass(frozen=True, slots=True)
class Journey:
    """From where to where, for whom, and with which members of indexes."""

    source: Source
    origin: str
    """The repository there."""
    name: RepositoryName
    caller: Caller
    choose: Choose
    going_on: Callable[[int], None]
    """Called with the bytes that have come; raises to end the journey."""


class Transfer:
    """Carries content; what it has stored stays when it is interrupted, and is not fetched again."""

    def __init__(
        self, database: Database, store: BlobStore, pushes: Pushes, *, blob_limit: int, blob_lease: float
    ) -> None:
        self._database = database
        self._store = store
        self._pushes = pushes
        self._blob_limit = blob_limit
        self._lease = round(blob_lease * SECOND)

    def bring(self, journey: Journey, reference: str, tags: Sequence[str] = (), *, depth: int = 0) -> str:
        """Return the digest of the manifest, which is here with all that was chosen."""
        if depth == _DEPTH:
            raise UpstreamInvalid(f"{journey.source.host} nests indexes more than {_DEPTH} deep")
        fetched = journey.source.manifest(journey.origin, reference)
        manifest = self._parse(journey, fetched)
        for member in journey.choose(manifest.members):
            if not self.holds(journey.name, member.digest):
                self.bring(journey, member.digest, depth=depth + 1)
        self._bring_blobs(journey, [blob for blob in manifest.blobs() if not blob.foreign])
        if manifest.claims_statement:
            self._pushes.check_statements(manifest)
        self._database.write(lambda tx: self._store_manifest(tx, journey, manifest, fetched, tags))
        return fetched.digest

    def holds(self, name: RepositoryName, digest: str) -> bool:
        """Whether the manifest is here."""
        return self._database.read(lambda tx: holds_manifest(tx, name, digest))

    def _parse(self, journey: Journey, fetched: Fetched) -> Manifest:
        try:
            return self._pushes.parse(
                fetched.content, fetched.media_type, Reference(digest=parse_digest(fetched.digest))
            )[0]
        except Invalid as error:
            raise UpstreamInvalid(f"{journey.source.host} gives a manifest that is none: {error.message}") from error

    def _store_manifest(
        self, tx: Transaction, journey: Journey, manifest: Manifest, fetched: Fetched, tags: Sequence[str]
    ) -> None:
        try:
            self._pushes.store(
                tx,
                caller=journey.caller,
                name=journey.name,
                manifest=manifest,
                content=fetched.content,
                digest=fetched.digest,
                tag_names=tags,
            )
        except ManifestInvalid as error:
            raise UpstreamInvalid(f"{journey.source.host} contradicts itself: {error.message}") from error

    def _bring_blobs(self, journey: Journey, wanted: Sequence[Descriptor]) -> None:
        missing = [blob for blob in wanted if not self._is_here(journey, blob)]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="transfer") as pool:
            for done in [pool.submit(self._bring_blob, journey, blob) for blob in missing]:
                done.result()

    def _is_here(self, journey: Journey, blob: Descriptor) -> bool:
        name = journey.name

        def body(tx: Transaction) -> bool:
            lease = tx.now + self._lease
            held = find_blob(tx, name.value, blob.digest)
            if held is not None and renew_lease(tx, held, lease):
                return True
            there = journey.source.held(tx, journey.origin, blob.digest)
            if there is None or there.size != blob.size:
                return False
            link_blob(tx, ensure_repository(tx, name), there.id, lease)
            return True

        return self._database.write(body)

    def _bring_blob(self, journey: Journey, blob: Descriptor) -> None:
        host, expected = journey.source.host, parse_digest(blob.digest)
        if blob.size > self._blob_limit:
            raise UpstreamInvalid(f"{host} names a blob of {blob.size} bytes; {self._blob_limit} are taken here")
        ingest = Ingest(self._store, Hasher(expected.algorithm), blob.size)
        try:
            self._receive(journey, blob, ingest)
            spans = ingest.seal()
            _check(host, blob, ingest.hasher.digest(), ingest.hasher.count)
            unneeded = self._database.write(
                lambda tx: store_blob(tx, ensure_repository(tx, journey.name), blob.digest, spans, tx.now + self._lease)
            )
        except BaseException:
            ingest.abort()
            raise
        for span in unneeded:
            self._store.delete(span.key)

    def _receive(self, journey: Journey, blob: Descriptor, ingest: Ingest) -> None:
        with journey.source.blob(journey.origin, blob) as answer:
            pieces, size = list[bytes](), 0
            for piece in answer.pieces():
                pieces.append(piece)
                size += len(piece)
                if size >= BATCH:
                    journey.going_on(size)
                    ingest.take([b"".join(pieces)])
                    pieces, size = [], 0
            journey.going_on(size)
            ingest.take([b"".join(pieces)])


def holds_manifest(tx: Transaction, name: RepositoryName, digest: str) -> bool:
    """Whether a repository has a manifest: one indexed read."""
    return tx.execute(_HOLDS, {"name": name.value, "wanted": digest}).first() is not None


_HOLDS = (
    sa.select(manifests.c.id)
    .join(repositories, repositories.c.id == manifests.c.repository_id)
    .where(repositories.c.name == sa.bindparam("name"), manifests.c.digest == sa.bindparam("wanted"))
)


def _check(host: str, blob: Descriptor, found: Digest, size: int) -> None:
    if str(found) != blob.digest or size != blob.size:
        raise UpstreamInvalid(
            f"{host} gives {size} bytes with the digest {found} for {blob.digest} of {blob.size} bytes",
            remedy="Nothing of it was stored.",
        )
