"""One attempt at one job, and what becomes of the job after it."""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pratique.core.clock import SECOND
from pratique.core.database.database import Database
from pratique.core.database.transaction import Transaction
from pratique.core.errors import PratiqueError
from pratique.core.jobs.errors import Cancelled, GiveUp, Interrupted, LeaseLost, Postpone
from pratique.core.jobs.handlers import JobContext, Registration
from pratique.core.jobs.queue import JobQueue
from pratique.core.jobs.types import Job
from pratique.core.telemetry import span

_LOG = logging.getLogger("pratique.jobs")
LONGEST_PAUSE = 900.0
"""Seconds between two attempts, at most."""
_ERROR_LENGTH = 2000


def pause_before(attempt: int) -> float:
    """Return seconds to wait after a failed `attempt`: 2, 4, 8 … with 50 % jitter either way, at most 15 minutes."""
    return min(2.0 ** min(attempt, 16), LONGEST_PAUSE) * random.uniform(0.5, 1.5)  # noqa: S311  spreads, guards nothing


@dataclass(slots=True, eq=False)
class Running:
    """A claimed job on its way through a worker."""

    job: Job
    context: JobContext
    registration: Registration
    ends: float
    """Monotonic instant at which its time is over."""
    settled: bool = False
    """What becomes of the job has been decided; whoever comes later changes nothing."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self) -> bool:
        """Whether the caller is the first, and so decides."""
        with self.lock:
            first, self.settled = not self.settled, True
            return first


class Attempts:
    """Runs handlers and records the outcome; every method may be called from any thread and does not raise."""

    def __init__(self, database: Database, queue: JobQueue, redact: Callable[[str], str]) -> None:
        self._database = database
        self._queue = queue
        self._redact = redact

    def begin(self, job: Job, registration: Registration) -> Running:
        context = JobContext(job, self._database, self._queue)
        return Running(job, context, registration, time.monotonic() + registration.timeout)

    def run(self, running: Running) -> None:
        """Call the handler and settle the job by what it does."""
        try:
            running.context.raise_if_cancelled()
            with span(f"job {running.job.kind}", {"job_id": running.job.id, "attempt": running.job.attempt}):
                running.registration.handler(running.context)
        except BaseException as error:  # noqa: BLE001  every outcome is recorded
            if running.settle():
                self._record(running, error)
        else:
            if running.settle() and not running.context.completed:
                self._store(running, lambda tx: self._queue.finish(tx, running.job))

    def give_back(self, running: Running) -> None:
        """Return a job that did not end in time for the worker's stop."""
        if running.settle():
            self._store(running, lambda tx: self._queue.release(tx, running.job))

    def time_out(self, running: Running) -> None:
        """Count the attempt as failed; its thread goes on, and can store nothing through its context."""
        if running.settle():
            seconds = running.registration.timeout
            running.context.interrupt(LeaseLost(f"The job ran longer than {seconds:g} s."))
            self._fail(running, f"The job ran longer than {seconds:g} s.")

    def _record(self, running: Running, error: BaseException) -> None:
        job, queue = running.job, self._queue
        if running.context.completed or isinstance(error, LeaseLost):
            _LOG.warning("job %s (%s) met an error after its end: %s", job.id, job.kind, self._text(error))
        elif isinstance(error, Cancelled):
            self._store(running, lambda tx: queue.end_cancelled(tx, job))
        elif isinstance(error, Interrupted):
            self._store(running, lambda tx: queue.release(tx, job))
        elif isinstance(error, Postpone):
            after = round(error.seconds * SECOND)
            self._store(running, lambda tx: queue.release(tx, job, self._text(error), after))
        elif isinstance(error, GiveUp):
            self._store(running, lambda tx: queue.fail(tx, job, self._text(error), None))
        else:
            _LOG.warning("job %s (%s) failed: %s", job.id, job.kind, self._text(error), exc_info=error)
            self._fail(running, self._text(error))

    def _fail(self, running: Running, text: str) -> None:
        job = running.job
        retry = round(pause_before(job.attempt) * SECOND) if job.attempt < job.max_attempts else None
        self._store(running, lambda tx: self._queue.fail(tx, job, text, retry))

    def _store(self, running: Running, body: Callable[[Transaction], None]) -> None:
        try:
            self._database.write(body)
        except PratiqueError as error:
            # Not stored: the lease runs out and another attempt is made.
            _LOG.warning("the end of job %s (%s) was not recorded: %s", running.job.id, running.job.kind, error)

    def _text(self, error: BaseException) -> str:
        text = f"{type(error).__name__}: {error}" if not isinstance(error, PratiqueError) else str(error)
        return self._redact(text)[:_ERROR_LENGTH]
