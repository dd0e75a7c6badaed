"""Every engine of the blob store. The S3 service is moto, a mock of Amazon's; a real one follows in the interop tier."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pratique.core.blobs import BlobStore
from pratique.core.blobs.local import LocalBlobStore
from pratique.core.blobs.objects import ObjectBlobStore
from pratique.core.blobs.sealed import SealedBlobStore


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    moto = pytest.importorskip("moto.server", reason="moto is not installed") if "CI" not in os.environ else _moto()
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def _moto() -> Any:
    import moto.server

    return moto.server


class BlobKeys:
    """Keys of an installation, and what the key process does with them."""

    def __init__(self, installation: str = "018f0000-0000-7000-8000-000000000001") -> None:
        self._installation = installation
        self._keys = {"first": b"1" * 32}
        self.newest = "first"

    def installation(self) -> str:
        return self._installation

    def data_key(self, name: str, key_id: str = "") -> tuple[str, bytes]:
        assert name == "blobs"
        return key_id or self.newest, self._keys[key_id or self.newest]

    def rotate(self, key_id: str) -> None:
        self._keys[key_id] = os.urandom(32)
        self.newest = key_id


@pytest.fixture
def keys() -> BlobKeys:
    return BlobKeys()


@pytest.fixture(params=["local", "s3", "local-sealed", "s3-sealed", "local-turned-off"])
def connect(request: pytest.FixtureRequest, tmp_path: Path, keys: BlobKeys) -> Callable[[], BlobStore]:
    """Opens the same storage, each time as another process would."""
    engine, _, sealed = request.param.partition("-")
    inner = _engine(engine, request, tmp_path)
    if not sealed:
        return inner
    return lambda: SealedBlobStore(inner(), keys, writes=sealed == "sealed")


def _engine(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], BlobStore]:
    if engine == "local":
        return lambda: LocalBlobStore(tmp_path / "blobs")
    endpoint = request.getfixturevalue("s3_endpoint")
    bucket = f"bucket-{tmp_path.name.lower().replace('_', '-')[:40].strip('-')}"
    _make_bucket(endpoint, bucket)
    return lambda: ObjectBlobStore.connect(
        bucket=bucket, endpoint=endpoint, access_key="test", secret_key="test", prefix="pratique/", allow_http=True
    )


def _make_bucket(endpoint: str, bucket: str) -> None:
    import httpx2

    httpx2.put(
        f"{endpoint}/{bucket}",
        headers={"authorization": "AWS4-HMAC-SHA256 Credential=test/x/us-east-1/s3/aws4_request"},
    )


@pytest.fixture
def store(connect: Callable[[], BlobStore]) -> BlobStore:
    return connect()
