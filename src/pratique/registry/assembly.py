"""Puts the registry together from its collaborators; the composition root calls this and nothing deeper."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pratique.core.blobs import BlobStore
from pratique.core.database import Database
from pratique.core.events import EventBus
from pratique.core.http.client_address import ClientAddresses
from pratique.core.http.plane import Authenticator, Plane
from pratique.core.permissions import Authorizer
from pratique.core.settings.content import Limits
from pratique.core.settings.schema import Registry as RegistrySettings
from pratique.registry.acr.requests import AcrRequests
from pratique.registry.attributes import AttributeService
from pratique.registry.blob_requests import BlobRequests
from pratique.registry.deleted import Bin
from pratique.registry.deletions import Deletions
from pratique.registry.emptying import RepositoryDeletions
from pratique.registry.gates import Gates
from pratique.registry.limits.gatekeeper import Limited
from pratique.registry.locks import Guard, Locks
from pratique.registry.manifest_requests import ManifestRequests
from pratique.registry.ports import AuditTrail, Upstream
from pratique.registry.pushes import Pushes
from pratique.registry.retention.last_pulled import LastPulled
from pratique.registry.rights import Rights
from pratique.registry.service import RegistryService
from pratique.registry.uploads import Uploads
from pratique.registry.v2 import RegistryApp, registry_plane
from pratique.registry.waiting import GateWaiter


@dataclass(frozen=True, slots=True)
class RegistryParts:
    """The registry's two faces: for other domains and for clients."""

    service: RegistryService
    plane: Plane
    uploads: Uploads


def create_service(database: Database, store: BlobStore, events: EventBus) -> RegistryService:
    """Return what workers need."""
    return RegistryService(database, store, Gates(events))


def create_registry(
    *,
    settings: RegistrySettings,
    database: Database,
    store: BlobStore,
    events: EventBus,
    authorizer: Authorizer,
    authenticator: Authenticator,
    audit: AuditTrail,
    guards: Sequence[Guard] = (),
    upstream: Upstream | None = None,
    pulled: LastPulled | None = None,
    keep_deleted: float = 0,
    limits: Limits | None = None,
    trusted_proxies: Sequence[str] = (),
) -> RegistryParts:
    """Return the registry for a process that serves clients."""
    gate_keeper, rights, waiter = Gates(events), Rights(authorizer), GateWaiter(database)
    locks = Locks(guards)
    deletions = Deletions(events, gate_keeper, audit, locks, Bin(keep_deleted))
    uploads = create_uploads(settings, database, store, events)
    pushes = create_pushes(settings, database, store, events=events, audit=audit, guards=guards)
    manifests = ManifestRequests(
        database,
        rights,
        pushes,
        deletions,
        waiter,
        audit,
        upstream,
        pulled,
        gate_wait=settings.gate_wait,
        manifest_limit=settings.manifest_limit,
    )
    blobs = BlobRequests(
        database,
        store,
        rights,
        uploads,
        deletions,
        waiter,
        gate_wait=settings.gate_wait,
        blob_lease=settings.blob_lease,
    )
    acr = AcrRequests(
        database,
        store,
        rights,
        AttributeService(events, audit),
        deletions,
        RepositoryDeletions(database, events, deletions, locks, audit),
    )
    plane = registry_plane(RegistryApp(manifests, blobs, acr), authenticator)
    plane = replace(plane, app=Limited(plane.app, limits or Limits(), ClientAddresses(trusted_proxies)))
    return RegistryParts(RegistryService(database, store, gate_keeper), plane, uploads)


def create_pushes(
    settings: RegistrySettings,
    database: Database,
    store: BlobStore,
    *,
    events: EventBus,
    audit: AuditTrail,
    guards: Sequence[Guard] = (),
) -> Pushes:
    """Return what stores manifests, pushed by clients or fetched by jobs."""
    return Pushes(
        database,
        store,
        events,
        Gates(events),
        audit,
        Locks(guards),
        serve_pending=settings.serve_pending,
        blob_lease=settings.blob_lease,
    )


def create_uploads(settings: RegistrySettings, database: Database, store: BlobStore, events: EventBus) -> Uploads:
    return Uploads(
        database,
        store,
        events,
        lifetime=settings.upload_lifetime,
        blob_lease=settings.blob_lease,
        blob_limit=settings.blob_limit,
    )
