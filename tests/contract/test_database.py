"""What a unit of work guarantees, on every engine."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pratique.core.clock import FakeClock
from pratique.core.database import Database, Epochs, JsonText, TextC, Transaction, create_schema, open_database
from pratique.core.errors import Conflict, Invalid

# A table of the tests' own, on metadata of their own.
own = sa.MetaData()
things = sa.Table(
    "things",
    own,
    sa.Column("name", TextC, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    sa.Column("data", JsonText),
)


@pytest.fixture
def ground(database: Database) -> Database:
    database.write(lambda tx: own.create_all(tx.connection))
    return database


def put(tx: Transaction, name: str, value: int = 1, data: Any = None) -> None:
    tx.execute(sa.insert(things).values(name=name, value=value, data=data))


def names(database: Database) -> list[str]:
    return database.read(lambda tx: list(tx.execute(sa.select(things.c.name).order_by(things.c.name)).scalars()))


def increment(tx: Transaction) -> int:
    value = tx.execute(sa.select(things.c.value).where(things.c.name == "n")).scalar_one()
    tx.execute(sa.update(things).where(things.c.name == "n").values(value=value + 1))
    return int(value)


def test_a_write_returns_its_value_and_is_seen_by_reads(ground: Database) -> None:
    assert ground.write(lambda tx: put(tx, "a") or "done") == "done"
    assert names(ground) == ["a"]
    assert ground.read_here(lambda tx: tx.execute(sa.select(things.c.value)).scalar()) == 1


def test_a_body_that_raises_has_changed_nothing(ground: Database) -> None:
    def body(tx: Transaction) -> None:
        put(tx, "a")
        raise Conflict("no", remedy="none")

    with pytest.raises(Conflict):
        ground.write(body)
    ground.write(lambda tx: put(tx, "b"))
    assert names(ground) == ["b"]


def test_a_broken_constraint_reaches_its_caller_alone(ground: Database) -> None:
    ground.write(lambda tx: put(tx, "a"))
    with pytest.raises(sa.exc.IntegrityError):
        ground.write(lambda tx: put(tx, "a"))
    ground.write(lambda tx: put(tx, "b"))
    assert names(ground) == ["a", "b"]


def test_a_savepoint_undoes_its_part_alone(ground: Database) -> None:
    def body(tx: Transaction) -> None:
        put(tx, "a")
        with pytest.raises(sa.exc.IntegrityError), tx.savepoint():
            tx.execute(sa.insert(things), [{"name": "b", "value": 1}, {"name": "a", "value": 1}])
        put(tx, "c")

    ground.write(body)
    assert names(ground) == ["a", "c"]


def test_no_update_is_lost_between_threads(ground: Database) -> None:
    ground.write(lambda tx: put(tx, "n", 0))
    threads = [threading.Thread(target=lambda: [ground.write(increment) for _ in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ground.read(lambda tx: tx.execute(sa.select(things.c.value)).scalar()) == 100


def test_no_update_is_lost_between_two_openings(ground: Database, database_url: str) -> None:
    """Two openings of one database stand for two processes: each has its own writer."""
    other = open_database(database_url)
    ground.write(lambda tx: put(tx, "n", 0))
    threads = [
        threading.Thread(target=lambda one=one: [one.write(increment) for _ in range(25)]) for one in (ground, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.read(lambda tx: tx.execute(sa.select(things.c.value)).scalar()) == 50
    other.close()


def test_a_read_sees_one_state_and_cannot_write(ground: Database) -> None:
    ground.write(lambda tx: put(tx, "a"))

    def body(tx: Transaction) -> tuple[int, int]:
        count = sa.select(sa.func.count()).select_from(things)
        before = tx.execute(count).scalar_one()
        ground.write(lambda inner: put(inner, "b"))
        return before, tx.execute(count).scalar_one()

    assert ground.read(body) == (1, 1)
    for read in (ground.read, ground.read_here):
        with pytest.raises((sa.exc.DBAPIError, Exception), match=r"(?i)read-?only|does not answer"):
            read(lambda tx: put(tx, "c"))
    assert names(ground) == ["a", "b"]


def test_async_calls_do_the_same_and_many_at_once(ground: Database) -> None:
    async def run() -> list[int]:
        await ground.write_async(lambda tx: put(tx, "n", 0))
        await asyncio.gather(*(ground.write_async(increment) for _ in range(60)))
        with pytest.raises(Invalid):
            await ground.write_async(_raise_invalid)
        return await ground.read_async(lambda tx: list(tx.execute(sa.select(things.c.value)).scalars()))

    assert asyncio.run(run()) == [60]


def _raise_invalid(_tx: Transaction) -> None:
    raise Invalid("no")


def test_a_cancelled_caller_stops_nobody_else(ground: Database) -> None:
    async def run() -> None:
        tasks = [asyncio.create_task(ground.write_async(lambda tx, n=n: put(tx, f"k{n}"))) for n in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [one for one in done[1::2] if one is not None] == []

    asyncio.run(run())
    assert {f"k{n}" for n in range(1, 20, 2)} <= set(names(ground))


def test_hooks_and_hints_come_after_the_commit_only(ground: Database) -> None:
    seen: list[str] = []
    heard = threading.Event()
    ground.hints.listen("things", lambda topic: (seen.append(topic), heard.set()))

    def body(tx: Transaction) -> None:
        put(tx, "a")
        tx.after_commit(lambda: seen.append(",".join(names(ground))))
        tx.hint("things.changed")
        assert seen == []

    ground.write(body)
    assert heard.wait(5)
    assert sorted(seen) == ["a", "things.changed"]

    def fails(tx: Transaction) -> None:
        body(tx)
        raise Invalid("no")

    seen.clear()
    with pytest.raises((Invalid, sa.exc.IntegrityError)):
        ground.write(fails)
    assert seen == []


def test_a_hook_that_fails_harms_nobody(ground: Database, caplog: pytest.LogCaptureFixture) -> None:
    def body(tx: Transaction) -> str:
        put(tx, "a")
        tx.after_commit(lambda: 1 / 0)
        return "stored"

    assert ground.write(body) == "stored"
    assert names(ground) == ["a"]
    assert "ZeroDivisionError" in caplog.text


def test_hints_reach_another_process(ground: Database, database_url: str, state_dir: Path) -> None:
    other = open_database(database_url, hints_directory=state_dir / "hints")
    heard = threading.Event()
    other.hints.listen("things", lambda _topic: heard.set())
    for _ in range(50):  # a listener on PostgreSQL needs a moment to connect, and hints may be lost
        ground.write(lambda tx: tx.hint("things.changed"))
        if heard.wait(0.1):
            break
    assert heard.is_set()
    other.close()


def test_a_writer_remembers_what_was_committed_and_nothing_else(ground: Database) -> None:
    def remember(tx: Transaction, value: int, *, fail: bool = False) -> tuple[str, int]:
        before = tx.memory.get("n", 0)
        tx.memory["n"] = value
        if fail:
            raise Invalid("no")
        return tx.writer_id, before

    writer, before = ground.write(lambda tx: remember(tx, 1))
    assert before == 0
    with pytest.raises(Invalid):
        ground.write(lambda tx: remember(tx, 2, fail=True))
    assert ground.write(lambda tx: remember(tx, 3)) == (writer, 1)


def test_now_stands_still_within_a_transaction(ground: Database, clock: FakeClock) -> None:
    def body(tx: Transaction) -> tuple[int, int]:
        first = tx.now
        clock.advance(5)
        return first, tx.now

    start = clock.now()
    assert ground.write(body) == (start, start)


def test_json_and_text_come_back_as_they_were(ground: Database) -> None:
    data = {"b": [1, 2.5, None, True], "a": {"x": "ß\u2028"}}
    ground.write(lambda tx: put(tx, "ä", data=data))
    for name in ("Z", "a", "É", "_"):
        ground.write(lambda tx, name=name: put(tx, name))
    assert names(ground) == sorted(["ä", "Z", "a", "É", "_"])  # by code point, on every engine
    stored = ground.read(lambda tx: tx.execute(sa.select(things.c.data).where(things.c.name == "ä")).scalar())
    assert stored == data


def test_conflicts_can_be_answered_in_the_same_words(ground: Database) -> None:
    def upsert(tx: Transaction) -> None:
        insert = tx.insert(things).values(name="a", value=1)
        tx.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": things.c.value + 1}))
        tx.execute(tx.insert(things).values(name="a", value=9).on_conflict_do_nothing())

    for _ in range(3):
        ground.write(upsert)
    assert ground.read(lambda tx: tx.execute(sa.select(things.c.value)).scalar()) == 3


def test_bulk_work_is_committed_in_pieces(ground: Database) -> None:
    def items() -> Iterator[int]:
        for number in range(300):
            if number == 250:
                raise Invalid("the source ends")
            yield number

    with pytest.raises(Invalid):
        ground.in_pieces(items(), lambda tx, number: put(tx, f"{number:04}"))
    assert len(names(ground)) >= 60
    assert ground.in_pieces(range(1000, 1200), lambda tx, number: put(tx, f"{number:04}")) == 200
    assert len([name for name in names(ground) if name >= "1000"]) == 200
    assert ground.in_pieces([], put) == 0


def test_batches_of_bulk_work_follow_what_they_cost(ground: Database) -> None:
    sizes: list[int] = []

    def cheap(tx: Transaction, part: Sequence[int]) -> None:
        sizes.append(len(part))
        for number in part:
            put(tx, f"{number:04}")

    def dear(_tx: Transaction, part: Sequence[int]) -> None:
        sizes.append(len(part))
        time.sleep(0.002 * len(part))

    assert ground.in_batches(range(300), cheap, first=2) == 300
    assert names(ground) == [f"{number:04}" for number in range(300)]
    assert sum(sizes) == 300
    assert max(sizes) > 2
    sizes.clear()
    assert ground.in_batches(range(200), dear, first=64) == 200
    assert sizes[:3] == [64, 32, 16]
    assert max(sizes[3:]) <= 10
    assert ground.in_batches([], dear) == 0


def test_epochs_are_current_here_at_once_and_elsewhere_within_a_second(
    ground: Database, database_url: str, state_dir: Path
) -> None:
    other = open_database(database_url, hints_directory=state_dir / "hints")
    here, there = Epochs(ground), Epochs(other)
    assert (here.current("a"), there.current("a")) == (0, 0)
    for expected in range(1, 30):
        ground.write(lambda tx: here.bump(tx, "a"))
        assert here.current("a") == expected
    assert here.current("b") == 0
    deadline = threading.Event()
    deadline.wait(1.1)
    assert there.current("a") == 29
    other.close()


def test_an_epoch_bump_that_fails_changes_nothing(ground: Database) -> None:
    epochs = Epochs(ground)

    def body(tx: Transaction) -> None:
        epochs.bump(tx, "a")
        raise Invalid("no")

    with pytest.raises(Invalid):
        ground.write(body)
    assert epochs.current("a") == 0


def test_an_epoch_that_cannot_be_read_is_not_made_up(ground: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = Epochs(ground)
    assert epochs.current("a") == 0
    monkeypatch.setattr(ground, "read_here", _refuse)
    ground.hints.deliver(["epoch:a"])
    with pytest.raises(ConnectionError):
        epochs.current("a")


def _refuse(_body: Any) -> None:
    raise ConnectionError("gone")


def test_closing_refuses_what_comes_later(database_url: str) -> None:
    database = open_database(database_url)
    create_schema(database)
    database.close()
    with pytest.raises(Exception, match=r"closed|shutdown"):
        asyncio.run(database.write_async(lambda _tx: None))
