"""The composition root: settings -> engines -> domains -> server and worker. Nothing else knows all domains.

Importing this opens nothing: no thread, socket, connection or event loop, so that a process may fork after it.
"""

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from anyio import to_thread

from pratique.advisories.service import order_of
from pratique.console.app import create_console
from pratique.console.bindings import create_parts
from pratique.console.content import Content
from pratique.core.audit.jobs import register as register_checkpoints
from pratique.core.clock import SystemClock
from pratique.core.database import Cursors
from pratique.core.errors import Unavailable
from pratique.core.ground import Ground, open_ground
from pratique.core.http.answers import html_error
from pratique.core.http.health import Check, health_plane, metrics_plane
from pratique.core.http.hosts import HostRules
from pratique.core.http.management import ManagementApi, management_plane
from pratique.core.http.pipeline import Pipeline
from pratique.core.http.plane import Plane
from pratique.core.http.server import Server, TlsFiles
from pratique.core.jobs import Worker
from pratique.core.jobs.metrics import JobMetrics
from pratique.core.keys.client import wait_for_keys
from pratique.core.keys.types import Role
from pratique.core.outward import create_outward
from pratique.core.redaction import redact
from pratique.core.settings import Settings
from pratique.core.telemetry import configure_logging
from pratique.core.tls import ensure_certificate, fingerprint
from pratique.domains import Domains, console_address, create_sender, create_webhooks, join_domains
from pratique.identity.first_sign_in import FILE, offer_first_sign_in
from pratique.identity.jobs import register as register_sweep
from pratique.identity.jobs import register_reviews
from pratique.identity.service import IdentityService
from pratique.identity.token_endpoint import PREFIXES as TOKEN_PREFIXES
from pratique.identity.token_endpoint import token_app, token_error
from pratique.migrations.run import migrate
from pratique.recommendations.service import RecommendationService
from pratique.registry.assembly import create_registry
from pratique.registry.upstream.rules import CacheAdministration

if TYPE_CHECKING:
    from fastapi import FastAPI

WORKER = "worker"
"""Name under which a worker is present on a machine."""
_LOOK = 1.0
"""Seconds after which a signal is noticed that came in the instant before waiting began."""


def prepare(settings: Settings) -> None:
    """Bring database and certificate to what this version needs; quick when nothing is missing."""
    state = settings.data.directory
    migrate(settings.database_url, state)
    if settings.server.certificate is not None:
        return
    keys = wait_for_keys(state / "keys", Role.ADMIN, within=settings.keys.start_timeout)
    try:
        ensure_certificate(
            keys,
            state / "tls",
            domain=settings.server.domain,
            extra_hosts=settings.server.extra_hosts,
            now=SystemClock().now(),
        )
    finally:
        keys.close()


def serve(settings: Settings) -> None:
    """Serve every plane until SIGTERM; SIGHUP reads the certificate again."""
    configure_logging(level=settings.telemetry.log_level, redact=redact)
    ground = open_ground(settings, Role.API)
    domains = join_domains(ground)
    identity = create_identity(ground)
    offer_first_sign_in(
        identity,
        settings.data.directory,
        console=console_address(settings),
        fingerprint=fingerprint(trust_anchor(settings).read_bytes()),
    )
    pipeline = create_pipeline(ground, domains, identity)
    try:
        Server(
            pipeline,
            host=settings.server.host,
            port=settings.server.port,
            tls=tls_files(settings),
            drain=settings.server.drain,
            threads=settings.server.threads,
            started=lambda: threading.Thread(target=load_rest, args=(pipeline,), daemon=True).start(),
        ).run()
    finally:
        identity.close()
        domains.close()
        ground.close()


def work(settings: Settings) -> None:
    """Run jobs until SIGTERM; what is not done by the end of the drain goes back to the queue."""
    configure_logging(level=settings.telemetry.log_level, redact=redact)
    ground = open_ground(settings, Role.WORKER)
    domains = join_domains(ground)
    register_checkpoints(ground.handlers, ground.database, ground.audit, ground.keys)
    register_sweep(ground.handlers, ground.database, settings.identity)
    register_reviews(ground.handlers, ground.database, settings.identity, ground.events)
    worker = Worker(
        ground.database,
        ground.jobs,
        ground.handlers,
        concurrency=settings.jobs.threads,
        lease=settings.jobs.lease,
        poll=settings.jobs.poll,
        redact=redact,
    )
    sender = create_sender(ground, domains.events)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        worker.start()
        sender.start()
        ground.presence.announce(WORKER)
        while not stop.wait(_LOOK):
            pass
    finally:
        sender.stop(settings.server.drain)
        worker.stop(settings.server.drain)
        domains.close()
        ground.close()


def create_identity(ground: Ground) -> IdentityService:
    """Return identity, for a process whose role may sign tokens."""
    return IdentityService(
        ground.database,
        ground.keys,
        ground.settings.identity,
        epochs=ground.epochs,
        audit=ground.audit,
        cursors=create_cursors(ground),
        clock=ground.clock,
        enrolled=lambda: (ground.settings.data.directory / FILE).unlink(missing_ok=True),
        domain=ground.settings.server.domain,
        outward=create_outward(ground.settings.outward),
        events=ground.events,
    )


def create_cursors(ground: Ground) -> Cursors:
    """Return cursors that every API process of the installation understands."""
    return Cursors(ground.keys.hmac("cursor", b"list cursors"))


def create_pipeline(ground: Ground, domains: Domains, identity: IdentityService) -> Pipeline:
    """Return the one ASGI application with every plane behind it."""
    settings = ground.settings
    registry = create_registry(
        settings=settings.registry,
        database=ground.database,
        store=ground.blobs,
        events=ground.events,
        authorizer=identity.authorizer,
        authenticator=identity.registry_authenticator,
        audit=ground.audit,
        guards=[domains.lifecycle.immutability],
        upstream=domains.cache,
        pulled=domains.lifecycle.pulled,
        keep_deleted=settings.lifecycle.keep_deleted,
        limits=settings.limits,
        trusted_proxies=settings.server.trusted_proxies,
    )
    recommendations = RecommendationService(
        ground.database,
        create_cursors(ground),
        order_of,
        domains.scan,
        registry_host=f"{settings.server.host_of('registry')}:{settings.server.port}",
    )
    planes = [
        health_plane(checks(ground)),
        metrics_plane(
            None if settings.telemetry.open_metrics else identity.management_authenticator,
            None if settings.telemetry.open_metrics else identity.authorizer,
            JobMetrics(ground.database, ground.jobs).collect,
        ),
        registry.plane,
        token_plane(ground, identity),
        identity.machines.plane,
        create_api_plane(ground, domains, identity, recommendations),
        create_console_plane(ground, domains, identity, recommendations),
    ]
    return Pipeline(planes, HostRules(settings.server.domain, settings.server.extra_hosts))


def load_rest(pipeline: Pipeline) -> None:
    """Build what was left for after the start, before somebody has to wait for it."""
    for plane in pipeline.planes:
        if isinstance(plane.app, ManagementApi):
            plane.app.load()


def token_plane(ground: Ground, identity: IdentityService) -> Plane:
    """Return the plane where registry clients get their tokens."""
    app = token_app(identity.token_service, ground.keys)
    return Plane("token", ("login", "registry"), TOKEN_PREFIXES, app, token_error)


def create_api_plane(
    ground: Ground, domains: Domains, identity: IdentityService, recommendations: RecommendationService
) -> Plane:
    """Return the management API: every domain's routes below `/api/v1`."""

    def build() -> "FastAPI":
        from pratique.api import create_management_api

        return create_management_api(ground, domains, identity, recommendations, create_cursors(ground))

    return management_plane(build, identity.management_authenticator, identity.management_error)


def create_console_plane(
    ground: Ground, domains: Domains, identity: IdentityService, recommendations: RecommendationService
) -> Plane:
    """Return the console; it takes every path of its host that no other plane takes."""
    settings = ground.settings
    parts = create_parts(
        database=ground.database,
        epochs=ground.epochs,
        clock=ground.clock,
        recommendations=recommendations,
        assignments=domains.assignments,
        registry=domains.registry,
        scan=domains.scan,
        trust=domains.trust,
        exemptions=domains.exemptions,
        findings=ground.findings,
        advisories=domains.advisories,
        sync=domains.scan_jobs.request_sync,
        jobs=ground.jobs,
        content=content_of(ground, domains, identity),
        identity=identity,
        registry_host=f"{settings.server.domain}:{settings.server.port}",
    )
    return Plane(
        "console",
        ("console",),
        ("",),
        create_console(parts),
        html_error,
        identity.console_authenticator,
        data_plane=False,
    )


def content_of(ground: Ground, domains: Domains, identity: IdentityService) -> Content:
    """Return what pages show and change of the registry's content."""
    return Content(
        ground.database,
        domains.registry,
        domains.lifecycle,
        create_webhooks(ground, domains, identity.authorizer),
        CacheAdministration(ground.database, domains.cache_rules, identity.authorizer, ground.audit),
        domains.events,
        ground.jobs,
        identity.authorizer,
    )


def checks(ground: Ground) -> dict[str, Check]:
    """Return what must work before this process may take requests."""

    async def database() -> None:
        await ground.database.read_async(lambda tx: tx.execute(sa.select(1)).all())

    async def keys() -> None:
        await to_thread.run_sync(ground.keys.installation)

    async def worker() -> None:
        if not ground.presence.is_here(WORKER):
            raise Unavailable("no worker runs here", remedy="see `pratique status`")

    required: dict[str, Check] = {"database": database, "keys": keys}
    # With PostgreSQL workers may run on other machines, and serving does not depend on them.
    return required if ground.database.dialect == "postgresql" else {**required, "worker": worker}


def trust_anchor(settings: Settings) -> Path:
    """Return the certificate whose fingerprint people compare: the operator's own, or that of the installation's CA."""
    return settings.server.certificate or settings.data.directory / "tls" / "ca.pem"


def tls_files(settings: Settings) -> TlsFiles:
    """Return the operator's certificate, or the one of the installation's own CA."""
    given = settings.server
    if given.certificate is not None and given.private_key is not None:
        return TlsFiles(given.certificate, given.private_key)
    folder = settings.data.directory / "tls"
    return TlsFiles(folder / "server.pem", folder / "server.key")
