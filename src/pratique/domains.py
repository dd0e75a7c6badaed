"""All domains of one process, joined: each gets its collaborators, its ears on the event bus and its kinds of jobs.

API and worker join the same domains in the same way: what one publishes, the other handles.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pratique.advisories.service import AdvisoryStore, order_of
from pratique.core.cloudevents import EventLog
from pratique.core.cloudevents.types import source_of
from pratique.core.ground import Ground
from pratique.core.keys.types import KeyClient, Purpose
from pratique.core.outward import OutwardRules, create_outward
from pratique.core.permissions import Authorizer
from pratique.core.sealed import SealedColumns
from pratique.core.settings import Settings
from pratique.core.webhooks.delivery import Deliverer
from pratique.core.webhooks.sender import WebhookSender
from pratique.core.webhooks.service import Webhooks
from pratique.inventory.types import Limits
from pratique.recommendations.assigning import Assignments
from pratique.recommendations.jobs import RecommendationJobs
from pratique.registry.announcements import REGISTRY_EVENTS
from pratique.registry.assembly import create_pushes, create_service
from pratique.registry.encryption.rewriting import Rewriting
from pratique.registry.importing.job import ImportJobs
from pratique.registry.jobs import register_jobs as register_registry_jobs
from pratique.registry.lifecycle import Lifecycle, create_lifecycle
from pratique.registry.retention.immutability import Immutability
from pratique.registry.service import RegistryService
from pratique.registry.upstream.cache import CacheFetches, PullThrough
from pratique.registry.upstream.rules import CacheRules
from pratique.registry.upstream.transfer import Transfer
from pratique.scan.announce import Announcer
from pratique.scan.bases.jobs import BaseJobs
from pratique.scan.bases.keeping import BaseKeeper
from pratique.scan.child import ReaderPool
from pratique.scan.indexing import Indexer
from pratique.scan.jobs import ScanJobs
from pratique.scan.rejudging import Rejudger
from pratique.scan.service import ScanService
from pratique.trust.exemptions import Exemptions
from pratique.trust.jobs import TrustJobs
from pratique.trust.policy import DefaultPolicy
from pratique.trust.service import TrustService


@dataclass(frozen=True, slots=True)
class Domains:
    """The services that faces (API, console, command line) and jobs use."""

    registry: RegistryService
    lifecycle: Lifecycle
    events: EventLog
    rewriting: Rewriting
    cache_rules: CacheRules
    cache: PullThrough
    advisories: AdvisoryStore
    reader: ReaderPool
    scan: ScanService
    scan_jobs: ScanJobs
    trust: TrustService
    exemptions: Exemptions
    recommendation_jobs: RecommendationJobs
    assignments: Assignments

    def close(self) -> None:
        """End reader processes, write what was noted of pulls and let go of advisory files."""
        self.lifecycle.pulled.close()
        self.reader.close()
        self.advisories.close()


def join_domains(ground: Ground) -> Domains:
    """Build every domain over the ground and wire them to each other."""
    settings = ground.settings
    registry = create_service(ground.database, ground.blobs, ground.events)
    events = EventLog(REGISTRY_EVENTS)
    events.attach(ground.events)
    events.register(ground.handlers, keep=settings.events.keep)
    rewriting = Rewriting(ground.database, ground.blobs)
    rewriting.register(ground.handlers)
    cache_rules, cache = _join_cache(ground)
    advisories = AdvisoryStore.open(
        settings.data.directory / "advisories", starter=settings.advisories.starter, clock=ground.clock
    )
    reader = ReaderPool(
        settings.scan.children,
        limits=reader_limits(settings),
        memory_bytes=settings.scan.layer_memory,
        fingerprint=fingerprints(ground.keys),
    )
    scan = ScanService(advisories)
    scan_jobs = _join_scan(ground, registry, advisories, reader)
    trust = _join_trust(ground, registry, scan)
    recommendation_jobs = RecommendationJobs(ground.database, ground.jobs, ground.epochs, order_of)
    recommendation_jobs.attach(ground.events, ground.handlers)
    register_registry_jobs(ground.handlers, ground.database, ground.blobs)
    lifecycle = create_lifecycle(
        settings.registry,
        settings.lifecycle,
        ground.database,
        ground.blobs,
        jobs=ground.jobs,
        events=ground.events,
        audit=ground.audit,
    )
    lifecycle.collections.register(ground.handlers, settings.lifecycle)
    lifecycle.retention.register(ground.handlers, settings.lifecycle.retain_every)
    exemptions = Exemptions(
        ground.database, ground.findings, trust, audit=ground.audit, events=ground.events, jobs=ground.jobs
    )
    return Domains(
        registry=registry,
        lifecycle=lifecycle,
        events=events,
        rewriting=rewriting,
        cache_rules=cache_rules,
        cache=cache,
        advisories=advisories,
        reader=reader,
        scan=scan,
        scan_jobs=scan_jobs,
        trust=trust,
        exemptions=exemptions,
        recommendation_jobs=recommendation_jobs,
        assignments=Assignments(ground.database, ground.findings, ground.audit, recommendation_jobs.changed),
    )


def create_sender(ground: Ground, log: EventLog) -> WebhookSender:
    """Return what delivers webhooks, for a process whose role may open sealed columns; each delivery resolves anew."""
    settings = ground.settings
    client = create_outward(settings.outward, keep=0)
    return WebhookSender(
        ground.database,
        log,
        SealedColumns(ground.keys),
        Deliverer(client, ground.clock, settings.server.host_of("registry")),
        source=source_of(ground.keys.installation()),
        patience=settings.events.webhook_patience,
    )


def create_webhooks(ground: Ground, domains: Domains, authorizer: Authorizer) -> Webhooks:
    """Return the use cases of webhooks."""
    outward = ground.settings.outward
    return Webhooks(
        ground.database,
        domains.events,
        SealedColumns(ground.keys),
        authorizer=authorizer,
        audit=ground.audit,
        rules=OutwardRules.of(outward.private, outward.plain),
    )


def fingerprints(keys: KeyClient) -> Callable[[bytes], str]:
    """Return what makes the keyed fingerprint of a secret from the hash of its value."""
    return lambda digest: keys.hmac(Purpose.FINGERPRINT, digest).hex()[:32]


def reader_limits(settings: Settings) -> Limits:
    """Return what one layer may cost."""
    scan = settings.scan
    return Limits(
        tar_bytes=scan.layer_bytes, ratio=scan.layer_ratio, entries=scan.layer_entries, seconds=scan.layer_time
    )


def console_address(settings: Settings) -> str:
    """Return the address of the console, without a slash at the end."""
    return f"https://{settings.server.host_of('console')}:{settings.server.port}"


def _join_cache(ground: Ground) -> tuple[CacheRules, PullThrough]:
    settings = ground.settings.registry
    client, columns = create_outward(ground.settings.outward), SealedColumns(ground.keys)
    rules = CacheRules(
        ground.database,
        ground.epochs,
        columns,
        client,
        manifest_limit=settings.manifest_limit,
    )
    pushes = create_pushes(
        settings,
        ground.database,
        ground.blobs,
        events=ground.events,
        audit=ground.audit,
        guards=[Immutability(ground.audit)],
    )
    transfer = Transfer(
        ground.database, ground.blobs, pushes, blob_limit=settings.blob_limit, blob_lease=settings.blob_lease
    )
    fetches = CacheFetches(rules, transfer, ground.jobs)
    fetches.register(ground.handlers)
    ImportJobs(ground.database, columns, client, transfer, manifest_limit=settings.manifest_limit).register(
        ground.handlers
    )
    return rules, PullThrough(ground.database, rules, fetches, pushes, ground.jobs)


def _join_scan(ground: Ground, registry: RegistryService, advisories: AdvisoryStore, reader: ReaderPool) -> ScanJobs:
    settings = ground.settings.advisories
    announcer = Announcer(ground.findings, ground.events)
    bases = BaseJobs(ground.jobs, ground.events, BaseKeeper(ground.database, registry, announcer))
    bases.register(ground.handlers)
    jobs = ScanJobs(
        ground.database,
        ground.jobs,
        ground.events,
        advisories,
        indexer=Indexer(
            ground.database, registry, reader, advisories, announcer, fingerprint=fingerprints(ground.keys)
        ),
        rejudger=Rejudger(ground.database, advisories, announcer),
        announcer=announcer,
        mirror=settings.mirror,
        security_index=settings.security_index,
        judged_again=bases.judged_again,
    )
    jobs.register(ground.handlers, sync_every=settings.sync_every if settings.sync else None)
    return jobs


def _join_trust(ground: Ground, registry: RegistryService, scan: ScanService) -> TrustService:
    settings = ground.settings.trust
    policy = DefaultPolicy(
        refuse_exploited=settings.refuse_exploited,
        refuse_critical=settings.refuse_critical,
        hold_unrated=settings.hold_unrated,
        minimum_coverage=settings.minimum_coverage,
    )
    trust = TrustService(
        ground.database,
        registry,
        scan,
        findings=ground.findings,
        events=ground.events,
        jobs=ground.jobs,
        policy=policy,
        console=console_address(ground.settings),
    )
    TrustJobs(trust, ground.events).register(ground.handlers)
    return trust
