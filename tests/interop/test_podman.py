"""podman signs in, pushes and pulls over TLS, and prints what the registry says."""

import ssl
import threading
from pathlib import Path

from tests.interop.clients import Podman
from tests.interop.layouts import write_layout
from tests.registry.clients import Client
from tests.registry.conftest import Judge
from tests.registry.images import CONFIG, artifact, image, layer
from tests.registry.serving import Running

from pratique.core.http.server import TlsFiles

NAME = "team/app"


def test_login_push_and_pull(podman: Podman, registry: Running, judge: Judge, tmp_path: Path) -> None:
    made = image(b"podman was here")
    name = f"{registry.host}/{NAME}:v1"
    layout = write_layout(tmp_path / "layout", made)
    loaded = podman.load(layout, name)
    assert loaded.code == 0, loaded.err
    signed_in = podman.login(registry.host, "pusher", "pusher")
    assert signed_in.code == 0, signed_in.err
    pushed = podman.push(name, "--digestfile", str(tmp_path / "digest"))
    assert pushed.code == 0, pushed.err
    digest = (tmp_path / "digest").read_text().strip()
    assert podman.login(registry.host, "reader", "reader").code == 0
    timer = threading.Timer(0.3, judge.open, (NAME, digest))
    timer.start()
    pulled = podman.pull(name)
    timer.join()
    assert pulled.code == 0, pulled.err


def test_missing_right_and_refusal_are_printed(podman: Podman, registry: Running, judge: Judge, tmp_path: Path) -> None:
    made = image(b"podman was refused")
    name = f"{registry.host}/{NAME}:v1"
    assert podman.load(write_layout(tmp_path / "layout", made), name).code == 0
    assert podman.login(registry.host, "reader", "reader").code == 0
    pushed = podman.push(name)
    assert pushed.code != 0
    assert "principal reader lacks registry/content/write at /registry/team/app" in pushed.err
    assert podman.login(registry.host, "pusher", "pusher").code == 0
    assert podman.push(name, "--digestfile", str(tmp_path / "digest")).code == 0
    judge.refuse(NAME, (tmp_path / "digest").read_text().strip())
    assert podman.login(registry.host, "reader", "reader").code == 0
    pulled = podman.pull(name)
    assert pulled.code != 0
    assert "refused: CVE-2024-0001 in openssl 3.0.11 (critical)" in pulled.err
    assert "update openssl to 3.0.17" in pulled.err


def test_what_podman_runs_from_an_empty_config_is_gated(
    podman: Podman, registry: Running, certificate: TlsFiles
) -> None:
    chart = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    hidden = artifact(b"{}", CONFIG, [(layer(b"#!/bin/true\n", "bin/sh"), chart)])
    trusting = ssl.create_default_context(cafile=str(certificate.certificate))
    with Client(registry.url, "pusher", verify=trusting) as pusher:
        pushed = pusher.push(NAME, hidden, "chart")
    assert "held" in pushed.headers["warning"]
    # Its pusher may pull it, and podman makes a container of it: were it no image, it would be open to everybody.
    name = f"{registry.host}/{NAME}:chart"
    assert podman.login(registry.host, "pusher", "pusher").code == 0
    assert podman.pull(name).code == 0
    made = podman("create", name, "/bin/sh")
    assert made.code == 0, made.err
