"""The process itself: sockets, garbage, restarts, crashes, and what the operating system is told."""

import os
import socket
import stat
import threading
import time
from pathlib import Path

import pytest
from tests.core.keys.conftest import KeyProcess

from pratique.core.keys.client import connect_keys, local_keys
from pratique.core.keys.errors import KeysUnavailable, SealBroken
from pratique.core.keys.types import Role
from pratique.core.keys.wire import LIMIT, Request, frame


def open_socket(running: KeyProcess, role: str = "api") -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(running.folder / f"{role}.sock"))
    return connection


def test_sockets_and_files_are_for_this_account_alone(key_process: KeyProcess) -> None:
    assert stat.S_IMODE(key_process.folder.stat().st_mode) == 0o700
    for path in key_process.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        (LIMIT + 1).to_bytes(4, "big") + b"x",
        (5).to_bytes(4, "big") + b"\xc1\xc1\xc1\xc1\xc1",
        frame(Request("sign", "token")) * 2,
        (4000).to_bytes(4, "big") + b"\x91" * 4000,
    ],
)
def test_garbage_ends_its_connection_and_nothing_else(key_process: KeyProcess, garbage: bytes) -> None:
    client = connect_keys(key_process.folder, Role.API)
    with open_socket(key_process) as connection:
        connection.sendall(garbage)
        assert connection.recv(1024) == b""
    assert client.installation()
    client.close()


def test_an_unknown_operation_is_answered_with_an_error(key_process: KeyProcess) -> None:
    with open_socket(key_process) as connection:
        connection.sendall(frame(Request("export", "token")))
        assert b"no such operation" in connection.recv(4096)


def test_a_half_sent_question_does_not_hold_up_others(key_process: KeyProcess) -> None:
    client = connect_keys(key_process.folder, Role.API)
    with open_socket(key_process) as slow:
        slow.sendall(frame(Request("installation"))[:7])
        assert len(client.sign("token", b"m").value) == 64
    client.close()


def test_clients_go_on_after_a_restart(key_process: KeyProcess) -> None:
    client = connect_keys(key_process.folder, Role.API, patience=10)
    before = client.sign("token", b"m")
    key_process.stop(kill=True)
    restart = threading.Thread(target=key_process.start)
    restart.start()
    after = client.sign("token", b"m")
    restart.join()
    assert after.key_id == before.key_id
    client.close()


def test_without_the_process_a_client_says_so_soon(state_dir: Path) -> None:
    client = connect_keys(state_dir / "keys", Role.API, patience=0.2)
    began = time.monotonic()
    with pytest.raises(KeysUnavailable):
        client.sign("token", b"m")
    assert time.monotonic() - began < 5


def test_many_threads_share_a_client(key_process: KeyProcess) -> None:
    client = connect_keys(key_process.folder, Role.API)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.extend(client.sign("token", b"m").key_id for _ in range(20)))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 240
    assert len(set(found)) == 1
    client.close()


def test_a_long_state_path_is_no_obstacle(tmp_path: Path) -> None:
    running = KeyProcess(tmp_path / ("a" * 100) / ("b" * 60))
    running.start()
    try:
        client = connect_keys(running.folder, Role.API)
        assert client.installation()
        client.close()
    finally:
        running.stop()


def test_two_processes_never_hold_the_same_keys(key_process: KeyProcess) -> None:
    with pytest.raises(SealBroken, match="Another process"):
        local_keys(key_process.folder)


def test_a_graceful_stop_takes_its_sockets_away(key_process: KeyProcess) -> None:
    log = key_process.stop()
    assert '"event": "ready"' in log
    assert not list(key_process.folder.glob("*.sock"))


def test_the_process_writes_no_core_and_cannot_be_traced(key_process: KeyProcess) -> None:
    assert key_process.process is not None
    pid = key_process.process.pid
    limits = Path(f"/proc/{pid}/limits").read_text() if os.geteuid() == 0 else ""
    assert not limits or "Max core file size        0                    0" in limits
    # What is not dumpable belongs to root in /proc, whoever runs it.
    assert Path(f"/proc/{pid}/environ").stat().st_uid == 0


def test_the_process_stays_small(key_process: KeyProcess) -> None:
    client = connect_keys(key_process.folder, Role.API)
    client.sign("token", b"m")
    client.close()
    assert key_process.process is not None
    status = Path(f"/proc/{key_process.process.pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    assert int(resident.split()[1]) < 40_000


def test_a_successor_waits_for_the_one_that_is_ending(key_process: KeyProcess) -> None:
    successor = KeyProcess(key_process.state)
    ending = threading.Timer(0.5, key_process.stop, kwargs={"kill": True})
    ending.start()
    successor.start()
    ending.join()
    client = connect_keys(successor.folder, Role.API, patience=5)
    assert client.installation()
    client.close()
    successor.stop()


def test_the_unseal_key_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("PRATIQUE_KEYS__UNSEAL_FILE", str(tmp_path / "other" / "unseal.key"))
    running = KeyProcess(tmp_path / "state")
    running.start()
    running.stop()
    assert (tmp_path / "other" / "unseal.key").exists()
    assert not (running.folder / "unseal.key").exists()
    with pytest.raises(SealBroken, match="missing"):
        local_keys(running.folder)
    client = local_keys(running.folder, unseal_file=tmp_path / "other" / "unseal.key")
    assert client.installation()
    client.close()
