"""Two API processes and two workers over PostgreSQL and an S3-compatible store; one of each is killed under load."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from pratique.core.database import Database, open_database
from tests.e2e.conftest import Installation, free_port
from tests.e2e.wire import image_of
from tests.interop.layouts import write_layout
from tests.postgresql import Cluster
from tests.registry.images import Artifact

IMAGES = 8
PUSHERS = 4
BUCKET = "pratique-scaled-out"


@dataclass
class Machines:
    """The processes of one installation, as several machines would run them."""

    environment: dict[str, str]
    folder: Path
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, *words: str, **settings: str) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        command = [sys.executable, "-m", *words]
        environment = {**self.environment, **settings}
        self.processes[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        log.close()

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait(10)

    def stop(self) -> None:
        for name in sorted(self.processes, key=lambda name: name == "keys"):
            process = self.processes[name]
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def logs(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in sorted(self.folder.glob("*.log")))


@pytest.fixture
def bucket() -> Iterator[str]:
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    credential = "AWS4-HMAC-SHA256 Credential=test/x/us-east-1/s3/aws4_request"
    httpx2.put(f"{endpoint}/{BUCKET}", headers={"authorization": credential})
    yield endpoint
    server.stop()


@dataclass
class Site:
    """Two servers as clients see them, and what keeps their records."""

    servers: tuple[Installation, Installation]
    machines: Machines
    database: Database


@pytest.fixture
def site(tmp_path: Path, postgresql_cluster: Cluster, bucket: str) -> Iterator[Site]:
    url = postgresql_cluster.url(postgresql_cluster.create_empty_database())
    clients = tmp_path / "clients"
    (clients / "certs").mkdir(parents=True)
    settings = {
        "PRATIQUE_DATABASE__URL": url,
        "PRATIQUE_BLOBS__STORE": "s3",
        "PRATIQUE_BLOBS__BUCKET": BUCKET,
        "PRATIQUE_BLOBS__ENDPOINT": bucket,
        "PRATIQUE_BLOBS__ACCESS_KEY": "test",
        "PRATIQUE_BLOBS__SECRET_KEY": "test",
        "PRATIQUE_JOBS__LEASE": "4",
    }
    servers = tuple(Installation(tmp_path / "state", free_port(), clients, settings) for _ in range(2))
    (tmp_path / "logs").mkdir()
    machines = Machines(servers[0].environment, tmp_path / "logs")
    with ExitStack() as stack:
        stack.callback(machines.stop)
        machines.start("keys", "pratique.core.keys.process", "--state", str(tmp_path / "state"))
        prepare = "from pratique.supervisor.processes import prepare; prepare()"
        subprocess.run([sys.executable, "-c", prepare], env=machines.environment, check=True, timeout=120)
        for number, server in enumerate(servers):
            machines.start(f"api-{number}", "pratique", "serve", PRATIQUE_SERVER__PORT=str(server.port))
            machines.start(f"worker-{number}", "pratique", "worker")
        ca = (tmp_path / "state" / "tls" / "ca.pem").read_bytes()
        (clients / "certs" / "ca.crt").write_bytes(ca)
        for server in servers:
            until(lambda server=server: _is_ready(server), machines)  # type: ignore[misc]
        database = open_database(url)
        stack.callback(database.close)
        yield Site((servers[0], servers[1]), machines, database)


def _is_ready(server: Installation) -> bool:
    import ssl

    context = ssl.create_default_context(cafile=str(server.clients / "certs" / "ca.crt"))
    try:
        return httpx2.get(f"https://localhost:{server.port}/readyz", verify=context).status_code == 200
    except httpx2.TransportError:
        return False


def until(condition: Callable[[], Any], machines: Machines, seconds: float = 90.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, machines.logs()
        time.sleep(0.2)
    return found


def copy(server: Installation, login: str, source: str, target: str) -> bool:
    to_registry = target.startswith("docker://")
    return (
        server.skopeo("copy", "--dest-creds" if to_registry else "--src-creds", login, source, target).returncode == 0
    )


def test_one_of_each_is_killed_and_nothing_is_lost_or_done_twice(site: Site, tmp_path: Path, skopeo: None) -> None:
    first, second = site.servers
    login = first.account("pusher", "AcrPush", "/registry/")
    shared = os.urandom(200_000)
    images = [image_of(shared + random.randbytes(400_000)) for _ in range(IMAGES)]
    layouts = [write_layout(tmp_path / f"layout-{number}", image) for number, image in enumerate(images)]
    acknowledged: list[int] = []
    pushed_some = threading.Event()

    def push(numbers: range) -> None:
        for number in numbers:
            for attempt in range(20):  # a client behind a load balancer: the next attempt goes to the other server
                server = site.servers[(number + attempt) % 2]
                if copy(server, login, f"oci:{layouts[number]}", f"docker://{server.host}/team/app-{number}:v1"):
                    acknowledged.append(number)
                    break
            if len(acknowledged) >= 2:
                pushed_some.set()

    pushers = [threading.Thread(target=push, args=(range(n, IMAGES, PUSHERS),)) for n in range(PUSHERS)]
    for pusher in pushers:
        pusher.start()
    assert pushed_some.wait(90), site.machines.logs()
    site.machines.kill("api-0")
    site.machines.kill("worker-0")
    for pusher in pushers:
        pusher.join(180)
    assert sorted(acknowledged) == list(range(IMAGES)), site.machines.logs()
    for number, image in enumerate(images):
        _check_image(second, site, login, number, image, tmp_path)
    _check_work(site, images)


def _check_image(  # noqa: PLR0917
    server: Installation, site: Site, login: str, number: int, image: Artifact, folder: Path
) -> None:
    environment = {**server.environment, "PRATIQUE_SERVER__PORT": str(server.port)}
    command = [sys.executable, "-m", "pratique", "status", f"team/app-{number}:v1", "--wait", "-o", "json"]

    def is_open() -> bool:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        return bool(done.stdout) and json.loads(done.stdout)["state"] == "open"

    until(is_open, site.machines)
    target = folder / f"pulled-{number}"
    assert copy(server, login, f"docker://{server.host}/team/app-{number}:v1", f"dir:{target}")
    for digest, content in image.blobs.items():
        assert (target / digest.removeprefix("sha256:")).read_bytes() == content


def _check_work(site: Site, images: list[Artifact]) -> None:
    """Each gate opened once, each layer has one report, and no job was given up."""
    opened = sa.text("SELECT data FROM outward_events WHERE type = 'pratique.registry.gate.changed.v1'")
    rows = site.database.read(lambda tx: tx.execute(opened).scalars().all())
    changes = Counter(data["digest"] for data in map(json.loads, rows) if data["state"] == "open")
    assert changes == Counter(image.digest for image in images)
    dead = sa.text("SELECT kind, last_error FROM jobs WHERE state = 'dead'")
    assert site.database.read(lambda tx: tx.execute(dead).all()) == []
    tags = sa.text("SELECT count(*) FROM tags WHERE served_id IS NOT NULL")
    assert site.database.read(lambda tx: tx.execute(tags).scalar_one()) == IMAGES
