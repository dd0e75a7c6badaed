"""What other domains may ask of the registry. It owns the `gates` table and knows no policy."""

from typing import BinaryIO

from pratique.core.blobs.types import BlobStore
from pratique.core.database import Database, Transaction
from pratique.core.events import EventBus
from pratique.registry.types import GateReason, GateState, ImageSource, RepositoryRef


class RegistryService:
    """The registry's use cases for higher domains; every method that takes a transaction acts inside it."""

    def __init__(self, database: Database, blobs: BlobStore, events: EventBus) -> None:
        self._database = database
        self._blobs = blobs
        self._events = events

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
        """Set the gate of a manifest in the caller's transaction; True if the state changed.

        Moves served tags when the gate opens, recomputes the gates of indexes that list it and of artifacts
        attached to it, and publishes `pratique.registry.gate.changed.v1`.
        """
        raise NotImplementedError

    def image_source(self, tx: Transaction, repository_id: str, digest: str) -> ImageSource:
        """Return the manifest and where its blobs lie; raises ManifestUnknown."""
        raise NotImplementedError

    def repositories_of(self, tx: Transaction, digest: str) -> list[RepositoryRef]:
        """Return the repositories that hold this manifest, by name."""
        raise NotImplementedError

    def open_blob(self, digest: str) -> BinaryIO:
        """Open a stored blob for reading from its first byte; raises BlobUnknown. For workers: it blocks."""
        raise NotImplementedError
