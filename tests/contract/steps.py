"""A worker process for the test that kills it: each job has steps, and between any two of them the process may end.

Usage: python steps.py URL HINTS_DIRECTORY
"""

import sys
import time
from pathlib import Path

import sqlalchemy as sa

from pratique.core.database import Id, Transaction, open_database
from pratique.core.jobs import JobContext, JobHandlers, JobQueue, Worker

own = sa.MetaData()
effects = sa.Table(
    "effects",
    own,
    sa.Column("job", Id, primary_key=True),
    sa.Column("steps", sa.Integer, nullable=False),
    sa.Column("results", sa.Integer, nullable=False),
)
STEPS = 3


def step(tx: Transaction, job: str, number: int) -> None:
    """Idempotent, as every step must be: it says what is, not what to add."""
    insert = tx.insert(effects).values(job=job, steps=number, results=0)
    tx.execute(insert.on_conflict_do_update(index_elements=["job"], set_={"steps": number}))


def result(tx: Transaction, job: str) -> None:
    """Not idempotent on purpose: done twice, it shows."""
    tx.execute(sa.update(effects).where(effects.c.job == job).values(results=effects.c.results + 1))


def handle(context: JobContext) -> None:
    for number in range(1, STEPS + 1):
        context.database.write(lambda tx, number=number: step(tx, context.job.id, number))  # type: ignore[misc]
        time.sleep(0.002)
    context.complete_with(lambda tx: result(tx, context.job.id))
    time.sleep(0.002)


def main(url: str, hints: str) -> None:
    handlers = JobHandlers()
    handlers.register("steps", handle)
    database = open_database(url, hints_directory=Path(hints))
    worker = Worker(database, JobQueue(), handlers, lease=3.0, poll=0.2)
    print("ready", flush=True)
    worker.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
