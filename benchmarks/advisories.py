"""Advisory data: CPU seconds and memory to build a feed of real size, and milliseconds to match 300 packages.

The Debian tracker is imitated in its real proportions (46,000 pairs of source and vulnerability in six releases, 57 MB
of JSON), served from this machine. Limits: 10 CPU s and 500 MB to build it, 10 ms to match 300 packages of which a few
are affected, once they have been looked up before.
"""

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.advisories.feed_server import FeedServer
from tests.advisories.samples import DEBIAN, deb

from pratique.advisories.service import AdvisoryStore, FeedClient, sync

BUILD_LIMIT = 10.0
MEMORY_LIMIT = 500
MATCH_LIMIT = 10.0
RELEASES = ("buster", "bullseye", "bookworm", "trixie", "forky", "sid")
ROUNDS = 9


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--sources", type=int, default=4_200)
    sources = options.parse_args().sources
    server = FeedServer()
    try:
        server.put(DEBIAN, tracker(sources), packed=True)
        with tempfile.TemporaryDirectory() as folder:
            store = AdvisoryStore.open(Path(folder), starter=False)
            build(store, server)
            match(store, sources)
            store.close()
    finally:
        server.stop()


def build(store: AdvisoryStore, server: FeedServer) -> None:
    before = time.process_time()
    with FeedClient(mirror=server.url) as client:
        outcome = sync(store, ["debian"], client).outcomes[0]
    cpu = time.process_time() - before
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"Debian tracker, {outcome.records:,} records: {cpu:.1f} CPU s ({cpu / BUILD_LIMIT:.2f} of the limit), "
        f"{memory:.0f} MB with server and generator ({memory / MEMORY_LIMIT:.2f} of the limit)"
    )


def match(store: AdvisoryStore, sources: int) -> None:
    rand = random.Random(2)
    names = [f"source-{rand.randrange(sources)}" for _ in range(300)]
    for label, version in (("mostly repaired", "9.0-1"), ("half of it old", "1.5-1")):
        packages = [deb(f"binary-{n}", version, name, version) for n, name in enumerate(names)]
        store.match(packages)
        spent = []
        for _ in range(ROUNDS):
            before = time.process_time()
            report = store.match(packages)
            spent.append((time.process_time() - before) * 1000)
        median = statistics.median(spent)
        print(
            f"300 packages, {label}, {len(report.affected):,} findings: {median:.1f} CPU ms "
            f"({median / MATCH_LIMIT:.2f} of the limit)"
        )


def tracker(sources: int) -> bytes:
    """A document like the tracker's."""
    rand = random.Random(1)
    document: dict[str, Any] = {}
    number = 0
    for source in (*(f"source-{n}" for n in range(sources)), "linux", "chromium"):
        count = {"linux": 12_000, "chromium": 3_500}.get(source) or rand.choice((1, 2, 3, 5, 8, 13, 20))
        found = {}
        for _ in range(count):
            number += 1
            found[f"CVE-{2005 + number % 22}-{number}"] = {
                "description": "A flaw was found in " + "x" * rand.randint(60, 300),
                "scope": "local",
                "releases": {release: _release(rand, release) for release in RELEASES},
            }
        document[source] = found
    return json.dumps(document).encode()


def _release(rand: random.Random, release: str) -> dict[str, Any]:
    repositories = {release: "4.0-1", f"{release}-security": "4.1-1"}
    if rand.random() < 0.97:
        fixed = f"{rand.randint(0, 3)}.{rand.randint(0, 30)}-{rand.randint(1, 4)}"
        return {"status": "resolved", "repositories": repositories, "fixed_version": fixed, "urgency": "low"}
    return {"status": "open", "repositories": repositories, "urgency": "unimportant", "nodsa": "Minor issue"}


if __name__ == "__main__":
    main()
