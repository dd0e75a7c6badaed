"""Encryption at rest on a real server: pushed, read by the scanner, pulled, re-keyed; nothing readable on the disk."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Installation, start
from tests.e2e.wire import Wire, image_of

NAME = "team/app"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = start(tmp_path_factory.mktemp("encrypted"), PRATIQUE_BLOBS__ENCRYPT="true")
    yield made
    made.run("down")


def stored(server: Installation) -> bytes:
    return b"".join(path.read_bytes() for path in (server.state / "blobs").rglob("*") if path.is_file())


def test_an_encrypted_image_is_scanned_pulled_and_rekeyed(server: Installation, tmp_path: Path) -> None:
    image = image_of(random.randbytes(2_000_000))
    with Wire(server, server.account("pusher", "AcrPush", "/registry/team/")) as wire:
        wire.push(NAME, image, "v1")
    assert server.status(f"{NAME}:v1")["state"] == "open"
    bytes_on_disk = stored(server)
    for content in image.blobs.values():
        assert content[:64] not in bytes_on_disk
    found = json.loads(server.ok("encryption", "status", "-o", "json"))
    assert (found["plain_segments"], found["sealed_segments"]) == (0, len(image.blobs))
    login = server.account("reader", "AcrPull", "/registry/team/")
    target = f"dir:{tmp_path / 'pulled'}"
    source = ["--src-creds", login, f"docker://{server.host}/{NAME}:v1"]
    assert server.skopeo("copy", *source, target).returncode == 0
    for digest, content in image.blobs.items():
        assert (tmp_path / "pulled" / digest.removeprefix("sha256:")).read_bytes() == content
    before = stored(server)
    assert "Done." in server.ok("encryption", "rewrite", "--new-key", "--wait")
    after = json.loads(server.ok("encryption", "status", "-o", "json"))
    assert after["by_key"].keys() != found["by_key"].keys()
    assert stored(server) == before
    again = f"dir:{tmp_path / 'again'}"
    assert server.skopeo("copy", *source, again).returncode == 0
