import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pratique.core.keys.client import Keys, connect_keys, local_keys, wait_for_keys
from pratique.core.keys.types import Role


@dataclass
class KeyProcess:
    state: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def folder(self) -> Path:
        return self.state / "keys"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pratique.core.keys.process", "--state", str(self.state)],
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )
        wait_for_keys(self.folder, Role.ADMIN, within=20)

    def stop(self, *, kill: bool = False) -> str:
        assert self.process is not None
        self.process.kill() if kill else self.process.terminate()
        _, errors = self.process.communicate(timeout=10)
        return errors.decode()


@pytest.fixture
def key_process(state_dir: Path) -> Iterator[KeyProcess]:
    running = KeyProcess(state_dir)
    running.start()
    yield running
    running.stop(kill=True)


@pytest.fixture(params=["local", "process"])
def keys_of(request: pytest.FixtureRequest, state_dir: Path) -> Iterator[dict[Role, Keys]]:
    """Clients of each role; over the process and within this one, so that both keep the same promises."""
    if request.param == "process":
        running = KeyProcess(state_dir)
        running.start()
        clients = {role: connect_keys(running.folder, role) for role in Role}
        yield clients
        for client in clients.values():
            client.close()
        running.stop()
        return
    from pratique.core.clock import SystemClock
    from pratique.core.keys.operations import Operations
    from pratique.core.keys.ring import SealedFile

    file = SealedFile(state_dir / "keys")
    operations = Operations(file, SystemClock())
    yield {role: Keys(lambda request, role=role: operations.perform(role, request)) for role in Role}
    file.close()


__all__ = ["local_keys"]
