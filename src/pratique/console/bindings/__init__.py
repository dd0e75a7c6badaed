"""Binds what pages ask for to the domains that know it."""

from collections.abc import Callable, Sequence

from pratique.advisories.service import AdvisoryStore
from pratique.console.bindings.exemptions import BoundExemptions
from pratique.console.bindings.feeds import BoundFeeds
from pratique.console.bindings.images import BoundImages
from pratique.console.bindings.jobs import BoundJobs
from pratique.console.content import Content
from pratique.console.parts import Parts
from pratique.core.clock import Clock
from pratique.core.database import Database, Epochs, Transaction
from pratique.core.findings.store import FindingStore
from pratique.core.jobs import JobQueue
from pratique.identity.service import IdentityService
from pratique.recommendations.assigning import Assignments
from pratique.recommendations.jobs import EPOCH
from pratique.recommendations.service import RecommendationService
from pratique.registry.service import RegistryService
from pratique.scan.service import ScanService
from pratique.trust.exemptions import Exemptions
from pratique.trust.service import TrustService

Sync = Callable[[Transaction, Sequence[str]], str]


def create_parts(
    *,
    database: Database,
    epochs: Epochs,
    clock: Clock,
    recommendations: RecommendationService,
    assignments: Assignments,
    registry: RegistryService,
    scan: ScanService,
    trust: TrustService,
    exemptions: Exemptions,
    findings: FindingStore,
    advisories: AdvisoryStore,
    sync: Sync,
    jobs: JobQueue,
    content: Content,
    identity: IdentityService,
    registry_host: str,
) -> Parts:
    """Return everything that the console is made of, over the services of one process."""
    return Parts(
        recommendations=recommendations,
        assignments=assignments,
        images=BoundImages(database, registry, scan, trust, identity),
        feeds=BoundFeeds(database, advisories, jobs, sync),
        exemptions=BoundExemptions(database, exemptions, findings, identity.authorizer),
        jobs=BoundJobs(database, jobs),
        content=content,
        identity=identity,
        # Findings change before they are summed up: a page listens for both.
        epoch=lambda: sum(epochs.current(name) for name in (EPOCH, "findings")),
        clock=clock,
        registry_host=registry_host,
    )
