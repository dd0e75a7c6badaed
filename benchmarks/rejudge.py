"""Re-judging after an advisory change: CPU seconds until findings, decisions and gates of 10,000 images are right.

10,000 images of 300 packages in 1,000 repositories, on SQLite, with the tables and gates of the registry: every image
is tagged, has four layers of its own and four that its repository shares, and every fifth is listed in an index with
the next one. Three changes: a package that one image in a hundred has; one that every image has, with a finding that
closes no gate; the same with one that closes every gate. The limit of the design is 5 s for all 10,000. The longest
write transaction is what a push may have to wait for.
"""

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1]))  # the parts of the tests stand beside this folder
from tests.scan.parts import Parts, Said

from pratique.core.clock import SystemClock
from pratique.core.database import Database, Epochs, Transaction, create_schema, open_database
from pratique.core.findings.types import Severity
from pratique.inventory.types import INDEXER_VERSION, Package
from pratique.recommendations.jobs import RecommendationJobs
from pratique.registry import tables as registry
from pratique.registry.assembly import create_service
from pratique.registry.types import ArtifactKind, GateReason, GateState
from pratique.scan.packages import package_key, set_digest
from pratique.scan.tables import images, package_keys, package_sets, packages, places, set_members

LIMIT = 5.0
PACKAGES = 300
REPOSITORIES = 1000
T = TypeVar("T")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--images", type=int, default=10_000)
    options.add_argument("--profile", action="store_true", help="print what the last change spends its time on")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/bench.db", clock=SystemClock(), hints_directory=Path(folder))
        create_schema(database)
        parts = Parts(database, registry=lambda events: create_service(database, None, events))  # type: ignore[arg-type]
        RecommendationJobs(database, parts.jobs, Epochs(database), lambda _, version: version.encode()).attach(
            parts.events, parts.handlers
        )
        began = time.process_time()
        _fill(database, asked.images)
        _fill_registry(database, asked.images)
        print(f"{asked.images} images of {PACKAGES} packages made in {time.process_time() - began:.1f} CPU s")
        gc.collect()
        gc.freeze()  # as the worker's process is: what was made before is not looked through again
        _decide_all(parts)
        high = Said("vg-2", ("1",), fix="2", severity=Severity.HIGH)
        exploited = Said("vg-3", ("1",), fix="2", exploited=True)
        _change(parts, "one image in a hundred", "rare", Said("vg-1", ("1",), fix="2", severity=Severity.HIGH))
        _change(parts, "all images, no gate moves", "everywhere", high)
        if asked.profile:
            _profile(database)
        _change(parts, "all images, all gates close", "everywhere", high, exploited)
        database.close()


def _change(parts: Parts, title: str, name: str, *said: Said) -> None:
    parts.store.say(name, *said)
    longest = _time_writes(parts.database)
    cpu, wall = time.process_time(), time.monotonic()
    done = parts.rejudger.run()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    refused = parts.database.read(_refused)
    print(
        f"{title}: {done.images} images, {refused} gates refused, {cpu:.2f} CPU s, {wall:.2f} s, "
        f"{cpu / LIMIT:.2f} of the limit; longest write {max(longest) * 1000:.0f} ms"
    )


def _refused(tx: Transaction) -> int:
    gates = registry.gates
    query = sa.select(sa.func.count()).select_from(gates).where(gates.c.state == GateState.REFUSED)
    return int(tx.execute(query).scalar_one())


def _time_writes(database: Database) -> list[float]:
    """Return a list that every later write adds the CPU seconds of its body to."""
    taken: list[float] = []
    write = type(database).write

    def timed(body: Callable[[Transaction], T]) -> T:
        def measured(tx: Transaction) -> T:
            began = time.thread_time()
            try:
                return body(tx)
            finally:
                taken.append(time.thread_time() - began)

        return write(database, measured)

    database.write = timed  # type: ignore[method-assign]
    return taken


def _profile(database: Database) -> None:
    """Print at the end of each later write what the writing thread did."""
    import atexit
    import cProfile
    import pstats

    profile = cProfile.Profile()
    write = type(database).write

    def profiled(self: Database, body: Callable[[Transaction], T]) -> T:
        return write(self, lambda tx: profile.runcall(body, tx))

    type(database).write = profiled  # type: ignore[method-assign]
    atexit.register(lambda: pstats.Stats(profile).sort_stats("tottime").print_stats(45))


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
                "layers": "[]",
                "facts": {},
                "assessed_at": 1,
                "attribution": msgspec.json.encode(
                    {str(p): [[0, "sha256:" + "0" * 64, "var/lib/dpkg/status"]] for _, p in own}
                ).decode(),
            }
        )
        name = f"team/app{image % REPOSITORIES}"
        where.append({"digest": digest, "repository_id": name, "repository": name, "pushed_at": 1})
    _insert(
        database,
        (packages, rows),
        (package_keys, addresses),
        (package_sets, sets),
        (set_members, members),
        (images, held),
        (places, where),
    )


def _fill_registry(database: Database, count: int) -> None:
    names = [f"team/app{number}" for number in range(min(REPOSITORIES, count))]
    blobs, own_blobs, manifests, named, listed, tags, gates = [], [], [], [], [], [], []

    def blob(repository: str, uses: int) -> int:
        number = len(blobs) + 1
        blobs.append({"id": number, "digest": f"sha256:b{number:063x}", "size": 1, "segments": [], "created_at": 1})
        counts = {"manifests": uses, "open_manifests": 0, "lease_until": 0}
        own_blobs.append({"repository_id": repository, "blob_id": number, **counts})
        return number

    def manifest(repository: str, kind: ArtifactKind, digest: str) -> int:
        number = len(manifests) + 1
        manifests.append(_manifest(number, repository, kind, digest))
        held = GateReason("held: not judged yet").as_json()
        gates.append({"manifest_id": number, "state": GateState.HELD, "reason": held, "decision_id": None, "since": 1})
        point = {"served_id": None, "pending_id": number, "moved_at": 1, "moved_by": "x"}
        tags.append({"repository_id": repository, "name": f"v{number}", **point})
        return number

    shared = {name: [blob(name, count // len(names)) for _ in range(4)] for name in names}
    for image in range(count):
        name = names[image % len(names)]
        number = manifest(name, ArtifactKind.IMAGE, f"sha256:{image:064x}")
        own = [blob(name, 1) for _ in range(5)]
        named += [{"manifest_id": number, "blob_id": each} for each in (*shared[name], *own)]
        if image % 5 == 0 and image + len(names) < count:
            index = manifest(name, ArtifactKind.INDEX, f"sha256:1{image:063x}")
            for position, digest in enumerate((image, image + len(names))):
                line = {"digest": f"sha256:{digest:064x}", "runnable": True, "statement_subject": ""}
                listed.append({"manifest_id": index, "position": position, **line})
    _insert(
        database,
        (registry.repositories, [{"id": name, "name": name, "created_at": 1} for name in names]),
        (registry.blobs, blobs),
        (registry.repository_blobs, own_blobs),
        (registry.manifests, manifests),
        (registry.manifest_blobs, named),
        (registry.manifest_members, listed),
        (registry.tags, tags),
        (registry.gates, gates),
    )


def _manifest(number: int, repository: str, kind: ArtifactKind, digest: str) -> dict[str, Any]:
    texts = {"media_type": "m", "artifact_type": "", "subject": "", "gate_subject": "", "pusher": "x"}
    sizes = {"size": 1, "content": b"{}", "pushed_at": 1}
    return {"id": number, "repository_id": repository, "digest": digest, "kind": kind.value, **texts, **sizes}


def _insert(database: Database, *filled: tuple[sa.Table, list[dict[str, Any]]]) -> None:
    for table, values in filled:
        for start in range(0, len(values), 50_000):
            part = values[start : start + 50_000]
            database.write(lambda tx, table=table, part=part: tx.execute(sa.insert(table), part))


if __name__ == "__main__":
    main()
