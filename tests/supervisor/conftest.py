import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.supervisor.waiting import gone

from pratique.supervisor.runfiles import RunFiles

HERE = Path(__file__).parent


class Installation:
    """An installation in a folder of its own that runs the small application."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.files = RunFiles(directory)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PYTHONPATH": str(HERE),
            "PRATIQUE_APPLICATION": "small_application",
            "PRATIQUE_DATA__DIRECTORY": str(directory),
            "PRATIQUE_SERVER__PORT": str(self.port),
            "PRATIQUE_SERVER__DRAIN": "1",
        }

    def run(self, *words: str, expect: int = 0) -> str:
        command = [sys.executable, "-m", "pratique", *words]
        done = subprocess.run(
            command, env=self.environment, cwd="/", capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def processes(self) -> dict[str, int]:
        status = self.files.read_status()
        found = {entry["name"]: entry["pid"] for entry in status["processes"] if entry["pid"]}
        return {"supervisor": status["pid"], **found}

    def report(self) -> dict[str, Any]:
        command = [sys.executable, "-m", "pratique", "ps", "--output", "json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        return json.loads(done.stdout)

    def notes(self, what: str) -> list[str]:
        file = self.directory / "notes"
        return [line for line in file.read_text().splitlines() if line.split()[0] == what] if file.exists() else []

    def end(self) -> None:
        holder = self.files.holder()
        pids = list(self.processes().values()) if holder else []
        if holder:
            os.kill(int(holder["pid"]), signal.SIGKILL)
        assert gone(pids)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    made = Installation(directory)
    yield made
    made.end()
    shutil.rmtree(directory)
