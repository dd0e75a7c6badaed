"""The cache before real registries: Debian's docker-registry, and another installation of this product."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.e2e.conftest import Installation, free_port, start
from tests.e2e.wire import Wire, image_of
from tests.registry.clients import Client
from tests.registry.images import Artifact
from tests.tls_server import Authority

NAME = "team/app"


@contextmanager
def docker_registry(folder: Path, authority: Authority) -> Iterator[str]:
    """Debian's registry over TLS; yields its host."""
    certificate, key = authority.issue("127.0.0.1")
    port = free_port()
    config = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", "tls": {"certificate": str(certificate), "key": str(key)}},
    }
    (folder / "config.yml").write_text(json.dumps(config))
    process = subprocess.Popen(
        ["docker-registry", "serve", str(folder / "config.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
    )
    host = f"127.0.0.1:{port}"
    try:
        context = ssl.create_default_context(cafile=str(authority.path))
        for _ in range(100):
            try:
                httpx2.get(f"https://{host}/v2/", verify=context)
                break
            except httpx2.TransportError:
                time.sleep(0.1)
        yield host
    finally:
        process.terminate()
        process.wait(10)


def pull(server: Installation, login: str, reference: str, target: Path) -> subprocess.CompletedProcess[str]:
    shutil.rmtree(target, ignore_errors=True)
    return server.skopeo("copy", "--src-creds", login, f"docker://{server.host}/{reference}", f"dir:{target}")


def insist(server: Installation, login: str, reference: str, target: Path) -> None:
    """Pull as a script does that was told to come back."""
    for _ in range(5):
        done = pull(server, login, reference, target)
        if done.returncode == 0:
            return
        assert "held" in done.stderr, done.stderr
    raise AssertionError(done.stderr)


def same(target: Path, image: Artifact) -> bool:
    return all(
        (target / digest.removeprefix("sha256:")).read_bytes() == content for digest, content in image.blobs.items()
    )


def test_pulls_through_real_registries(tmp_path: Path, skopeo: None) -> None:
    if shutil.which("docker-registry") is None:
        pytest.skip("docker-registry is not installed")
    authority = Authority(tmp_path)
    image, other = image_of(b"from docker-registry" * 1000), image_of(b"from another installation" * 1000)
    there = start(tmp_path / "there")
    try:
        with Wire(there, there.account("pusher", "AcrPush", "/registry/team/")) as wire:
            wire.push(NAME, other, "v1")
        assert there.status(f"{NAME}:v1")["state"] == "open"
        login_there = there.account("cache", "AcrPull", "/registry/team/")
        both = tmp_path / "both.pem"
        both.write_bytes(authority.path.read_bytes() + (there.state / "tls" / "ca.pem").read_bytes())
        here = start(tmp_path / "here", PRATIQUE_OUTWARD__PRIVATE="127.0.0.1,localhost", PRATIQUE_OUTWARD__CA=str(both))
        try:
            _check(here, there, login_there, authority, tmp_path, image, other)
        finally:
            here.run("down")
    finally:
        there.run("down")


def _check(  # noqa: PLR0917
    here: Installation,
    there: Installation,
    login_there: str,
    authority: Authority,
    folder: Path,
    image: Artifact,
    other: Artifact,
) -> None:
    login = here.account("reader", "AcrPull", "/registry/")
    target = folder / "pulled"
    with docker_registry(folder, authority) as host:
        context = ssl.create_default_context(cafile=str(authority.path))
        with Client(f"https://{host}", verify=context) as client:
            for digest, content in image.blobs.items():
                place = client.http.post(f"/v2/{NAME}/blobs/uploads/").headers["location"]
                assert client.http.put(f"{place}&digest={digest}", content=content).status_code == 201
            assert client.put_manifest(NAME, image, "v1").status_code == 201
        here.ok("cache", "create", "hub", host, "--ttl", "1s")
        insist(here, login, f"hub/{NAME}:v1", target)
        assert same(target, image)
        done = json.loads(here.ok("import", f"{host}/{NAME}:v1", "team/copy:v1", "-o", "json"))
        assert (done["state"], done["digest"]) == ("done", image.digest)
        assert here.status("team/copy:v1")["state"] == "open"
    time.sleep(1.1)
    assert pull(here, login, f"hub/{NAME}:v1", target).returncode == 0
    assert same(target, image)
    user, _, secret = login_there.partition(":")
    _create_with_secret(here, there.host, user, secret)
    insist(here, login, "friend/app:v1", target)
    assert same(target, other)


def _create_with_secret(here: Installation, host: str, user: str, secret: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pratique", "cache", "create", "friend", f"{host}/team", "--user", user],
        env=here.environment,
        input=secret + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    listed = here.ok("cache", "list", "-o", "json")
    assert secret not in listed
    assert user in listed
