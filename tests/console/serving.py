"""The console as the product serves it: real pipeline, TLS, identity, keys and database; stand-ins for the rest."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.console.sources import StubExemptions, StubFeeds, StubImages, StubJobs
from tests.recommendations.seeding import order, refresher_of
from tests.registry.collecting import Content as Records

from pratique.console.app import create_console
from pratique.console.content import Content
from pratique.console.parts import Parts
from pratique.core.audit import Audit
from pratique.core.blobs.local import LocalBlobStore
from pratique.core.clock import Clock, SystemClock
from pratique.core.cloudevents import EventLog
from pratique.core.database import Cursors, Database, Epochs, Transaction, create_schema, open_database
from pratique.core.events import EventBus
from pratique.core.findings.store import FindingStore
from pratique.core.http.answers import html_error
from pratique.core.http.hosts import HostRules
from pratique.core.http.pipeline import Pipeline
from pratique.core.http.plane import Plane
from pratique.core.http.server import Server, TlsFiles
from pratique.core.jobs import JobHandlers, JobQueue
from pratique.core.keys.client import local_keys
from pratique.core.keys.types import Role
from pratique.core.outward import OutwardClient, OutwardRules
from pratique.core.permissions import OPERATOR, Scope
from pratique.core.sealed import SealedColumns
from pratique.core.settings.content import Lifecycle as LifecycleSettings
from pratique.core.settings.schema import Identity as IdentitySettings
from pratique.core.settings.schema import Registry as RegistrySettings
from pratique.core.tls import ensure_certificate
from pratique.core.webhooks.service import Webhooks
from pratique.identity import roles
from pratique.identity.service import IdentityService
from pratique.identity.sessions import COOKIE
from pratique.identity.types import NewSession, PrincipalName
from pratique.recommendations.assigning import Assignments
from pratique.recommendations.service import RecommendationService
from pratique.registry.announcements import REGISTRY_EVENTS
from pratique.registry.assembly import create_service
from pratique.registry.lifecycle import create_lifecycle
from pratique.registry.upstream.rules import CacheAdministration, CacheRules


@dataclass
class Running:
    """A console with its parts within reach of the test."""

    database: Database
    identity: IdentityService
    pipeline: Pipeline
    images: StubImages
    feeds: StubFeeds
    exemptions: StubExemptions
    parts: Parts
    directory: Path
    handlers: JobHandlers
    port: int = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def records(self) -> Records:
        """What pushes into the registry that the console shows."""
        return Records(self.database, self.directory, keep=86400)

    def session(self, name: str = "ada", role: str = "Owner", scope: str = "/") -> dict[str, str]:
        """Return the cookie of a person who is signed in and holds a role."""
        identity = self.identity

        def body(tx: Transaction) -> NewSession:
            person = identity.principals.create(tx, OPERATOR, PrincipalName.parse(name), "user")
            identity.assignments.create(tx, OPERATOR, person, roles.find(role), Scope.parse(scope))
            return identity.sessions.begin(
                tx, person.id, method="password", address="127.0.0.1", agent="Firefox 140 on Linux"
            )

        return {COOKIE: self.database.write(body).cookie}


def pipeline_of(parts: Parts) -> Pipeline:
    """The pipeline that the product has, with the console as its only plane."""
    app, authenticator = create_console(parts), parts.identity.console_authenticator
    plane = Plane("console", ("console",), ("",), app, html_error, authenticator, data_plane=False)
    return Pipeline([plane], HostRules(), log_requests=False)


def content_of(  # noqa: PLR0917  what the services stand on
    database: Database,
    directory: Path,
    columns: SealedColumns,
    identity: IdentityService,
    epochs: Epochs,
    audit: Audit,
    handlers: JobHandlers,
) -> Content:
    """The real services of the registry over the console's database, and blobs in a folder."""
    jobs, store = JobQueue(), LocalBlobStore(directory / "blobs")
    bus, log = EventBus(jobs, handlers), EventLog(REGISTRY_EVENTS)
    log.attach(bus)
    settings, rules = LifecycleSettings(), OutwardRules.of()
    lifecycle = create_lifecycle(RegistrySettings(), settings, database, store, jobs=jobs, events=bus, audit=audit)
    lifecycle.collections.register(handlers, settings)
    caches = CacheRules(database, epochs, columns, OutwardClient(rules), manifest_limit=1 << 22)
    authorizer = identity.authorizer
    return Content(
        database,
        create_service(database, store, bus),
        lifecycle,
        Webhooks(database, log, columns, authorizer=authorizer, audit=audit, rules=rules),
        CacheAdministration(database, caches, authorizer, audit),
        log,
        jobs,
        authorizer,
    )


@contextmanager
def console(
    directory: Path,
    clock: Clock | None = None,
    database: Database | None = None,
    outward: OutwardClient | None = None,
) -> Iterator[Running]:
    """A console without a socket, to be asked through its pipeline."""
    clock = clock or SystemClock()
    own = database is None
    database = database or open_database(
        f"sqlite:///{directory}/console.db", clock=clock, hints_directory=directory / "hints"
    )
    create_schema(database)
    keys = local_keys(directory / "keys")
    audit, epochs, cursors = Audit(database), Epochs(database), Cursors(b"k" * 32)
    identity = IdentityService(
        database,
        keys,
        IdentitySettings(),
        epochs=epochs,
        audit=audit,
        cursors=cursors,
        clock=clock,
        outward=outward,
    )
    images, feeds, handlers = StubImages(clock), StubFeeds(), JobHandlers()
    content = content_of(database, directory, SealedColumns(keys), identity, epochs, audit, handlers)
    exemptions = StubExemptions(clock)
    parts = Parts(
        recommendations=RecommendationService(database, cursors, order),
        assignments=Assignments(database, FindingStore(), audit, refresher_of(database).mark),
        images=images,
        feeds=feeds,
        exemptions=exemptions,
        jobs=StubJobs(clock),
        content=content,
        identity=identity,
        epoch=lambda: epochs.current("recommendations"),
        clock=clock,
        registry_host="localhost:8443",
    )
    pipeline = pipeline_of(parts)
    try:
        yield Running(database, identity, pipeline, images, feeds, exemptions, parts, directory, handlers)
    finally:
        pipeline.close()
        identity.close()
        audit.close()
        keys.close()
        if own:
            database.close()


@contextmanager
def serving(directory: Path) -> Iterator[Running]:
    """A console on a loopback port over TLS."""
    with console(directory) as running:
        keys = local_keys(directory / "tls-keys", Role.ADMIN)
        state = ensure_certificate(keys, directory / "tls", domain="localhost", now=SystemClock().now(), machine="test")
        keys.close()
        ready = threading.Event()
        server = Server(
            running.pipeline, port=0, tls=TlsFiles(state.certificate, state.key), drain=2.0, started=ready.set
        )
        server.bind()
        running.port = server.port
        thread = threading.Thread(target=server.run, name="console-server")
        thread.start()
        try:
            assert ready.wait(10)
            yield running
        finally:
            server.stop()
            thread.join(15)
            assert not thread.is_alive()
