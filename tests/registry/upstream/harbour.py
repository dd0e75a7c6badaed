"""A registry whose cache rules lead to a registry that a test scripts, with a worker that fetches."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from tests.registry.images import Artifact, descriptor
from tests.registry.parties import PULL, RIGHTS, CountingAudit, NameAuthenticator, RuleAuthorizer, token_plane
from tests.registry.serving import Running, fast_settings
from tests.tls_server import Asked, Authority, Reply, WorldServer

from pratique.core.audit import Audit
from pratique.core.blobs.local import LocalBlobStore
from pratique.core.database import Database, Epochs
from pratique.core.events import EventBus
from pratique.core.http.hosts import HostRules
from pratique.core.http.pipeline import Pipeline
from pratique.core.http.server import Server
from pratique.core.jobs import JobHandlers, JobQueue, Worker
from pratique.core.outward import OutwardClient, OutwardRules
from pratique.core.permissions import SYSTEM, Permission
from pratique.core.sealed import SealedColumns
from pratique.registry.assembly import create_pushes, create_registry
from pratique.registry.importing.job import ImportJobs
from pratique.registry.importing.service import Imports
from pratique.registry.retention.immutability import Immutability
from pratique.registry.upstream.cache import CacheFetches, PullThrough
from pratique.registry.upstream.rules import CacheRules
from pratique.registry.upstream.transfer import Transfer
from pratique.registry.upstream.types import NewRule

HOST = "upstream.test"
IMPORTER = {"/registry/team": PULL | {Permission.REGISTRY_CONTENT_IMPORT}}
USER, SECRET = "robot", "planted-upstream-secret"


class Keys:
    def installation(self) -> str:
        return "018f0000-0000-7000-8000-000000000001"

    def unwrap(self, name: str) -> bytes:
        return b"k" * 32


class Shelf:
    """Another registry: answers from what a test put there, and lies when it is told to."""

    def __init__(self) -> None:
        self.manifests: dict[tuple[str, str], Artifact] = {}
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.lie: Callable[[Asked], Reply | None] = lambda _: None
        self.knows_referrers = True
        self.login: tuple[str, str] | None = None
        self.server: WorldServer

    def put(self, repository: str, artifact: Artifact, tag: str = "") -> None:
        self.manifests[repository, artifact.digest] = artifact
        if tag:
            self.manifests[repository, tag] = artifact
        self.blobs.update({(repository, digest): content for digest, content in artifact.blobs.items()})

    def answer(self, asked: Asked) -> Reply:
        if asked.path.startswith("/token"):
            return self._token(asked)
        lied = self.lie(asked)
        if lied is not None:
            return lied
        if asked.headers.get("authorization") != "Bearer good-token":
            challenge = f'Bearer realm="https://{HOST}:{self.server.port}/token",service="{HOST}"'
            return Reply(status=401, headers={"www-authenticate": challenge})
        return self._referrers(asked) if "/referrers/" in asked.path else self._content(asked)

    def _content(self, asked: Asked) -> Reply:
        repository, kind, reference = asked.path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "blobs":
            found = self.blobs.get((repository, reference))
            return Reply(status=404) if found is None else Reply(body=found)
        artifact = self.manifests.get((repository, reference))
        if artifact is None:
            return Reply(status=404)
        headers = {"content-type": artifact.media_type, "docker-content-digest": artifact.digest}
        return Reply(headers=headers, body=artifact.manifest)

    def _referrers(self, asked: Asked) -> Reply:
        repository, _, digest = asked.path.removeprefix("/v2/").rsplit("/", 2)
        if not self.knows_referrers:
            return Reply(status=404)
        found = {
            each.digest: descriptor(each.manifest, each.media_type)
            for (name, _), each in self.manifests.items()
            if name == repository and msgspec.json.decode(each.manifest).get("subject", {}).get("digest") == digest
        }
        return Reply(body=msgspec.json.encode({"schemaVersion": 2, "manifests": list(found.values())}))

    def _token(self, asked: Asked) -> Reply:
        import base64

        wanted = "Basic " + base64.b64encode(":".join(self.login).encode()).decode() if self.login else None
        if wanted is not None and asked.headers.get("authorization") != wanted:
            return Reply(status=401)
        assert parse_qs(urlsplit(asked.path).query)["scope"][0].startswith("repository:")
        return Reply(body=msgspec.json.encode({"token": "good-token", "expires_in": 300}))

    def asked(self, what: str, method: str = "GET") -> int:
        """How often something was asked for with a good token."""
        return sum(
            what in each.path and each.method == method and each.headers.get("authorization") == "Bearer good-token"
            for each in self.server.asked
        )


class Harbour:
    """The registry under test: `running` is its face, `rules` its cache rules."""

    def __init__(self, database: Database, folder: Path, shelf: Shelf, authority: Authority) -> None:
        self.database, self.shelf = database, shelf
        self.numbers = ["127.0.0.1"]
        events, handlers, jobs = EventBus(JobQueue(), JobHandlers()), JobHandlers(), JobQueue()
        self.store, settings, audit = LocalBlobStore(folder / "blobs"), fast_settings(gate_wait=6.0), CountingAudit()
        client = OutwardClient(
            OutwardRules.of([HOST]), ca=authority.path, resolver=lambda _host, _port: self.numbers, keep=4
        )
        self.rules = CacheRules(
            database, Epochs(database), SealedColumns(Keys()), client, manifest_limit=settings.manifest_limit
        )
        self.immutability = Immutability(audit)
        guards = [self.immutability]
        pushes = create_pushes(settings, database, self.store, events=events, audit=audit, guards=guards)
        transfer = Transfer(database, self.store, pushes, blob_limit=1 << 30, blob_lease=3600)
        fetches = CacheFetches(self.rules, transfer, jobs)
        fetches.register(handlers)
        ImportJobs(database, SealedColumns(Keys()), client, transfer, manifest_limit=settings.manifest_limit).register(
            handlers
        )
        self.imports = Imports(
            database,
            jobs,
            SealedColumns(Keys()),
            client,
            authorizer=RuleAuthorizer({**RIGHTS, "importer": IMPORTER}),
            audit=Audit(database),
        )
        self.worker = Worker(database, jobs, handlers, concurrency=2, poll=0.05)
        self.parts = create_registry(
            settings=settings,
            database=database,
            store=self.store,
            events=events,
            authorizer=RuleAuthorizer(),
            authenticator=NameAuthenticator(),
            audit=audit,
            guards=guards,
            upstream=PullThrough(database, self.rules, fetches, pushes, jobs),
        )
        self.events = events
        self.running: Running

    def protect(self, prefix: str, tags: str) -> None:
        """Let tags below a prefix stay as they are."""
        self.database.write(lambda tx: self.immutability.add(tx, SYSTEM, prefix, tags))

    def rule(self, prefix: str = "hub", remote: str = "", **options: Any) -> None:
        upstream = f"{HOST}:{self.shelf.server.port}" + (f"/{remote}" if remote else "")
        new = NewRule(prefix, upstream, **{"ttl": 0.0, **options})
        self.database.write(lambda tx: self.rules.create(tx, SYSTEM, new))

    @contextmanager
    def serve(self) -> Iterator[None]:
        ready = threading.Event()
        server = Server(
            Pipeline([self.parts.plane, token_plane()], HostRules(), log_requests=False),
            port=0,
            tls=None,
            drain=2.0,
            started=ready.set,
        )
        server.bind()
        self.running = Running(server.port, False, None, self.parts, self.database, self.events)
        thread = threading.Thread(target=server.run)
        thread.start()
        self.worker.start()
        try:
            assert ready.wait(10)
            yield
        finally:
            self.worker.stop(5)
            server.stop()
            thread.join(15)
