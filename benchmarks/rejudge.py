"""Re-judging after an advisory change: CPU seconds until findings, decisions and gates of 10,000 images are right.

10,000 images of 300 packages in 1,000 repositories, on SQLite. Three changes: a package that one image in a hundred
has; one that every image has, with a finding that closes no gate; the same with one that closes every gate. The limit
of the design is 5 s for all 10,000.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa
from tests.scan.parts import Parts, Said

from pratique.core.clock import SystemClock
from pratique.core.database import Database, create_schema, open_database
from pratique.core.findings.types import Severity
from pratique.inventory.types import INDEXER_VERSION, Package
from pratique.registry.types import GateState
from pratique.scan.packages import package_key, set_digest
from pratique.scan.tables import images, package_keys, package_sets, packages, places, set_members

LIMIT = 5.0
PACKAGES = 300


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--images", type=int, default=10_000)
    count = options.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/bench.db", clock=SystemClock(), hints_directory=Path(folder))
        create_schema(database)
        parts = Parts(database)
        began = time.process_time()
        _fill(database, count)
        print(f"{count} images of {PACKAGES} packages made in {time.process_time() - began:.1f} CPU s")
        _decide_all(parts)
        _change(parts, "one image in a hundred", "rare", Said("vg-1", ("1",), fix="2", severity=Severity.HIGH))
        _change(parts, "all images, no gate moves", "everywhere", Said("vg-2", ("1",), fix="2", severity=Severity.HIGH))
        _change(
            parts,
            "all images, all gates close",
            "everywhere",
            Said("vg-2", ("1",), fix="2", severity=Severity.HIGH),
            Said("vg-3", ("1",), fix="2", exploited=True),
        )
        database.close()


def _change(parts: Parts, title: str, name: str, *said: Said) -> None:
    parts.store.say(name, *said)
    cpu, wall = time.process_time(), time.monotonic()
    done = parts.rejudger.run()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    refused = sum(state is GateState.REFUSED for state, _ in parts.shelf.gates.values())
    print(
        f"{title}: {done.images} images, {refused} refused, {cpu:.2f} CPU s, {wall:.2f} s, "
        f"{cpu / LIMIT:.2f} of the limit"
    )


def _decide_all(parts: Parts) -> None:
    began = time.process_time()
    places_ = parts.database.read(lambda tx: parts.scan.places_under(tx, "", limit=10**9))
    parts.trust.decide_in_pieces(places_)
    print(f"first decisions: {time.process_time() - began:.2f} CPU s")


def _fill(database: Database, count: int) -> None:
    """Every image has `everywhere`, one in a hundred `rare`; the rest are shared by ten images each."""
    made: dict[str, int] = {}
    rows, addresses, members, sets, held, where = [], [], [], [], [], []

    def identity(name: str, version: str) -> tuple[str, int]:
        package = Package("deb", name, version, source_name=name, source_version=version, distro="debian:12")
        key = package_key(package)
        if key not in made:
            made[key] = len(made) + 1
            rows.append(
                {
                    "id": made[key],
                    "key": key,
                    "record": package,
                    "owner": None,
                    "candidates": "x",
                    "not_assessed": None,
                    "not_assessed_code": "",
                }
            )
            addresses.append({"ecosystem": "debian", "name": name, "package_id": made[key]})
        return key, made[key]

    for image in range(count):
        own = [identity("everywhere", "1")] + ([identity("rare", "1")] if image % 100 == 0 else [])
        own += [identity(f"p{image // 10}-{n}", "1") for n in range(PACKAGES - len(own))]
        sets.append(
            {
                "id": image + 1,
                "digest": set_digest([*(key for key, _ in own), str(image)]),
                "distro": "debian:12",
                "size": len(own),
                "unassessed": {},
            }
        )
        members += [{"set_id": image + 1, "package_id": package} for _, package in own]
        digest = f"sha256:{image:064x}"
        held.append(
            {
                "digest": digest,
                "state": "assessed",
                "set_id": image + 1,
                "indexer": INDEXER_VERSION,
                "problem": "",
                "remedy": "",
                "facts": {},
                "assessed_at": 1,
                "attribution": json.dumps({str(p): [[0, "sha256:" + "0" * 64, "var/lib/dpkg/status"]] for _, p in own}),
            }
        )
        name = f"team/app{image % 1000}"
        where.append({"digest": digest, "repository_id": name, "repository": name, "pushed_at": 1})
    for table, values in (
        (packages, rows),
        (package_keys, addresses),
        (package_sets, sets),
        (set_members, members),
        (images, held),
        (places, where),
    ):
        for start in range(0, len(values), 50_000):
            part = values[start : start + 50_000]
            database.write(lambda tx, table=table, part=part: tx.execute(sa.insert(table), part))


if __name__ == "__main__":
    main()
