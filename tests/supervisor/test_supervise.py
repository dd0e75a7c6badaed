import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
from tests.supervisor.waiting import gone, until

from pratique.supervisor.launch import Launch


def living(installation: Any, *names: str, but: int = 0) -> Any:
    """Wait until these processes live, none of them the one that was ended, and return all."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        found = installation.processes()
        if all(found.get(name, but) != but for name in names) and installation.report()["ready"]:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{names} do not all live: {installation.processes()}")


ALL = ("supervisor", "keys", "fork", "api", "worker")


def test_up_returns_when_the_server_is_ready_and_says_where_it_is(installation: Any) -> None:
    text = installation.run("up")
    assert "ready after" in text
    assert f"https://localhost:{installation.port}" in text
    assert str(installation.directory) in text
    assert set(living(installation, *ALL)) == set(ALL)


def test_up_again_leaves_the_server_alone(installation: Any) -> None:
    installation.run("up")
    before = installation.processes()
    assert "runs already" in installation.run("up")
    assert installation.processes() == before


def test_up_with_other_settings_replaces_the_server(installation: Any) -> None:
    installation.run("up")
    before = installation.processes()
    installation.environment["PRATIQUE_SERVER__DOMAIN"] = "pratique.test"
    assert "ready after" in installation.run("up")
    assert gone(list(before.values()))
    assert not set(before.values()) & set(installation.processes().values())


def test_a_server_is_found_at_its_port_from_a_shell_that_knows_another(installation: Any) -> None:
    installation.run("up")
    installation.environment["PRATIQUE_SERVER__PORT"] = "1"
    assert "running, ready" in installation.run("ps")
    assert installation.files.port() == installation.port


def test_down_ends_every_process_and_can_be_repeated(installation: Any) -> None:
    installation.run("up")
    pids = list(installation.processes().values())
    assert "has stopped" in installation.run("down")
    assert gone(pids, 1)
    assert "was not running" in installation.run("down")
    text = installation.run("ps", expect=1)
    assert "Pratique is stopped. Start it:" in text
    assert text.splitlines()[0].endswith(" up")


@pytest.mark.parametrize("name", ["keys", "fork", "api", "worker"])
def test_a_killed_process_is_started_again(installation: Any, name: str) -> None:
    installation.run("up")
    before = installation.processes()
    os.kill(before[name], signal.SIGKILL)
    assert gone([before[name]])
    after = living(installation, *ALL, but=before[name])
    assert after["supervisor"] == before["supervisor"]


def test_no_process_outlives_a_killed_supervisor_and_up_works_again(installation: Any) -> None:
    installation.run("up")
    before = installation.processes()
    os.kill(before["supervisor"], signal.SIGKILL)
    assert gone(list(before.values()))
    assert "is stopped" in installation.run("ps", expect=1)
    assert "ready after" in installation.run("up")


def test_everything_killed_at_once_starts_cleanly(installation: Any) -> None:
    installation.run("up")
    before = installation.processes()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    assert gone(list(before.values()))
    installation.run("up")
    assert set(living(installation, *ALL)) == set(ALL)


def test_a_taken_port_is_reported_with_its_holder_and_a_way_out(installation: Any) -> None:
    with socket.create_server(("127.0.0.1", installation.port)):
        text = installation.run("up", expect=3)
    assert f"port {installation.port} is held by" in text
    assert f"process {os.getpid()}" in text
    assert "PRATIQUE_SERVER__PORT=" in text


def test_what_prepare_refuses_is_what_up_says(installation: Any) -> None:
    (installation.directory / "refuse").touch()
    text = installation.run("up", expect=3)
    assert "the database is of a newer version" in text
    assert "install that version" in text
    assert "Traceback" not in text
    assert "is stopped" in installation.run("ps", expect=1)


def test_a_process_that_ends_again_and_again_is_reported_with_its_reason(installation: Any) -> None:
    (installation.directory / "faulty").touch()
    text = installation.run("up", expect=3)
    assert "worker failed: ZeroDivisionError: one by nought" in text
    assert "worker.log" in text
    (installation.directory / "faulty").unlink()
    living(installation, *ALL)  # the tries go on, and succeed once the fault is gone


def test_a_worker_that_does_not_stop_is_killed_after_the_drain(installation: Any) -> None:
    (installation.directory / "stubborn").touch()
    installation.run("up")
    pids = list(installation.processes().values())
    start = time.monotonic()
    installation.run("down")
    assert time.monotonic() - start < 8
    assert gone(pids, 1)


def test_hangup_reaches_the_api_only(installation: Any) -> None:
    installation.run("up")
    before = installation.processes()
    os.kill(before["supervisor"], signal.SIGHUP)
    assert until(lambda: installation.notes("reload"))
    assert installation.processes() == before


def test_a_certificate_that_was_renewed_while_it_ran_is_taken(installation: Any) -> None:
    launch = Launch(installation.directory, "x", "x", drain=1.0, refresh=0.3)
    command = [sys.executable, "-m", "pratique.supervisor", *launch.words()]
    process = subprocess.Popen(command, env=installation.environment, stderr=subprocess.DEVNULL)
    try:
        assert until(lambda: len(installation.notes("prepare")) > 2)
        assert not installation.notes("reload")
        (installation.directory / "renew").touch()
        assert until(lambda: installation.notes("reload"))
        assert len(installation.notes("serve")) == 1
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_a_second_supervisor_refuses_the_same_folder(installation: Any) -> None:
    installation.run("up")
    before = installation.processes()
    command = [sys.executable, "-m", "pratique.supervisor", *Launch(installation.directory, "x", "x").words()]
    done = subprocess.run(command, env=installation.environment, capture_output=True, timeout=30, check=False)
    assert done.returncode == 3
    assert installation.processes() == before


def test_the_foreground_prints_the_logs_and_stops_on_interrupt(installation: Any) -> None:
    command = [sys.executable, "-m", "pratique", "up", "--foreground"]
    process = subprocess.Popen(command, env=installation.environment, stderr=subprocess.PIPE, text=True)
    try:
        assert until(installation.files.holder)
        installation.run("up")  # returns when the one in the foreground is ready
        pids = list(installation.processes().values())
        assert process.pid in pids
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "keys: " in text
    assert gone(pids, 1)


def test_files_of_an_installation_are_for_its_owner_alone(installation: Any) -> None:
    installation.run("up")
    for path in installation.directory.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_supervisor_itself_stays_small(installation: Any) -> None:
    installation.run("up")
    memory = {process["name"]: process["memory"] for process in installation.report()["processes"]}
    assert memory["supervisor"] < 15 * 1024**2


def test_an_application_that_cannot_be_imported_is_reported_with_the_end_of_its_log(installation: Any) -> None:
    installation.environment["PRATIQUE_APPLICATION"] = "an_application_that_is_not_there"
    text = installation.run("up", expect=3)
    assert "ends again and again; the last lines of" in text
    assert "No module named 'an_application_that_is_not_there'" in text
    assert f"{installation.files.logs}/" in text
