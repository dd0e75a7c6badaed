from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.http.serving import Running, serving
from tests.registry.tls import make_certificate

from pratique.core.http.server import TlsFiles


@pytest.fixture
def certificate(tmp_path: Path) -> TlsFiles:
    return make_certificate(tmp_path)


@pytest.fixture
def plain() -> Iterator[Running]:
    with serving() as running:
        yield running


@pytest.fixture
def secure(certificate: TlsFiles) -> Iterator[Running]:
    with serving(tls=certificate) as running:
        yield running
