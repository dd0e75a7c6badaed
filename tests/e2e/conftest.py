"""The real product in a state folder of its own: `pratique up` on a free port, real clients, real packages."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "pratique-tests" / "demo"


@dataclass(frozen=True)
class Installation:
    """A server that runs, and its command line."""

    state: Path
    port: int
    clients: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a user of this installation; nothing of the machine's own settings gets in."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PRATIQUE_")}
        return {
            **kept,
            "PRATIQUE_DATA__DIRECTORY": str(self.state),
            "PRATIQUE_SERVER__PORT": str(self.port),
            "PRATIQUE_REGISTRY__GATE_WAIT": "20",
            "XDG_RUNTIME_DIR": str(self.clients),
            "REGISTRY_AUTH_FILE": str(self.clients / "auth.json"),
            **self.settings,
        }

    def run(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run a command of the product; the caller looks at the code."""
        command = [sys.executable, "-m", "pratique", *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )

    def ok(self, *arguments: str, timeout: float = 240) -> str:
        """Run a command that must succeed and return what it printed."""
        done = self.run(*arguments, timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self, image: str) -> dict[str, Any]:
        """How an image stands, once it is settled."""
        done = self.run("status", image, "--wait", "--output", "json")
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def status_code(self, image: str) -> int:
        return self.run("status", image).returncode

    def skopeo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run skopeo with trust in this installation on the side that names it."""
        side = "--dest-cert-dir" if arguments[-1].startswith("docker://") else "--src-cert-dir"
        side = "--cert-dir" if arguments[0] == "delete" else side
        command = ["skopeo", arguments[0], side, str(self.clients / "certs"), *arguments[1:]]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=240, check=False)

    def account(self, name: str, role: str, scope: str) -> str:
        """Create a service principal and return `name:secret` as skopeo takes it."""
        printed = self.ok("principal", "create", name, "--role", role, "--scope", scope, "--show-secret", "-o", "json")
        return f"{name}:{json.loads(printed)['secret']['value']}"


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One server for all tests of this folder; each uses repositories of its own."""
    made = start(tmp_path_factory.mktemp("e2e"))
    yield made
    made.run("down")


@pytest.fixture
def own_installation(tmp_path: Path) -> Iterator[Installation]:
    """A server for a test that ends processes."""
    made = start(tmp_path)
    yield made
    made.run("down")


def start(folder: Path, **settings: str) -> Installation:
    """Start a server below `folder`; `settings` are environment variables."""
    clients = folder / "clients"
    (clients / "certs").mkdir(parents=True)
    made = Installation(folder / "state", free_port(), clients, settings)
    try:
        made.ok("up")
    except BaseException:
        made.run("down")
        raise
    shutil.copy(made.state / "tls" / "ca.pem", clients / "certs" / "ca.crt")
    return made


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def demo_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's images as an OCI layout; packages are fetched once for all runs on this machine."""
    folder = tmp_path_factory.mktemp("demo-state")
    _share_downloads(folder)
    environment = {**os.environ, "PRATIQUE_DATA__DIRECTORY": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "pratique", "demo", "--build-only"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0 and ("cannot fetch" in done.stderr or "could not fetch" in done.stderr):
        pytest.skip("no Debian mirror can be reached, and none was before")
    assert done.returncode == 0, done.stderr
    return folder / "demo" / "layout"


def _share_downloads(state: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    (state / "demo").mkdir(parents=True)
    (state / "demo" / "downloads").symlink_to(CACHE)


def with_downloads(made: Installation) -> None:
    """Let `pratique demo` of this installation find what was fetched before."""
    folder = made.state / "demo"
    if not folder.exists():
        _share_downloads(made.state)


@pytest.fixture(scope="session")
def skopeo() -> None:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
