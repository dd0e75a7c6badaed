"""Garbage collection: CPU seconds for what deleted images leave, and the longest transaction that a push may wait for.

Each of the images had five blobs of its own; the rows are as deletion leaves them, the segments are kept in memory, so
that the figure is that of the collector and the database (SQLite). As many images stay.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tests.registry.parties import CountingAudit

from pratique.core.clock import SystemClock
from pratique.core.database import Database, create_schema, open_database
from pratique.core.events import EventBus
from pratique.core.jobs import JobHandlers, JobQueue
from pratique.registry.collection.collector import Collector
from pratique.registry.collection.pieces import Pieces
from pratique.registry.deletions import Deletions
from pratique.registry.gates import Gates
from pratique.registry.locks import Locks
from pratique.registry.tables import blobs, repositories, repository_blobs

LIMIT = 300.0
"""CPU seconds for 100,000 images: minutes, on one machine."""
BLOBS = 5


class MemoryStore:
    """Keys without bytes."""

    segment_limit = None

    def __init__(self, keys: set[str]) -> None:
        self._keys = keys

    def keys(self, after: str = "", limit: int = 1000) -> list[str]:
        import bisect

        listed = self._sorted()
        start = bisect.bisect_right(listed, after)
        return listed[start : start + limit]

    def delete(self, key: str) -> None:
        self._keys.discard(key)

    def _sorted(self) -> list[str]:
        if getattr(self, "_listed", None) is None:
            self._listed = sorted(self._keys)
        return self._listed

    def count(self) -> int:
        return len(self._keys)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--images", type=int, default=100_000)
    images = options.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/bench.db", clock=SystemClock(), hints_directory=Path(folder))
        create_schema(database)
        keys = _fill(database, images)
        store: Any = MemoryStore(keys)
        events = EventBus(JobQueue(), JobHandlers())
        deletions = Deletions(events, Gates(events), CountingAudit(), Locks())
        collector = Collector(database, store, events, deletions, read_grace=0, orphan_age=1, blob_lease=1)
        longest = [0.0]
        run = Pieces._run  # noqa: SLF001  measured from outside

        def timed(self: Pieces, body: Any) -> Any:
            value = run(self, body)
            longest[0] = max(longest[0], self.longest)
            return value

        Pieces._run = timed  # type: ignore[method-assign]  # noqa: SLF001
        cpu, wall = time.process_time(), time.monotonic()
        counts = collector.run()
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        scaled = cpu * 100_000 / images
        print(
            f"{images} images: {counts.kinds['blobs'][0]} blobs collected of {2 * images * BLOBS} in {cpu:.1f} CPU s, "
            f"{wall:.1f} s; for 100,000 that is {scaled:.0f} CPU s, {scaled / LIMIT:.2f} of the limit; "
            f"longest piece {longest[0] * 1000:.0f} ms; {store.count()} segments stay"
        )
        database.close()


def _fill(database: Database, images: int) -> set[str]:
    """Write blobs and links: of the first half no manifest is left."""
    database.write(lambda tx: tx.execute(sa.insert(repositories), {"id": "r", "name": "team/app", "created_at": 0}))
    for start in range(0, 2 * images * BLOBS, 5000):
        rows = list(_blobs(start, 5000))
        links = [
            {"repository_id": "r", "blob_id": row["id"], "manifests": int(row["id"] > images * BLOBS),
             "open_manifests": 0, "lease_until": 0}
            for row in rows
        ]  # fmt: skip
        database.write(lambda tx, rows=rows: tx.execute(sa.insert(blobs), rows))  # type: ignore[misc]
        database.write(lambda tx, links=links: tx.execute(sa.insert(repository_blobs), links))  # type: ignore[misc]
    return {f"{number:032x}" for number in range(1, 2 * images * BLOBS + 1)}


def _blobs(start: int, count: int) -> Iterator[dict[str, Any]]:
    for number in range(start + 1, start + count + 1):
        segment = [f"{number:032x}", 1000, 0]
        yield {"id": number, "digest": f"sha256:{number:064x}", "size": 1000, "segments": [segment], "created_at": 0}


if __name__ == "__main__":
    main()
