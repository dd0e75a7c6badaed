"""Puts together what happens to content over time: deletion, restoring, collection."""

from dataclasses import dataclass

from pratique.core.blobs import BlobStore
from pratique.core.database import Database
from pratique.core.events import EventBus
from pratique.core.jobs import JobQueue
from pratique.core.settings.content import Lifecycle as LifecycleSettings
from pratique.core.settings.schema import Registry as RegistrySettings
from pratique.registry.assembly import create_pushes
from pratique.registry.attributes import AttributeService
from pratique.registry.collection.collector import Collector
from pratique.registry.collection.jobs import Collections, micros
from pratique.registry.deleted import Bin, Restoring
from pratique.registry.deletions import Deletions
from pratique.registry.emptying import RepositoryDeletions
from pratique.registry.gates import Gates
from pratique.registry.locks import Locks
from pratique.registry.ports import AuditTrail
from pratique.registry.retention.immutability import Immutability
from pratique.registry.retention.last_pulled import LastPulled
from pratique.registry.retention.rules import RetentionRules
from pratique.registry.retention.running import Retention


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The use cases of this part, for the API and for workers."""

    restoring: Restoring
    collections: Collections
    immutability: Immutability
    retention: Retention
    retention_rules: RetentionRules
    pulled: LastPulled
    attributes: AttributeService
    deletions: Deletions
    repositories: RepositoryDeletions


def create_lifecycle(
    settings: RegistrySettings,
    lifecycle: LifecycleSettings,
    database: Database,
    store: BlobStore,
    *,
    jobs: JobQueue,
    events: EventBus,
    audit: AuditTrail,
) -> Lifecycle:
    """Return the use cases over the ground."""
    immutability = Immutability(audit)
    locks = Locks([immutability])
    deletions = Deletions(events, Gates(events), audit, locks, Bin(lifecycle.keep_deleted))
    pushes = create_pushes(settings, database, store, events=events, audit=audit, guards=[immutability])
    collector = Collector(
        database,
        store,
        events,
        deletions,
        read_grace=micros(lifecycle.read_grace),
        orphan_age=micros(lifecycle.orphan_age),
        blob_lease=micros(settings.blob_lease),
    )
    return Lifecycle(
        restoring=Restoring(pushes, events, audit, blob_lease=settings.blob_lease),
        collections=Collections(database, jobs, collector, audit),
        immutability=immutability,
        retention=Retention(database, jobs, deletions, audit, locks),
        retention_rules=RetentionRules(audit, locks),
        pulled=LastPulled(database),
        attributes=AttributeService(events, audit),
        deletions=deletions,
        repositories=RepositoryDeletions(database, events, deletions, locks, audit),
    )
