"""Importing this registers every domain's tables on the one metadata."""

import pratique.core.audit.tables
import pratique.core.cloudevents.tables
import pratique.core.database.schema
import pratique.core.findings.tables
import pratique.core.jobs.tables
import pratique.core.webhooks.tables
import pratique.identity.access_tables
import pratique.identity.federation.tables
import pratique.identity.managed.tables
import pratique.identity.oauth.tables
import pratique.identity.oidc.tables
import pratique.identity.scope_maps.tables
import pratique.identity.tables
import pratique.recommendations.tables
import pratique.registry.collection.tables
import pratique.registry.importing.tables
import pratique.registry.retention.tables
import pratique.registry.tables
import pratique.registry.upstream.tables
import pratique.scan.tables
import pratique.trust.tables  # noqa: F401  all of these register tables
from pratique.core.database.schema import metadata

__all__ = ["metadata"]
