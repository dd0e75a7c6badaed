"""Repositories of this registry as a source: blobs are linked, never copied; what a reader may not have is refused."""

from contextlib import AbstractContextManager

import msgspec

from pratique.core.database import Database, Transaction
from pratique.core.outward import Answer
from pratique.registry.blobs import HeldBlob, find_blob
from pratique.registry.errors import BlobUnknown, Held, ManifestUnknown
from pratique.registry.listing import list_referrers
from pratique.registry.locks import NO_READ, read_locked
from pratique.registry.parsing import Descriptor
from pratique.registry.pulls import find_manifest
from pratique.registry.types import Reference, RepositoryName
from pratique.registry.upstream.client import Fetched


class LocalSource:
    """Reads with the eyes of one caller, whose right to pull was checked when the import was asked for."""

    host = "this registry"

    def __init__(self, database: Database, *, sees_held: bool) -> None:
        self._database = database
        self._sees_held = sees_held

    def manifest(self, repository: str, reference: str) -> Fetched:
        """Return a manifest that the caller may have; raises ManifestUnknown, Held or ReadLocked."""
        name, wanted = RepositoryName.parse(repository), Reference.parse(reference)
        found = self._database.read(lambda tx: find_manifest(tx, name, wanted, sees_held=self._sees_held))
        if found is None:
            raise ManifestUnknown(f"there is no {reference} in {repository}", remedy="check the tag or digest")
        if found.locks & NO_READ:
            raise read_locked(f"{repository}@{found.digest}")
        if not found.is_open and not self._sees_held:
            raise Held(f"{repository}@{found.digest} is {found.state}: {found.reason.summary}")
        return Fetched(found.content, found.media_type, found.digest)

    def blob(self, repository: str, descriptor: Descriptor) -> AbstractContextManager[Answer]:
        """Never: what may be had is linked."""
        raise BlobUnknown(f"there is no {descriptor.digest} in {repository}")

    def held(self, tx: Transaction, repository: str, digest: str) -> HeldBlob | None:
        """Return the blob as the origin holds it, if one of its manifests that may be read names it."""
        blob = find_blob(tx, repository, digest)
        readable = blob is not None and (blob.open_manifests > 0 or (self._sees_held and blob.manifests > 0))
        return blob if readable else None

    def referrers(self, repository: str, digest: str) -> bytes | None:
        """Return the list of what speaks about a manifest."""
        name = RepositoryName.parse(repository)
        found, _ = self._database.read(
            lambda tx: list_referrers(tx, name, digest, artifact_type="", sees_held=self._sees_held)
        )
        return msgspec.json.encode({"schemaVersion": 2, "manifests": found})
