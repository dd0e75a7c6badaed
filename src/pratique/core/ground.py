"""What every domain stands on, opened once per process and closed in the reverse order."""

from dataclasses import dataclass
from pathlib import Path

from pratique.core.audit import Audit
from pratique.core.blobs import BlobStore
from pratique.core.blobs.sealed import SealedBlobStore
from pratique.core.clock import Clock, SystemClock
from pratique.core.database import Database, Epochs, open_database
from pratique.core.events import EventBus
from pratique.core.findings.store import FindingStore
from pratique.core.jobs import JobHandlers, JobQueue
from pratique.core.keys.client import wait_for_keys
from pratique.core.keys.types import KeyClient, Role
from pratique.core.presence import Presence
from pratique.core.settings import Settings
from pratique.core.settings.ground import Blobs as BlobSettings


@dataclass(frozen=True, slots=True)
class Ground:
    """Engines and stores of one process; nothing here knows a domain."""

    settings: Settings
    clock: Clock
    keys: KeyClient
    database: Database
    epochs: Epochs
    jobs: JobQueue
    handlers: JobHandlers
    events: EventBus
    audit: Audit
    findings: FindingStore
    blobs: SealedBlobStore
    presence: Presence

    def close(self) -> None:
        """Let go of everything; counts that the audit still holds are written first."""
        self.audit.close()
        self.database.close()
        self.keys.close()


def open_ground(settings: Settings, role: Role) -> Ground:
    """Open what a process of this role needs; waits for the key process, raises with a remedy what is missing."""
    folder = settings.data.directory / "keys"
    return ground_over(settings, wait_for_keys(folder, role, within=settings.keys.start_timeout))


def ground_over(settings: Settings, keys: KeyClient) -> Ground:
    """Open everything else over a client of the keys; `close` closes that too."""
    state, clock = settings.data.directory, SystemClock()
    database = open_database(
        settings.database_url,
        clock=clock,
        hints_directory=state / "run" / "hints",
        wait=settings.database.write_wait,
        readers=settings.database.pool,
    )
    jobs, handlers = JobQueue(), JobHandlers()
    return Ground(
        settings=settings,
        clock=clock,
        keys=keys,
        database=database,
        epochs=Epochs(database),
        jobs=jobs,
        handlers=handlers,
        events=EventBus(jobs, handlers),
        audit=Audit(database, sink=state / "audit" / "audit.jsonl"),
        findings=FindingStore(),
        blobs=SealedBlobStore(
            open_blobs(settings.blobs, state, settings.data.minimum_free), keys, writes=settings.blobs.encrypt
        ),
        presence=Presence(state / "run"),
    )


def open_blobs(settings: BlobSettings, state: Path, minimum_free: int) -> BlobStore:
    """Return the blob store that settings choose."""
    if settings.store == "s3":
        from pratique.core.blobs.objects import ObjectBlobStore

        return ObjectBlobStore.connect(
            bucket=settings.bucket,
            endpoint=settings.endpoint,
            region=settings.region,
            prefix=settings.prefix,
            access_key=settings.access_key,
            secret_key=settings.secret_key,
            allow_http=settings.endpoint.startswith("http://"),
        )
    from pratique.core.blobs.local import LocalBlobStore

    return LocalBlobStore(state / "blobs", minimum_free=minimum_free)
