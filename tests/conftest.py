"""Fixtures for every test: engines, clock, state folder. Tests reach no network but this machine's own loopback."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pratique.migrations.tables  # noqa: F401  every test sees every table
from pratique.core.clock import FakeClock
from pratique.core.database import Database, create_schema, open_database
from tests.postgresql import Cluster, find_binaries

LOOPBACK = ("127.", "::1", "localhost", "::ffff:127.")


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Refuse every connection that is neither loopback nor a unix socket."""
    original = socket.socket.connect, socket.socket.connect_ex
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name and not name.startswith(LOOPBACK) and not name.replace(".", "").isdigit() and ":" not in name:
            raise socket.gaierror(socket.EAI_NONAME, f"a test tried to find {name}")
        return resolve(host, *arguments, **options)

    def check(own: socket.socket, address: Any) -> None:
        if own.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(LOOPBACK):
            raise PermissionError(f"a test tried to reach {address[0]}")

    def connect(own: socket.socket, address: Any) -> None:
        check(own, address)
        original[0](own, address)

    def connect_ex(own: socket.socket, address: Any) -> int:
        check(own, address)
        return original[1](own, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect_ex)
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A private state folder, as the product would make it."""
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture(scope="session")
def postgresql_cluster() -> Iterator[Cluster]:
    """A private PostgreSQL server for this run; where none is installed, the test is skipped (never in CI)."""
    binaries = find_binaries()
    if binaries is None:
        message = "PostgreSQL is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    cluster = Cluster(binaries)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with every table, made once: creating them again for each test would cost more than most tests."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    template = open_database(f"sqlite:///{path}")
    create_schema(template)
    template.close()
    return path


@pytest.fixture
def sqlite_url(state_dir: Path, sqlite_template: Path) -> str:
    """The address of a fresh SQLite database that has every table."""
    shutil.copyfile(sqlite_template, state_dir / "pratique.db")
    return f"sqlite:///{state_dir}/pratique.db"


@pytest.fixture
def postgresql_url(postgresql_cluster: Cluster) -> Iterator[str]:
    """The address of a fresh PostgreSQL database that has every table."""
    name = postgresql_cluster.create_database()
    yield postgresql_cluster.url(name)
    postgresql_cluster.drop_database(name)


@pytest.fixture
def sqlite_database(sqlite_url: str, clock: FakeClock, state_dir: Path) -> Iterator[Database]:
    """A fresh SQLite database with every table."""
    database = open_database(sqlite_url, clock=clock, hints_directory=state_dir / "hints")
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a fresh database on each engine, with every table."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str, clock: FakeClock, state_dir: Path) -> Iterator[Database]:
    """A fresh database on each engine, with every table."""
    opened = open_database(database_url, clock=clock, hints_directory=state_dir / "hints")
    yield opened
    opened.close()
