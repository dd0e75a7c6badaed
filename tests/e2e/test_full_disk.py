"""A disk that is full: pushes fail with a sentence, the server stays, nothing that was there is harmed."""

import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pratique.core.digests import Digest
from tests.e2e.conftest import Installation, start
from tests.e2e.test_failures import processes
from tests.e2e.wire import Wire, image_of, segments
from tests.interop.layouts import write_layout

NAME = "team/app"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 160 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=160m", "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs privileges")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def _started(folder: Path, minimum_free: int) -> Iterator[Installation]:
    made = start(folder, PRATIQUE_DATA__MINIMUM_FREE=str(minimum_free))
    yield made
    made.run("down")


@pytest.fixture
def careful(small: Path) -> Iterator[Installation]:
    """Stops to take uploads while there is still some room."""
    yield from _started(small, 64 << 20)


@pytest.fixture
def careless(small: Path) -> Iterator[Installation]:
    """Fills the disk to the last byte."""
    yield from _started(small, 0)


def fill(folder: Path, leave: int) -> Path:
    status = os.statvfs(folder)
    path = folder / "filler"
    with path.open("wb") as file:
        left = status.f_bavail * status.f_frsize - leave
        while left > 0:
            left -= file.write(bytes(min(left, 1 << 20)))
    return path


@pytest.mark.usefixtures("skopeo")
def test_below_the_minimum_a_push_says_so_and_everything_else_works(careful: Installation, tmp_path: Path) -> None:
    account = careful.account("pusher", "AcrPush", "/registry/team/")
    wire, kept = Wire(careful, account), image_of(b"kept")
    wire.push(NAME, kept, "1")
    pids = processes(careful)
    filler = fill(careful.state.parent, 32 << 20)
    layout = write_layout(tmp_path / "layout", image_of(random.randbytes(2_000_000)))
    target = f"docker://{careful.host}/{NAME}:2"
    refused = careful.skopeo("copy", "--retry-times", "0", "--dest-creds", account, f"oci:{layout}", target)
    print(refused.stderr)
    assert refused.returncode != 0
    assert "507 Insufficient Storage" in refused.stderr  # skopeo shows no text behind an answer of the fives
    heard = wire.request("PUT", f"{wire.begin(NAME)}?digest={Digest.of(b'x')}", b"x")
    assert heard.status == 507
    assert heard.message.startswith("the disk for blobs is full: free space in the server's blob folder")
    assert careful.status(f"{NAME}:1")["state"] == "open"
    assert wire.request("GET", f"/v2/{NAME}/manifests/1").status == 200
    assert "free some space" in careful.run("doctor").stdout
    filler.unlink()
    pushed = careful.skopeo("copy", "--dest-creds", account, f"oci:{layout}", target)
    assert pushed.returncode == 0, pushed.stderr
    assert careful.status(f"{NAME}:2")["state"] == "open"
    assert processes(careful) == pids


@pytest.mark.usefixtures("skopeo")
def test_a_disk_without_a_byte_left_loses_nothing_and_goes_on_when_there_is_room(
    careless: Installation, tmp_path: Path
) -> None:
    account = careless.account("pusher", "AcrPush", "/registry/team/")
    wire, kept = Wire(careless, account), image_of(b"kept")
    wire.push(NAME, kept, "1")
    assert careless.status(f"{NAME}:1")["state"] == "open"
    layout = write_layout(tmp_path / "layout", image_of(random.randbytes(4_000_000)))
    target = f"docker://{careless.host}/{NAME}:2"
    for leave in (2_000_000, 0):
        filler = fill(careless.state.parent, leave)
        refused = careless.skopeo("copy", "--retry-times", "0", "--dest-creds", account, f"oci:{layout}", target)
        print(leave, refused.stderr)
        assert refused.returncode != 0
        assert "507 Insufficient Storage" in refused.stderr or "503 Service Unavailable" in refused.stderr
        assert wire.request("GET", f"/v2/{NAME}/manifests/1").status == 200
        assert set(processes(careless)) >= {"api", "worker", "keys"}
        filler.unlink()
    pushed = careless.skopeo("copy", "--dest-creds", account, f"oci:{layout}", target)
    assert pushed.returncode == 0, pushed.stderr
    assert careless.status(f"{NAME}:2")["state"] == "open"
    assert careless.status(f"{NAME}:1")["state"] == "open"
    files, named = segments(careless.state)
    assert files == named
    assert _integrity(careless.state) == "ok"
    assert careless.run("audit", "verify").returncode == 0


def _integrity(state: Path) -> str:
    database = sqlite3.connect(f"file:{state}/pratique.db?mode=ro", uri=True)
    try:
        return str(database.execute("pragma integrity_check").fetchone()[0])
    finally:
        database.close()
