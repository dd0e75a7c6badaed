"""Every engine of the blob store. The S3 service is moto, a mock of Amazon's; a real one follows in the interop tier."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pratique.core.blobs import BlobStore
from pratique.core.blobs.local import LocalBlobStore
from pratique.core.blobs.objects import ObjectBlobStore


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


@pytest.fixture(params=["local", "s3"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], BlobStore]:
    """Opens the same storage, each time as another process would."""
    if request.param == "local":
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
