"""A worker that is killed at any point loses nothing and does nothing twice that matters."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.contract.steps import STEPS, effects, own

from pratique.core.clock import SystemClock
from pratique.core.database import Database, open_database
from pratique.core.jobs import JobQueue, JobState
from pratique.core.jobs.owner import has_ended, this_owner

JOBS = 60
QUEUE = JobQueue()


@pytest.fixture
def live(database: Database, database_url: str, state_dir: Path) -> Iterator[Database]:
    opened = open_database(database_url, clock=SystemClock(), hints_directory=state_dir / "hints")
    opened.write(lambda tx: own.create_all(tx.connection))
    yield opened
    opened.close()


@pytest.fixture
def start(database_url: str, state_dir: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        arguments = [sys.executable, str(Path(__file__).with_name("steps.py")), database_url, str(state_dir / "hints")]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def done(database: Database) -> int:
    return database.read(QUEUE.counts).get(("steps", JobState.DONE), 0)


def test_every_job_is_done_once_however_often_workers_are_killed(
    live: Database, start: Callable[[], subprocess.Popen[str]]
) -> None:
    for _ in range(JOBS):
        live.write(lambda tx: QUEUE.enqueue(tx, "steps", {}, max_attempts=100))
    kills, interrupted = 0, 0
    while done(live) < JOBS and kills < 60:
        process = start()
        before = done(live)
        while done(live) == before:  # it works; now end it somewhere
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        interrupted += live.read(QUEUE.counts).get(("steps", JobState.RUNNING), 0)
    if done(live) < JOBS:
        start()
    end = time.monotonic() + 60
    while done(live) < JOBS:
        assert time.monotonic() < end, live.read(QUEUE.counts)
        time.sleep(0.05)
    assert kills >= 3
    assert interrupted > 0, "no job was under way when its worker was killed: nothing was tested"
    rows = live.read(lambda tx: tx.execute(sa.select(effects)).all())
    assert len(rows) == JOBS
    assert {(row.steps, row.results) for row in rows} == {(STEPS, 1)}


def test_a_worker_that_ended_is_recognised_and_a_living_one_is_not() -> None:
    assert not has_ended(this_owner())
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    boot, namespace, _, _ = this_owner().split("/")
    started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    owner = f"{boot}/{namespace}/{process.pid}/{started}"
    assert not has_ended(owner)
    process.kill()
    process.wait()
    assert has_ended(owner)
    assert has_ended(f"{boot}/{namespace}/{os.getpid()}/1"), "the number was given to another process"
    for unknown in (f"other-boot/{namespace}/1/1", f"{boot}/1/{process.pid}/1", "", "nonsense"):
        assert not has_ended(unknown)
