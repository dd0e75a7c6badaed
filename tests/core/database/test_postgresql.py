"""What holds for PostgreSQL alone: lost connections, conflicts, lost listeners."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from pratique.core.database import Database, Transaction, open_database
from pratique.core.database.schema import epochs
from pratique.core.errors import Busy, Unavailable


@pytest.fixture
def ground(postgresql_url: str) -> Iterator[Database]:
    database = open_database(postgresql_url, wait=3.0)
    yield database
    database.close()


def end_connections(url: str) -> int:
    """Do what a restart of the server does to its clients."""
    question = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(url, autocommit=True) as connection:
        return len(connection.execute(question).fetchall())


def put(tx: Transaction, name: str) -> None:
    tx.execute(sa.insert(epochs).values(name=name, shard=0, value=1))


def names(database: Database) -> set[str]:
    return set(database.read(lambda tx: tx.execute(sa.select(epochs.c.name)).scalars().all()))


def test_a_look_at_a_whole_table_is_not_compiled_first(ground: Database) -> None:
    """With sequential scans made endlessly dear, every count would pass the threshold of the compiler: 100 ms each."""
    question = sa.text("EXPLAIN (ANALYZE, TIMING OFF) SELECT name, count(value) FROM epochs GROUP BY name")
    for look in (ground.read, ground.write, ground.read_here):
        plan = look(lambda tx: tx.execute(question).scalars().all())
        assert any("epochs" in line for line in plan)
        assert not any("JIT" in line for line in plan), plan


def test_connections_that_were_lost_are_replaced_unseen(ground: Database, postgresql_url: str) -> None:
    ground.write(lambda tx: put(tx, "before"))
    assert ground.read_here(lambda tx: tx.execute(sa.select(epochs.c.value)).scalar()) == 1
    assert end_connections(postgresql_url) >= 2
    ground.write(lambda tx: put(tx, "after"))
    assert names(ground) == {"before", "after"}
    end_connections(postgresql_url)
    assert names(ground) == {"before", "after"}


def test_a_connection_lost_in_a_body_leads_to_one_change(ground: Database, postgresql_url: str) -> None:
    calls: list[int] = []

    def body(tx: Transaction) -> None:
        put(tx, "once")
        calls.append(1)
        if len(calls) == 1:
            end_connections(postgresql_url)
            tx.execute(sa.select(1))

    ground.write(body)
    assert len(calls) == 2
    assert names(ground) == {"once"}


def test_a_commit_of_unknown_outcome_is_said_so_and_not_repeated(ground: Database, postgresql_url: str) -> None:
    calls: list[int] = []

    def body(tx: Transaction) -> str:
        put(tx, "perhaps")
        calls.append(1)
        end_connections(postgresql_url)
        return tx.writer_id

    with pytest.raises(Unavailable, match="may have been stored"):
        ground.write(body)
    assert calls == [1]


def test_a_server_that_is_gone_is_named(postgresql_url: str) -> None:
    database = open_database(postgresql_url.replace("host=/", "host=/nowhere/"), wait=0.3)
    with pytest.raises(Unavailable, match="does not answer"):
        database.read(lambda tx: tx.execute(sa.select(1)).scalar())
    database.close()


def test_conflicts_that_never_end_are_busy(ground: Database) -> None:
    def body(_tx: Transaction) -> None:
        raise sa.exc.OperationalError("", {}, psycopg.errors.SerializationFailure())

    with pytest.raises(Busy):
        ground.write(body)


def test_a_listener_that_was_cut_off_listens_again(
    ground: Database, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pratique.core.database.notify._RECONNECT", 0.05)
    other: Any = open_database(postgresql_url)
    heard = threading.Event()
    ground.hints.listen("things", lambda _topic: heard.set())
    for round_ in range(2):
        heard.clear()
        end = time.monotonic() + 20
        while not heard.wait(0.1):
            assert time.monotonic() < end, round_
            other.write(lambda tx: tx.hint("things"))
        end_connections(postgresql_url)
    other.close()
