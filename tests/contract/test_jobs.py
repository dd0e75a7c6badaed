"""What the job queue guarantees, on every engine."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from pratique.core.clock import DAY, SECOND, FakeClock, SystemClock
from pratique.core.database import Database, Transaction, open_database
from pratique.core.errors import Conflict, Invalid, NotFound
from pratique.core.jobs import (
    Cancelled,
    GiveUp,
    JobContext,
    JobHandlers,
    JobQueue,
    JobReporter,
    JobState,
    JobStatus,
    LeaseLost,
    Postpone,
    Worker,
)
from pratique.core.jobs.metrics import JobMetrics
from pratique.core.jobs.statements import CANDIDATES
from pratique.core.jobs.tables import schedules
from pratique.core.metrics import METRICS

QUEUE = JobQueue()


def enqueue(database: Database, kind: str = "work", **options: Any) -> str:
    payload = options.pop("payload", {})
    return database.write(lambda tx: QUEUE.enqueue(tx, kind, payload, **options))


def status(database: Database, job_id: str) -> JobStatus:
    return database.read(lambda tx: QUEUE.get(tx, job_id))


def everything(database: Database) -> list[JobStatus]:
    return [one for one in database.read(QUEUE.search) if not one.kind.startswith("core.")]


def handlers(handler: Callable[[JobContext], None], **options: Any) -> JobHandlers:
    made = JobHandlers()
    made.register("work", handler, **options)
    return made


def worker(database: Database, handler: Callable[[JobContext], None], **options: Any) -> Worker:
    limits = {name: options.pop(name) for name in ("timeout", "concurrency") if name in options}
    return Worker(database, QUEUE, handlers(handler, **limits), **options)


def nothing(_context: JobContext) -> None:
    """Succeed."""


def eventually(condition: Callable[[], object], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def live(database_url: str, database: Database) -> Iterator[Database]:
    """A second opening with the machine's clock, for workers that run in threads."""
    opened = open_database(database_url, clock=SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def run(live: Database) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(handler: Callable[[JobContext], None], **options: Any) -> Worker:
        made = worker(live, handler, **({"poll": 0.2} | options))
        made.start()
        started.append(made)
        return made

    yield start
    for made in started:
        made.stop(1)


def test_a_job_exists_exactly_if_its_transaction_was_committed(database: Database) -> None:
    def body(tx: Transaction) -> None:
        QUEUE.enqueue(tx, "work", {"n": 1})
        raise Invalid("no")

    with pytest.raises(Invalid):
        database.write(body)
    assert everything(database) == []
    job_id = enqueue(database, payload={"n": 2})
    assert [(one.id, one.payload) for one in everything(database)] == [(job_id, {"n": 2})]
    with pytest.raises(NotFound):
        status(database, "none")


def test_jobs_run_by_priority_then_by_time(database: Database, clock: FakeClock) -> None:
    order: list[int] = []
    enqueue(database, payload={"n": 3})
    enqueue(database, payload={"n": 2}, priority=10)
    enqueue(database, payload={"n": 4}, run_at=clock.now() + SECOND)
    enqueue(database, payload={"n": 1}, priority=0)
    made = worker(database, lambda context: order.append(context.job.payload["n"]))
    assert made.drain() == 3
    assert order == [1, 2, 3]
    clock.advance(1)
    assert made.drain() == 1
    assert order == [1, 2, 3, 4]


def test_a_unique_key_is_queued_once_and_can_be_used_again(database: Database, clock: FakeClock) -> None:
    first = enqueue(database, unique="scan:1", run_at=clock.now() + DAY, priority=50)
    assert enqueue(database, unique="scan:1", run_at=clock.now(), priority=20) == first
    assert enqueue(database, unique="scan:1", run_at=clock.now() + DAY, priority=90) == first
    assert (status(database, first).priority, status(database, first).run_at) == (20, clock.now())
    assert worker(database, nothing).drain() == 1
    assert database.read(lambda tx: QUEUE.live(tx, "scan:1")) is None
    assert enqueue(database, unique="scan:1") != first


def test_asking_again_for_a_running_job_runs_it_once_more(database: Database) -> None:
    runs: list[int] = []

    def handler(context: JobContext) -> None:
        runs.append(context.job.attempt)
        if len(runs) == 1:
            for _ in range(3):
                assert enqueue(database, unique="scan:1") == context.job.id

    job_id = enqueue(database, unique="scan:1")
    assert worker(database, handler).drain() == 2
    assert runs == [1, 1]
    assert status(database, job_id).state is JobState.DONE


def test_a_lane_runs_one_job_at_a_time_across_workers(live: Database, run: Callable[..., Worker]) -> None:
    running: list[str] = []
    most: list[int] = []
    guard = threading.Lock()

    def handler(context: JobContext) -> None:
        lane = context.job.lane or ""
        with guard:
            running.append(lane)
            most.append(running.count(lane))
        time.sleep(0.01)
        with guard:
            running.remove(lane)

    ids = [enqueue(live, lane=f"lane-{n % 2}") for n in range(20)]
    run(handler)
    run(handler)
    eventually(lambda: all(status(live, one).state is JobState.DONE for one in ids), 30)
    assert max(most) == 1


def test_what_fails_is_repeated_with_growing_pauses_then_kept_with_its_error(
    database: Database, clock: FakeClock
) -> None:
    def handler(_context: JobContext) -> None:
        raise ValueError("password=hunter2")

    job_id = enqueue(database, max_attempts=3)
    made = worker(database, handler)
    pauses = []
    for _ in range(2):
        assert made.drain() == 1
        found = status(database, job_id)
        assert found.state is JobState.QUEUED
        pauses.append((found.run_at - clock.now()) / SECOND)
        clock.advance(pauses[-1])
    assert 1 <= pauses[0] <= 3
    assert 2 <= pauses[1] <= 6
    assert made.drain() == 1
    found = status(database, job_id)
    assert (found.state, found.attempt) == (JobState.DEAD, 3)
    assert found.last_error.startswith("ValueError: password")
    assert "hunter2" not in found.last_error
    clock.advance(3600)
    assert made.drain() <= 1  # the purge, perhaps
    assert status(database, job_id).state is JobState.DEAD


def test_a_dead_job_can_be_revived_by_hand(database: Database) -> None:
    job_id = enqueue(database, unique="u", max_attempts=1)
    worker(database, lambda _context: 1 / 0).drain()
    other = enqueue(database, unique="u")
    with pytest.raises(Conflict):
        database.write(lambda tx: QUEUE.retry(tx, job_id))
    worker(database, nothing).drain()
    with pytest.raises(Conflict):
        database.write(lambda tx: QUEUE.retry(tx, other))
    database.write(lambda tx: QUEUE.retry(tx, job_id))
    worker(database, nothing).drain()
    assert status(database, job_id).state is JobState.DONE


def test_handlers_can_give_up_and_postpone(database: Database, clock: FakeClock) -> None:
    def handler(context: JobContext) -> None:
        if context.job.payload.get("hopeless"):
            raise GiveUp("It will never work.", remedy="Delete it.")
        raise Postpone("not yet", seconds=30)

    hopeless, later = enqueue(database, payload={"hopeless": True}), enqueue(database)
    assert worker(database, handler).drain() == 2
    assert (status(database, hopeless).state, status(database, hopeless).last_error) == (
        JobState.DEAD,
        "It will never work. Delete it.",
    )
    found = status(database, later)
    assert (found.state, found.attempt, found.run_at) == (JobState.QUEUED, 0, clock.now() + 30 * SECOND)


def test_a_result_and_the_end_of_its_job_are_one(database: Database) -> None:
    def handler(context: JobContext) -> None:
        if context.job.payload["n"] == 1:
            context.complete_with(lambda tx: QUEUE.enqueue(tx, "result", {"of": 1}))
        else:
            context.complete_with(_fail)

    good, bad = enqueue(database, payload={"n": 1}), enqueue(database, payload={"n": 2})
    worker(database, handler).drain()
    assert status(database, good).state is JobState.DONE
    assert status(database, bad).state is JobState.QUEUED
    assert [one.payload for one in everything(database) if one.kind == "result"] == [{"of": 1}]


def _fail(tx: Transaction) -> None:
    QUEUE.enqueue(tx, "result", {"of": 2})
    raise Invalid("no")


def test_a_lost_lease_stores_nothing(database: Database, clock: FakeClock) -> None:
    caught: list[str] = []

    def slow(context: JobContext) -> None:
        clock.advance(31)
        assert worker(database, nothing).drain() == 1  # another worker takes the job over
        try:
            context.complete_with(lambda tx: QUEUE.enqueue(tx, "result", {}))
        except LeaseLost as error:
            caught.append(error.code)
            raise

    job_id = enqueue(database)
    worker(database, slow).drain()
    assert caught == ["job-lease-lost"]
    assert status(database, job_id).state is JobState.DONE
    assert status(database, job_id).attempt == 2
    assert [one for one in everything(database) if one.kind == "result"] == []


def test_a_job_whose_workers_die_every_time_is_dead_in_the_end(database: Database, clock: FakeClock) -> None:
    job_id = enqueue(database, max_attempts=2)
    for _ in range(2):
        claimed = database.write_relaxed(lambda tx: QUEUE.claim(tx, {"work": 1}, 1, "gone", 30 * SECOND))
        assert [job.id for job in claimed] == [job_id]
        clock.advance(31)
        database.write(QUEUE.reap)
    found = status(database, job_id)
    assert found.state is JobState.DEAD
    assert "worker ended" in found.last_error


def test_a_lease_is_renewed_while_the_job_runs(live: Database, run: Callable[..., Worker]) -> None:
    attempts: list[int] = []

    def handler(context: JobContext) -> None:
        attempts.append(context.job.attempt)
        time.sleep(2.2)

    job_id = enqueue(live)
    run(handler, lease=1.2)
    run(handler, lease=1.2)
    eventually(lambda: status(live, job_id).state is JobState.DONE)
    assert attempts == [1]


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_when_it_asks(
    live: Database, run: Callable[..., Worker]
) -> None:
    started = threading.Event()

    def handler(context: JobContext) -> None:
        started.set()
        while True:
            context.raise_if_cancelled()
            time.sleep(0.01)

    queued = enqueue(live, run_at=live.clock.now() + DAY)
    assert live.write(lambda tx: QUEUE.cancel(tx, queued)) is JobState.CANCELLED
    running = enqueue(live)
    run(handler)
    assert started.wait(10)
    assert live.write(lambda tx: QUEUE.cancel(tx, running)) is JobState.RUNNING
    eventually(lambda: status(live, running).state is JobState.CANCELLED)
    assert live.write(lambda tx: QUEUE.cancel(tx, running)) is JobState.CANCELLED
    with pytest.raises(Cancelled):
        raise Cancelled("said in the same words")


def test_progress_is_stored_while_the_job_runs(live: Database, run: Callable[..., Worker]) -> None:
    go_on = threading.Event()

    def handler(context: JobContext) -> None:
        reporter = JobReporter(context)
        reporter.start("reading layers", 10)
        for _ in range(4):
            reporter.advance()
        go_on.wait(20)

    job_id = enqueue(live)
    run(handler)
    eventually(lambda: status(live, job_id).progress_done == 4)
    found = status(live, job_id)
    assert (found.progress_total, found.progress_note) == (10, "reading layers")
    go_on.set()
    eventually(lambda: status(live, job_id).state is JobState.DONE)


def test_a_job_that_takes_too_long_is_repeated_and_its_slot_is_free_again(
    live: Database, run: Callable[..., Worker]
) -> None:
    release = threading.Event()
    lost: list[type[Exception]] = []

    def handler(context: JobContext) -> None:
        if context.job.payload.get("slow"):
            release.wait(20)
            try:
                context.complete_with(lambda tx: QUEUE.enqueue(tx, "result", {}))
            except LeaseLost:
                lost.append(LeaseLost)

    slow = enqueue(live, payload={"slow": True}, priority=0, max_attempts=1)
    made = worker(live, handler, timeout=0.5, poll=0.2)
    made._concurrency = 1
    made.start()
    eventually(lambda: status(live, slow).state is JobState.DEAD)
    assert "longer than 0.5 s" in status(live, slow).last_error
    quick = enqueue(live)
    eventually(lambda: status(live, quick).state is JobState.DONE)
    release.set()
    eventually(lambda: lost)
    assert [one for one in everything(live) if one.kind == "result"] == []
    made.stop(1)


def test_stopping_gives_back_what_did_not_end_and_counts_no_attempt(live: Database, run: Callable[..., Worker]) -> None:
    started = threading.Semaphore(0)
    release = threading.Event()

    def handler(context: JobContext) -> None:
        started.release()
        if context.job.payload["polite"]:
            while True:
                context.raise_if_cancelled()
                time.sleep(0.01)
        release.wait(20)

    ids = [enqueue(live, payload={"polite": polite}) for polite in (True, False)]
    made = run(handler)
    assert started.acquire(timeout=10)
    assert started.acquire(timeout=10)
    made.stop(0.3)
    assert [(status(live, one).state, status(live, one).attempt) for one in ids] == [(JobState.QUEUED, 0)] * 2
    release.set()


def test_a_kind_runs_no_more_at_once_than_it_says(live: Database, run: Callable[..., Worker]) -> None:
    running: list[int] = []
    most: list[int] = []

    def handler(_context: JobContext) -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()

    ids = [enqueue(live) for _ in range(8)]
    run(handler, concurrency=1)
    eventually(lambda: all(status(live, one).state is JobState.DONE for one in ids))
    assert max(most) == 1


def test_a_schedule_is_one_row_and_one_job_at_a_time(database: Database, clock: FakeClock) -> None:
    runs: list[int] = []
    workers = []
    for _ in range(2):
        made = handlers(lambda context: runs.append(context.job.payload["n"]))
        made.schedule("work", 60, {"n": 7}, immediately=True)
        workers.append(Worker(database, QUEUE, made))
    assert sum(one.drain() for one in workers) == 1
    assert sum(one.drain() for one in workers) == 0
    for _ in range(3):
        clock.advance(60)
        assert sum(one.drain() for one in workers) == 1
    clock.advance(600)
    assert sum(one.drain() for one in workers) == 1  # what was missed is not made up for
    assert runs == [7] * 5
    rows = database.read(lambda tx: tx.execute(sa.select(schedules.c.name).where(schedules.c.kind == "work")).all())
    assert len(rows) == 1


def test_a_kind_that_nobody_here_knows_is_left_alone(database: Database) -> None:
    job_id = enqueue(database, kind="other")
    assert worker(database, nothing).drain() == 0
    assert status(database, job_id).state is JobState.QUEUED


def test_finished_jobs_are_forgotten_and_dead_ones_later(database: Database, clock: FakeClock) -> None:
    done = enqueue(database)
    worker(database, nothing).drain()
    dead = enqueue(database, max_attempts=1)
    worker(database, lambda _context: 1 / 0).drain()
    waiting = enqueue(database, run_at=clock.now() + 90 * DAY)
    clock.advance(2 * 86400)
    worker(database, nothing).drain()
    with pytest.raises(NotFound):
        status(database, done)
    assert status(database, dead).state is JobState.DEAD
    clock.advance(31 * 86400)
    worker(database, nothing).drain()
    with pytest.raises(NotFound):
        status(database, dead)
    assert status(database, waiting).state is JobState.QUEUED


def test_jobs_can_be_listed_and_counted(database: Database) -> None:
    ids = [enqueue(database) for _ in range(5)]
    enqueue(database, kind="other")
    found = database.read(lambda tx: QUEUE.search(tx, kind="work", limit=2))
    assert [one.id for one in found] == [ids[4], ids[3]]
    rest = database.read(lambda tx: QUEUE.search(tx, kind="work", before=ids[3], states=[JobState.QUEUED]))
    assert [one.id for one in rest] == ids[2::-1]
    assert database.read(QUEUE.counts) == {("work", JobState.QUEUED): 5, ("other", JobState.QUEUED): 1}


def test_a_hint_wakes_the_worker_long_before_it_polls(live: Database, run: Callable[..., Worker]) -> None:
    run(nothing, poll=60.0)
    eventually(lambda: live.read(lambda tx: tx.execute(sa.select(schedules)).all()))
    time.sleep(0.2)
    job_id = enqueue(live)
    eventually(lambda: status(live, job_id).state is JobState.DONE, 10)


def test_without_any_hint_polling_finds_the_job(
    live: Database, database: Database, run: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database.hints, "send", lambda _topics: None)
    run(nothing, poll=0.3)
    time.sleep(0.1)
    job_id = enqueue(database, run_at=0)
    eventually(lambda: status(live, job_id).state is JobState.DONE)


def test_an_idle_worker_asks_only_when_it_polls(
    live: Database, run: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    run(nothing, poll=0.5)
    time.sleep(0.5)
    read, write = live.read, live.write
    monkeypatch.setattr(live, "read", lambda body: calls.append("read") or read(body))
    monkeypatch.setattr(live, "write", lambda body: calls.append("write") or write(body))
    time.sleep(2.0)
    assert "write" not in calls
    assert 1 <= len(calls) <= 6


def test_the_claim_walks_the_queue_in_its_order(sqlite_database: Database) -> None:
    claim = CANDIDATES["sqlite"].params(now=1, most=4, kinds=["work"])
    query = str(claim.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    plan = sqlite_database.read(lambda tx: str(tx.connection.exec_driver_sql("EXPLAIN QUERY PLAN " + query).all()))
    assert "ix_jobs_ready" in plan
    assert "TEMP B-TREE" not in plan


def test_jobs_are_counted_for_whoever_scrapes(database: Database) -> None:
    queue, told = JobQueue(), JobMetrics(database, JobQueue())
    database.write(lambda tx: queue.enqueue_many(tx, "scraped", [({}, None), ({}, "lane")]))
    asyncio.run(told.collect())
    assert 'pratique_jobs{kind="scraped",state="queued"} 2' in METRICS.render()
    [first, _] = database.read(lambda tx: queue.search(tx, kind="scraped"))
    database.write(lambda tx: queue.cancel(tx, first.id))
    asyncio.run(told.collect())
    assert 'pratique_jobs{kind="scraped",state="queued"} 1' in METRICS.render()
