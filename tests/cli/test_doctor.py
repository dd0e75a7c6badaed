import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pratique.cli.diagnosis import CHECKS, Check, State
from pratique.cli.diagnosis.server import names, port, state_mode
from pratique.core.settings import Settings, with_directory


def doctor(state: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(state), "PRATIQUE_DATA__DIRECTORY": str(state), **variables}
    command = [sys.executable, "-m", "pratique", "doctor", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def taken() -> Callable[[], int]:
    listener = socket.create_server(("127.0.0.1", 0))
    yield lambda: int(listener.getsockname()[1])
    listener.close()


def test_every_check_answers_and_what_is_not_well_has_a_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    done = doctor(tmp_path, "--output", "json", PRATIQUE_SERVER__PORT="0")
    results = json.loads(done.stdout)
    assert [result["check"] for result in results] == [check.name for check in CHECKS]
    assert all(result["remedy"] for result in results if result["state"] != "ok")
    assert "could not be checked" not in done.stdout
    assert done.returncode == int(any(result["state"] == "fail" for result in results))


def test_a_port_that_is_taken_fails_with_its_holder(tmp_path: Path, taken: Callable[[], int]) -> None:
    settings = with_directory(tmp_path)
    result = port(replace(settings, server=replace(settings.server, port=taken())))
    assert result.state is State.FAIL
    assert f"process {os.getpid()}" in result.found
    assert "PRATIQUE_SERVER__PORT=" in result.remedy


def test_a_name_that_does_not_resolve_gets_its_line_for_the_hosts_file(tmp_path: Path) -> None:
    settings = with_directory(tmp_path)
    result = names(replace(settings, server=replace(settings.server, domain="pratique.invalid")))
    assert result.state is State.FAIL
    assert "127.0.0.1 pratique.invalid" in result.remedy


def test_a_state_folder_that_others_can_read_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert state_mode(with_directory(tmp_path)).remedy == f"chmod 700 {tmp_path}"


def test_a_check_that_breaks_is_a_warning_and_not_the_end() -> None:
    def broken(_settings: Settings) -> None:
        raise RuntimeError("no such table")

    result = Check("broken", broken).run(Settings())
    assert result.state is State.WARN
    assert "no such table" in result.found
