"""The management API of all domains, below `/api/v1`. Imported late: see `core.http.management`."""

from fastapi import FastAPI

from pratique import __version__
from pratique.core.cloudevents import routes as event_routes
from pratique.core.cloudevents.types import source_of
from pratique.core.database import Cursors
from pratique.core.ground import Ground
from pratique.core.http.api import create_api
from pratique.core.outward import create_outward
from pratique.core.permissions import Authorizer
from pratique.core.sealed import SealedColumns
from pratique.core.webhooks import routes as webhook_routes
from pratique.domains import Domains, create_webhooks
from pratique.identity import routes as identity_routes
from pratique.identity.service import IdentityService
from pratique.operations import routes as operation_routes
from pratique.recommendations import routes as recommendation_routes
from pratique.recommendations.service import RecommendationService
from pratique.registry import attribute_routes
from pratique.registry import routes as registry_routes
from pratique.registry.collection import routes as collection_routes
from pratique.registry.encryption import routes as encryption_routes
from pratique.registry.importing import routes as import_routes
from pratique.registry.importing.service import Imports
from pratique.registry.retention import routes as retention_routes
from pratique.registry.retention import rule_routes as retention_rule_routes
from pratique.registry.upstream import routes as cache_routes
from pratique.registry.upstream.rules import CacheAdministration
from pratique.scan import routes as scan_routes
from pratique.scan import sbom_routes
from pratique.trust import routes as trust_routes


def create_management_api(
    ground: Ground,
    domains: Domains,
    identity: IdentityService,
    recommendations: RecommendationService,
    cursors: Cursors,
) -> FastAPI:
    """Return the application of every domain's routes."""
    authorizer = identity.authorizer
    routers = [
        identity_routes.router(identity),
        registry_routes.router(ground.database, domains.registry, authorizer, cursors),
        attribute_routes.router(ground.database, domains.lifecycle, authorizer),
        retention_routes.router(ground.database, domains.lifecycle.immutability, authorizer, cursors),
        retention_rule_routes.router(ground.database, domains.lifecycle, authorizer, cursors),
        collection_routes.router(ground.database, domains.lifecycle, authorizer, cursors),
        sbom_routes.router(ground.database, domains.registry, authorizer),
        scan_routes.router(ground.database, domains.advisories, domains.scan_jobs, domains.registry, authorizer),
        trust_routes.router(ground.database, domains.trust, domains.exemptions, ground.findings, authorizer, cursors),
        recommendation_routes.router(recommendations, domains.assignments, authorizer),
        event_routes.router(ground.database, domains.events, authorizer, source_of(ground.keys.installation())),
        cache_routes.router(CacheAdministration(ground.database, domains.cache_rules, authorizer, ground.audit)),
        import_routes.router(create_imports(ground, authorizer)),
        encryption_routes.router(
            ground.database,
            domains.rewriting,
            ground.jobs,
            authorizer=authorizer,
            audit=ground.audit,
            writes=ground.settings.blobs.encrypt,
        ),
        webhook_routes.router(create_webhooks(ground, domains, authorizer)),
        operation_routes.router(ground.database, ground.jobs, authorizer, cursors),
    ]
    return create_api(routers, version=__version__)


def create_imports(ground: Ground, authorizer: Authorizer) -> Imports:
    """Return the use cases of imports."""
    return Imports(
        ground.database,
        ground.jobs,
        SealedColumns(ground.keys),
        create_outward(ground.settings.outward, keep=0),
        authorizer=authorizer,
        audit=ground.audit,
    )
