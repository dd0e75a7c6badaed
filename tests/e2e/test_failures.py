"""Processes end at the worst moment, and images are broken: nothing is lost, nothing waits for ever."""

import gzip
import hashlib
import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Installation

pytestmark = pytest.mark.usefixtures("skopeo")


def processes(installation: Installation) -> dict[str, int]:
    found = json.loads(installation.ok("ps", "-o", "json"))
    return {item["name"]: item["pid"] for item in found["processes"] if item["pid"]}


def push(installation: Installation, layout: Path, name: str, target: str, account: str) -> str:
    source, destination = f"oci:{layout}:{name}", f"docker://{installation.host}/{target}"
    done = installation.skopeo("copy", "--dest-creds", account, source, destination)
    return "" if done.returncode == 0 else done.stderr


@pytest.fixture
def pusher(own_installation: Installation) -> str:
    return own_installation.account("pusher", "AcrPush", "/registry/team/")


def test_a_worker_that_is_killed_while_it_reads_leaves_no_image_waiting(
    own_installation: Installation, demo_layout: Path, pusher: str
) -> None:
    worker = processes(own_installation)["worker"]
    os.kill(worker, signal.SIGSTOP)
    assert not push(own_installation, demo_layout, "web-published", "team/app:1", pusher)
    os.kill(worker, signal.SIGCONT)
    time.sleep(0.3)
    os.kill(worker, signal.SIGKILL)
    assert own_installation.status("team/app:1")["state"] == "refused"
    assert processes(own_installation)["worker"] != worker


def test_everything_is_killed_and_starts_again_with_what_it_knew(
    own_installation: Installation, demo_layout: Path, pusher: str
) -> None:
    assert not push(own_installation, demo_layout, "web-repaired", "team/app:1", pusher)
    before = own_installation.status("team/app:1")
    assert not push(own_installation, demo_layout, "app-old", "team/app:2", pusher)
    for pid in processes(own_installation).values():
        _kill(pid)
    own_installation.ok("up")
    after = own_installation.status("team/app:1")
    assert (after["state"], after["decided_at"]) == ("open", before["decided_at"])
    assert own_installation.status("team/app:2")["state"] == "refused"


def test_an_image_with_a_truncated_layer_is_held_and_says_what_could_not_be_read(
    own_installation: Installation, pusher: str, tmp_path: Path
) -> None:
    whole = gzip.compress(os.urandom(200_000))
    layout = _layout(tmp_path / "broken", whole[: len(whole) // 2])
    assert not push(own_installation, layout, "x", "team/broken:1", pusher)
    found = own_installation.status("team/broken:1")
    assert (found["state"], found["class"]) == ("held", "not-assessable")
    assert own_installation.run("status", "team/broken:1").returncode == 6


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _layout(folder: Path, layer: bytes) -> Path:
    """An image of one layer, as an OCI layout that skopeo copies without looking into it."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(body: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(body).hexdigest()
        (blobs / digest).write_bytes(body)
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(body)}

    diff = f"sha256:{hashlib.sha256(b'unknown').hexdigest()}"
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "config.v1+json"),
        "layers": [put(layer, "layer.v1.tar+gzip")],
    }
    entry = put(json.dumps(manifest).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "x"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder
