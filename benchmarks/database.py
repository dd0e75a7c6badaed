"""SQLite with synchronous=FULL: commits per second one by one, in groups and by the bare driver; reads on the loop."""

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from pratique.core.database import Database, Transaction, create_schema, open_database
from pratique.core.database.schema import epochs

ALONE, TOGETHER, ROUNDS, READS = 300, 4000, 2, 5000


def bump(tx: Transaction) -> None:
    tx.execute(_BUMP)


_BUMP = sa.update(epochs).where(epochs.c.name == "n").values(value=epochs.c.value + 1)
_READ = sa.select(epochs.c.value).where(epochs.c.name == "n")


def bare(path: Path) -> float:
    """Return commits per second of the driver alone on a database of its own."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE n (value INTEGER)")
    connection.execute("INSERT INTO n VALUES (0)")
    begun = time.perf_counter()
    for _ in range(ALONE):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE n SET value = value + 1")
        connection.execute("COMMIT")
    connection.close()
    return ALONE / (time.perf_counter() - begun)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/bench.db", wait=60)
        create_schema(database)
        database.write(lambda tx: tx.execute(sa.insert(epochs).values(name="n", shard=0, value=0)))
        peer = bare(Path(folder) / "bare.db")
        begun = time.perf_counter()
        for _ in range(ALONE):
            database.write(bump)
        alone = ALONE / (time.perf_counter() - begun)
        begun, processor = time.perf_counter(), time.process_time()
        for _ in range(ROUNDS):
            asyncio.run(together(database))
        group = ROUNDS * TOGETHER / (time.perf_counter() - begun)
        processor = (time.process_time() - processor) / (ROUNDS * TOGETHER)
        begun = time.process_time()
        for _ in range(READS):
            database.read_here(lambda tx: tx.execute(_READ).scalar())
        read = (time.process_time() - begun) / READS
        database.close()
    print(f"bare driver, one by one:  {peer:8.0f} commits/s")
    print(f"write, one by one:        {alone:8.0f} commits/s, ratio {alone / peer:.2f}")
    print(
        f"write_async, 4000 callers: {group:6.0f} commits/s, ratio {group / peer:.1f}; {processor * 1e6:.0f} µs of CPU"
    )
    print(f"read_here:                {read * 1e6:8.0f} µs of CPU")


async def together(database: Database) -> None:
    """Write from many callers at once, a little fewer than may wait."""
    await asyncio.gather(*(database.write_async(bump) for _ in range(TOGETHER)))


if __name__ == "__main__":
    main()
