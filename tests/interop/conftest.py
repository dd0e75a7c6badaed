"""A registry over TLS, and real clients that trust its certificate."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.clients import Podman, Skopeo
from tests.registry.conftest import Judge, live_database  # noqa: F401  a fixture
from tests.registry.serving import Running, serving
from tests.registry.tls import make_certificate

from pratique.core.database import Database
from pratique.core.http.server import TlsFiles
from pratique.core.settings.schema import Registry as RegistrySettings


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def registry(live_database: Database, state_dir: Path, certificate: TlsFiles) -> Iterator[Running]:  # noqa: F811
    with serving(live_database, state_dir, tls=certificate, settings=RegistrySettings()) as running:
        yield running


@pytest.fixture
def judge(registry: Running) -> Judge:
    return Judge(registry)


@pytest.fixture
def skopeo(tmp_path: Path, certificate: TlsFiles) -> Skopeo:
    return Skopeo(tmp_path / "skopeo", certificate.certificate)


@pytest.fixture
def podman(tmp_path: Path, certificate: TlsFiles) -> Iterator[Podman]:
    client = Podman(tmp_path / "podman", certificate.certificate)
    yield client
    client.close()
