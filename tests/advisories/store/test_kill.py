"""A process that writes the store may die between any two steps; readers and the next writer go on."""

import subprocess
import sys
import threading
from pathlib import Path

from pratique.advisories.fetch import FeedClient
from pratique.advisories.service import AdvisoryStore, sync
from pratique.core.clock import FakeClock
from tests.advisories import samples
from tests.advisories.feed_server import FeedServer
from tests.advisories.samples import deb, debian, fixed, osv, put_osv, pypi

# Dies at the n-th step that touches the disk for good: an fsync, a rename, a removal.
CHILD = """
import os, pathlib, sys
from pratique.advisories.service import AdvisoryStore, FeedClient, sync
folder, mirror, last = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = AdvisoryStore.open(folder, starter=False)
steps = 0
def dying(function):
    def step(*args, **more):
        global steps
        steps += 1
        if steps > last:
            os._exit(9)
        return function(*args, **more)
    return step
os.fsync = dying(os.fsync)
pathlib.Path.replace = dying(pathlib.Path.replace)
pathlib.Path.unlink = dying(pathlib.Path.unlink)
report = sync(store, ["debian", "osv-pypi"], FeedClient(mirror=mirror))
os._exit(0 if report.ok else 1)
"""


def put(server: FeedServer, version: str, stamp: str) -> None:
    server.put(samples.DEBIAN, debian({"openssl": {"CVE-2024-1": {"bookworm": fixed(f"{version}-1")}}}))
    put_osv(
        server,
        "PyPI",
        osv("PYSEC-1", "x", [{"introduced": "0"}, {"fixed": version}], aliases=["CVE-2024-2"], modified=stamp),
    )


def answers(store: AdvisoryStore) -> list[str]:
    return [match.fixed_version for match in store.match([deb("openssl", "0.1-1"), pypi("x", "0.1")]).affected]


def test_a_sync_killed_at_any_step_leaves_old_or_new_data(
    server: FeedServer, client: FeedClient, tmp_path: Path
) -> None:
    folder = tmp_path / "advisories"
    put(server, "1.0", "2024-01-01T00:00:00Z")
    store = AdvisoryStore.open(folder, starter=False)
    assert sync(store, ["debian", "osv-pypi"], client).ok
    seen: set[tuple[str, ...]] = set()
    for step in range(0, 210, 7):
        version = f"{step + 2}.0"
        put(server, version, f"2025-01-01T{step // 60:02}:{step % 60:02}:00Z")
        old = answers(store)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(folder), server.url, str(step)], check=False, timeout=60
        )
        assert done.returncode in (0, 9)
        fresh = AdvisoryStore.open(folder, starter=False)
        now = answers(fresh)
        assert now[0] in (old[0], f"{version}-1")
        assert now[1] in (old[1], version)
        assert not [item for item in fresh.feeds() if item.error]
        fresh.close()
        seen.add((str(now[0] != old[0]), str(now[1] != old[1])))
        assert sync(store, ["debian", "osv-pypi"], client).ok
        assert answers(store) == [f"{version}-1", version]
        if done.returncode == 0:
            break
    else:
        raise AssertionError("the child never came to its end")
    assert ("False", "False") in seen
    assert ("True", "False") in seen
    leftovers = [path.name for path in (folder / "files").iterdir() if path.name.startswith(".")]
    assert leftovers == []
    store.close()


def test_readers_see_whole_revisions_while_a_writer_publishes(
    server: FeedServer, client: FeedClient, tmp_path: Path
) -> None:
    put(server, "1.0", "2024-01-01T00:00:00Z")
    store = AdvisoryStore.open(tmp_path, starter=False, clock=FakeClock())
    sync(store, ["debian", "osv-pypi"], client)
    stop = threading.Event()
    problems: list[object] = []

    def read() -> None:
        reader = AdvisoryStore.open(tmp_path, starter=False)
        while not stop.is_set():
            try:
                reader.refresh()
                found = answers(reader)
                if len(found) != 2:
                    problems.append(found)
            except Exception as error:  # noqa: BLE001  whatever it is, it is a failure
                problems.append(error)
        reader.close()

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(10):
        put(server, f"{number + 2}.0", f"2025-01-01T00:{number:02}:00Z")
        sync(store, ["debian", "osv-pypi"], client)
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    store.close()
