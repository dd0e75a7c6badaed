"""A registry that listens: in a thread of the test, or as a process of its own that can be killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.registry.parties import CountingAudit, NameAuthenticator, RuleAuthorizer, token_plane

from pratique.core.blobs.local import LocalBlobStore
from pratique.core.database import Database, create_schema, open_database
from pratique.core.events import EventBus
from pratique.core.http.health import health_plane
from pratique.core.http.hosts import HostRules
from pratique.core.http.pipeline import Pipeline
from pratique.core.http.server import Server, TlsFiles
from pratique.core.jobs import JobHandlers, JobQueue
from pratique.core.settings.schema import Registry as RegistrySettings
from pratique.registry.assembly import RegistryParts, create_registry


@dataclass
class Running:
    """A registry on a loopback port."""

    port: int
    tls: bool
    process: "subprocess.Popen[bytes] | None" = None
    parts: RegistryParts | None = None
    database: Database | None = None
    events: EventBus | None = None
    audit: CountingAudit | None = None
    pipeline: Pipeline | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://localhost:{self.port}"

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"


def build(
    database: Database, directory: Path, settings: RegistrySettings
) -> tuple[Pipeline, RegistryParts, EventBus, CountingAudit]:
    """The registry with the pipeline in front, as the composition root builds it, with test callers."""
    events = EventBus(JobQueue(), JobHandlers())
    audit = CountingAudit()
    parts = create_registry(
        settings=settings,
        database=database,
        store=LocalBlobStore(directory / "blobs"),
        events=events,
        authorizer=RuleAuthorizer(),
        authenticator=NameAuthenticator(),
        audit=audit,
    )
    pipeline = Pipeline([parts.plane, token_plane(), health_plane({})], HostRules(), log_requests=False)
    return pipeline, parts, events, audit


def fast_settings(**changes: Any) -> RegistrySettings:
    return replace(RegistrySettings(), **{"gate_wait": 0.6, **changes})


@contextmanager
def serving(
    database: Database, directory: Path, *, tls: TlsFiles | None = None, settings: RegistrySettings | None = None
) -> Iterator[Running]:
    """A registry in a thread of this process."""
    pipeline, parts, events, audit = build(database, directory, settings or fast_settings())
    ready = threading.Event()
    server = Server(pipeline, port=0, tls=tls, drain=3.0, started=ready.set)
    server.bind()
    running = Running(server.port, tls is not None, None, parts, database, events, audit, pipeline)
    thread = threading.Thread(target=server.run, name="test-server")
    thread.start()
    try:
        assert ready.wait(10)
        yield running
    finally:
        server.stop()
        thread.join(15)
        assert not thread.is_alive()


@contextmanager
def process(directory: Path, *, tls: TlsFiles | None = None, **settings: Any) -> Iterator[Running]:
    """A registry in a process of its own; ended at the end, however the test ends."""
    running = start(directory, tls=tls, **settings)
    try:
        yield running
    finally:
        assert running.process is not None
        running.process.send_signal(signal.SIGTERM)
        try:
            running.process.wait(15)
        except subprocess.TimeoutExpired:
            running.process.kill()
            running.process.wait()
        if running.process.stdout is not None:
            running.process.stdout.close()


def start(directory: Path, *, tls: TlsFiles | None = None, port: int = 0, **settings: Any) -> Running:
    given = {"directory": str(directory), "port": port, "settings": settings}
    if tls is not None:
        given |= {"certificate": str(tls.certificate), "key": str(tls.key)}
    repository = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.registry.serving", json.dumps(given)],
        stdout=subprocess.PIPE, cwd=repository, env=os.environ | {"PYTHONPATH": str(repository)},
    )  # fmt: skip
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        msg = f"the server did not start, exit {child.wait()}"
        raise RuntimeError(msg)
    return Running(int(line), tls is not None, child)


def _main(text: str) -> None:
    given = json.loads(text)
    directory = Path(given["directory"])
    directory.mkdir(parents=True, exist_ok=True)
    database = open_database(f"sqlite:///{directory}/pratique.db", hints_directory=directory / "hints")
    create_schema(database)
    settings = replace(RegistrySettings(), **given["settings"])
    pipeline, *_ = build(database, directory, settings)
    tls = TlsFiles(Path(given["certificate"]), Path(given["key"])) if "key" in given else None
    server = Server(pipeline, port=given["port"], tls=tls, drain=3.0)
    server.bind()
    print(server.port, flush=True)
    server.run()
    database.close()


if __name__ == "__main__":
    _main(sys.argv[1])
    time.sleep(0)
