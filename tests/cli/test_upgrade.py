import os
import subprocess
import sys
from pathlib import Path

import pytest

from pratique.core.settings import load
from pratique.supervisor.runfiles import RunFiles


def pratique(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(state), "PRATIQUE_DATA__DIRECTORY": str(state)}
    command = [sys.executable, "-m", "pratique", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


def test_check_says_what_is_missing_and_changes_nothing(state: Path) -> None:
    done = pratique(state, "upgrade", "--check")
    assert done.returncode == 1
    assert "revisions are missing" in done.stdout
    assert list(state.iterdir()) == []


def test_an_upgrade_can_be_repeated(state: Path) -> None:
    assert pratique(state, "upgrade").returncode == 0
    assert Path(load(environ={"PRATIQUE_DATA__DIRECTORY": str(state)}).data.directory / "pratique.db").exists()
    assert pratique(state, "upgrade", "--check").returncode == 0
    assert "up to date" in pratique(state, "upgrade").stdout


def test_nothing_is_changed_below_a_running_server(state: Path) -> None:
    files = RunFiles(state)
    files.create()
    lock = files.acquire({"pid": os.getpid()})
    assert lock is not None
    try:
        done = pratique(state, "upgrade")
    finally:
        os.close(lock)
    assert done.returncode == 3
    assert "the server is running" in done.stderr
    assert "pratique down" in done.stderr
