"""Two hundred pushes at the same time, twice; the second time while what came first is judged again."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.advisories.feed_server import FeedServer
from tests.advisories.samples import DEBIAN, debian, fixed, put_small_world
from tests.corpus.layers.archive import END, file, gzipped
from tests.corpus.layers.build import OS_RELEASE, STATUS
from tests.e2e.conftest import Installation, start
from tests.e2e.test_failures import processes
from tests.e2e.test_hostile_images import hostile
from tests.e2e.wire import Wire

MANY = 200
OPENSSL = b"Package: openssl\nStatus: install ok installed\nVersion: 3.0.11-1\nArchitecture: amd64\n\n"


@pytest.fixture
def feeds() -> Iterator[FeedServer]:
    running = FeedServer()
    put_small_world(running)
    yield running
    running.stop()


@pytest.fixture
def server(feeds: FeedServer, tmp_path: Path) -> Iterator[Installation]:
    made = start(tmp_path / "many", PRATIQUE_ADVISORIES__MIRROR=feeds.url)
    yield made
    made.run("down")


def test_no_push_fails_beside_many_others_and_a_new_judgement_of_all(server: Installation, feeds: FeedServer) -> None:
    account = server.account("pusher", "AcrPush", "/registry/team/")
    server.ok("advisories", "sync", "debian", "kev", "nvd", "--fetch")
    print("alone", _push_all(server, account, "first"))
    _settle(server, MANY)
    feeds.put(DEBIAN, debian({"openssl": {f"CVE-2026-{n}": {"bookworm": fixed(f"3.0.{n}-1")} for n in range(20, 60)}}))
    judging = threading.Thread(target=server.run, args=("advisories", "sync", "debian", "--fetch"))
    judging.start()
    print("beside a new judgement", _push_all(server, account, "second"))
    judging.join()
    _settle(server, 2 * MANY)
    for name in ("first", "second"):
        found = server.status(f"team/{name}-7:1")
        assert "CVE-2026-20" in {reason["name"] for reason in found["reasons"]}, found["summary"]


def _push_all(server: Installation, account: str, name: str) -> dict[str, object]:
    images = [hostile(_layer(f"{name} {number}")) for number in range(MANY)]
    started, used = time.monotonic(), _cpu(server)

    def push(number: int) -> tuple[float, int]:
        begun = time.monotonic()
        with Wire(server, account, keep=True) as wire:
            wire.push(f"team/{name}-{number}", images[number], "1")
            return time.monotonic() - begun, wire.busy

    with ThreadPoolExecutor(MANY) as threads:
        done = sorted(threads.map(push, range(MANY)))
    return {
        "seconds": round(time.monotonic() - started, 1),
        "cpu seconds of the server": round(_cpu(server) - used, 1),
        "longest push": round(done[-1][0], 1),
        "asked to come back": sum(busy for _, busy in done),
    }


def _layer(content: str) -> bytes:
    return gzipped(OS_RELEASE + file(STATUS, OPENSSL) + file(b"etc/motd", content.encode()) + END)


def _settle(server: Installation, count: int) -> None:
    """Wait until that many images are decided."""
    end = time.monotonic() + 120
    while _decided(server) < count:
        assert time.monotonic() < end, _decided(server)
        time.sleep(0.3)


def _decided(server: Installation) -> int:
    database = sqlite3.connect(f"file:{server.state}/pratique.db?mode=ro", uri=True)
    try:
        return int(database.execute("select count(*) from gates where decision_id is not null").fetchone()[0])
    finally:
        database.close()


def _cpu(server: Installation) -> float:
    ticks = 0
    for pid in processes(server).values():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return ticks / os.sysconf("SC_CLK_TCK")
