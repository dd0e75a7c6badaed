"""What holds for SQLite alone: group commit, bounded waits, other processes."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from pratique.core.database import Database, Transaction, create_schema, open_database
from pratique.core.database.schema import epochs
from pratique.core.errors import Busy, Invalid, Unavailable


def bump(tx: Transaction, name: str = "n") -> None:
    insert = tx.insert(epochs).values(name=name, shard=0, value=1)
    tx.execute(insert.on_conflict_do_update(index_elements=["name", "shard"], set_={"value": epochs.c.value + 1}))


def value(database: Database, name: str = "n") -> int:
    query = sa.select(epochs.c.value).where(epochs.c.name == name)
    return int(database.read(lambda tx: tx.execute(query).scalar() or 0))


def test_the_file_is_private_and_synced_and_in_wal_mode(sqlite_database: Database, state_dir: Path) -> None:
    path = state_dir / "pratique.db"
    assert path.stat().st_mode & 0o777 == 0o600
    modes = sqlite_database.write(
        lambda tx: [
            tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    assert modes == ["wal", 2, 1]


def test_bodies_that_wait_together_are_committed_together(sqlite_database: Database) -> None:
    """One slow body holds the writer; what queues up meanwhile goes into few commits, and one failure stays alone."""
    commits: list[str] = []
    sa.event.listen(sqlite_database._write_engine, "commit", lambda _connection: commits.append("commit"))
    release = threading.Event()

    async def run() -> list[object]:
        slow = asyncio.create_task(sqlite_database.write_async(lambda _tx: release.wait(5)))
        await asyncio.sleep(0.05)
        tasks = [asyncio.create_task(sqlite_database.write_async(bump)) for _ in range(100)]
        tasks.insert(50, asyncio.create_task(sqlite_database.write_async(_fail)))
        await asyncio.sleep(0.05)
        release.set()
        await slow
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(run())
    assert value(sqlite_database) == 100
    assert [type(one) for one in results if one is not None] == [Invalid]
    assert len(commits) < 40


def _fail(tx: Transaction) -> None:
    bump(tx)
    raise Invalid("no")


def test_a_commit_that_fails_fails_for_all_and_the_next_succeeds(sqlite_database: Database) -> None:
    failing = [True]

    def on_commit(_connection: sa.Connection) -> None:
        if failing:
            failing.clear()
            raise sqlite3.OperationalError("database or disk is full")

    sa.event.listen(sqlite_database._write_engine, "commit", on_commit)
    with pytest.raises(Exception, match="full"):
        sqlite_database.write(bump)
    assert value(sqlite_database) == 0
    sqlite_database.write(bump)
    assert value(sqlite_database) == 1


def test_a_full_disk_is_said_so_and_loses_nothing_committed(state_dir: Path) -> None:
    database = open_database(f"sqlite:///{state_dir}/small.db")
    create_schema(database)
    database.write(bump)
    database.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA max_page_count=60").scalar())

    def flood(tx: Transaction) -> None:
        tx.execute(sa.insert(epochs), [{"name": "x" * 400 + str(n), "shard": 0, "value": n} for n in range(2000)])

    with pytest.raises(Unavailable, match="disk is full"):
        database.write(flood)
    assert value(database) == 1
    database.write(bump)
    assert value(database) == 2
    database.close()


def test_a_write_that_cannot_start_is_refused_in_time(sqlite_url: str) -> None:
    database = open_database(sqlite_url, wait=0.2)
    create_schema(database)
    release = threading.Event()
    holder = threading.Thread(target=lambda: database.write(lambda _tx: release.wait(10)))
    holder.start()
    time.sleep(0.05)

    async def run() -> None:
        with pytest.raises(Busy):
            await database.write_async(bump)

    begun = time.monotonic()
    with pytest.raises(Busy) as caught:
        database.write(bump)
    asyncio.run(run())
    assert time.monotonic() - begun < 3
    assert caught.value.retry_after > 0
    release.set()
    holder.join()
    assert value(database) == 0
    database.write(bump)
    assert value(database) == 1
    database.close()


def test_a_body_may_not_write_beside_its_transaction(sqlite_database: Database) -> None:
    with pytest.raises(RuntimeError, match="transaction that it was given"):
        sqlite_database.write(lambda _tx: sqlite_database.write(bump))


CHILD = """
import sys
from pratique.core.database import open_database
sys.path.insert(0, {root!r})
from tests.core.database.test_sqlite import bump
database = open_database({url!r})
print("ready", flush=True)
number = 0
while True:
    database.write(bump)
    number += 1
    print(number, flush=True)
"""


def test_a_killed_process_loses_nothing_acknowledged_and_blocks_nobody(
    sqlite_database: Database, sqlite_url: str
) -> None:
    """Two processes write; one is killed in mid-flight, twice."""
    root = str(Path(__file__).parents[3])
    for _ in range(2):
        before = value(sqlite_database)
        code = CHILD.format(root=root, url=sqlite_url)
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        own = 0
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            sqlite_database.write(bump)
            own += 1
        os.kill(child.pid, signal.SIGKILL)
        acknowledged = child.stdout.read().split()
        child.stdout.close()
        child.wait()
        theirs = int(acknowledged[-1]) if acknowledged else 0
        assert theirs > 0
        assert own > 0
        assert value(sqlite_database) - before - own in (theirs, theirs + 1)
        sqlite_database.write(bump)


def test_the_copy_is_a_whole_database(sqlite_database: Database, tmp_path: Path) -> None:
    sqlite_database.write(bump)
    sqlite_database.copy_to(tmp_path / "copy.db")
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        assert copy.execute("SELECT value FROM epochs WHERE name = 'n'").fetchone() == (1,)
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()


def test_a_sqlite_that_is_too_old_is_named(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(Unavailable, match=r"3\.35"):
        open_database(sqlite_url)


@pytest.mark.parametrize("url", ["sqlite:///relative.db", "mysql://host/name"])
def test_an_address_that_cannot_be_used_says_what_can(url: str) -> None:
    with pytest.raises(Invalid, match="sqlite:////"):
        open_database(url)
