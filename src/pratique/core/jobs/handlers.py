"""What runs which kind of job."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pratique.core.clock import SECOND
from pratique.core.database.database import Database
from pratique.core.database.transaction import Transaction
from pratique.core.jobs.errors import Cancelled, Interrupted, LeaseLost
from pratique.core.jobs.queue import JobQueue
from pratique.core.jobs.types import Job, Schedule

T = TypeVar("T")


class JobContext:
    """A handler's view of its job. Everything but `complete_with` may be called any number of times, at no cost."""

    def __init__(self, job: Job, database: Database, queue: JobQueue) -> None:
        self.job = job
        self.database = database
        self._queue = queue
        self._lock = threading.Lock()
        self._progress: tuple[int, int | None, str] | None = None
        self._reason: Exception | None = None
        self.completed = False

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far the job is; stored about once a second."""
        with self._lock:
            self._progress = (done, total, note)

    def raise_if_cancelled(self) -> None:
        """Raise if the job was cancelled, the worker stops, time is over or the lease is lost; let it pass through."""
        if self._reason is not None:
            raise self._reason

    def complete_with(self, body: Callable[[Transaction], T]) -> T:
        """Run `body` now, in the transaction that marks the job done; both are committed, or neither.

        To be called once, as the last step. Raises LeaseLost, with nothing stored, if the job went to another worker.
        """

        def run(tx: Transaction) -> T:
            self._queue.finish(tx, self.job)
            return body(tx)

        value = self.database.write(run)
        self.completed = True
        return value

    def interrupt(self, reason: Cancelled | Interrupted | LeaseLost) -> None:
        """Make the next `raise_if_cancelled` raise `reason`; the first reason stays."""
        with self._lock:
            self._reason = self._reason or reason

    def take_progress(self) -> tuple[int, int | None, str] | None:
        """Return progress not yet stored."""
        with self._lock:
            progress, self._progress = self._progress, None
            return progress


class JobReporter:
    """A progress reporter whose bar is the job's row."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._title = ""
        self._done = 0
        self._total: int | None = None

    def start(self, title: str, total: int | None = None, unit: str = "") -> None:  # noqa: ARG002
        self._title, self._done, self._total = title, 0, total
        self._context.progress(0, total, title)

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._done += amount
        self._context.progress(self._done, self._total, note or self._title)

    def finish(self, note: str = "") -> None:
        self._context.progress(self._done, self._done, note or self._title)


JobHandler = Callable[[JobContext], None]


@dataclass(frozen=True, slots=True)
class Registration:
    """A handler with its limits: seconds for one attempt, and how many may run at once in one worker."""

    handler: JobHandler
    timeout: float
    concurrency: int | None


class JobHandlers:
    """The kinds of jobs that a worker knows; each kind is registered once."""

    def __init__(self) -> None:
        self._registrations: dict[str, Registration] = {}
        self._schedules: dict[str, Schedule] = {}

    def register(
        self, kind: str, handler: JobHandler, *, timeout: float = 600.0, concurrency: int | None = None
    ) -> None:
        """Run jobs of `kind` with `handler`: in a worker thread, synchronous, idempotent."""
        if kind in self._registrations:
            raise ValueError(f"jobs of kind {kind} have a handler already")
        self._registrations[kind] = Registration(handler, timeout, concurrency)

    def schedule(
        self,
        kind: str,
        every: float,
        payload: Mapping[str, Any] | None = None,
        *,
        name: str = "",
        immediately: bool = False,
    ) -> None:
        """Queue a job of `kind` every `every` seconds, never two at a time; the first at start if `immediately`."""
        chosen = name or kind
        self._schedules[chosen] = Schedule(chosen, kind, payload or {}, round(every * SECOND), immediately)

    def find(self, kind: str) -> Registration:
        return self._registrations[kind]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self._registrations)

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        return tuple(self._schedules.values())
