"""Runs jobs: claims with a lease, renews it, repeats what fails, stops in order (ADR 0103)."""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable

from pratique.core.clock import DAY, HOUR, SECOND
from pratique.core.database.database import Database
from pratique.core.database.transaction import Transaction
from pratique.core.errors import PratiqueError
from pratique.core.jobs.attempts import Attempts, Running
from pratique.core.jobs.errors import Cancelled, Interrupted, LeaseLost
from pratique.core.jobs.handlers import JobContext, JobHandlers
from pratique.core.jobs.owner import has_ended, this_owner
from pratique.core.jobs.queue import CANCEL_TOPIC, TOPIC, JobQueue
from pratique.core.jobs.types import Due, Job
from pratique.core.redaction import redact

_LOG = logging.getLogger("pratique.jobs")
PURGE = "core.jobs.purge"
BEAT = 1.0
"""Seconds between looks at progress and time limits while jobs run."""


class Worker:
    """Claims and runs jobs until it is stopped.

    - A job whose worker dies goes to another one when its lease ends, or at once where the death can be seen.
    - A job that runs out of time is repeated; its thread can store nothing more through `complete_with`.
    - Idle, it makes one indexed read every `poll` seconds.
    """

    def __init__(
        self,
        database: Database,
        jobs: JobQueue,
        handlers: JobHandlers,
        *,
        concurrency: int = 4,
        lease: float = 30.0,
        poll: float = 5.0,
        redact: Callable[[str], str] = redact,
    ) -> None:
        self._database = database
        self._queue = jobs
        self._handlers = handlers
        self._attempts = Attempts(database, jobs, redact)
        self._concurrency = concurrency
        self._lease = lease
        self._poll = poll
        self._owner = this_owner()
        self._running: set[Running] = set()
        self._inbox: queue.SimpleQueue[Running | None] = queue.SimpleQueue()
        self._state = threading.Condition()
        self._awake = True
        self._renew_at = 0.0
        self._stopping = False
        self._thread: threading.Thread | None = None
        if PURGE not in handlers.kinds:
            handlers.register(PURGE, purge(jobs), concurrency=1)
            handlers.schedule(PURGE, HOUR / SECOND)

    def start(self) -> None:
        """Run in a thread of its own."""
        self._thread = threading.Thread(target=self.run, name="worker", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Claim and run jobs until `stop`; blocks."""
        forget = self._database.hints.listen(TOPIC, self._on_hint)
        for _ in range(self._concurrency):
            self._add_thread()
        try:
            self._prepare()
            while not self._stopping:
                self._step()
        finally:
            forget()

    def stop(self, grace: float = 10.0) -> None:
        """Claim nothing more, let running jobs end for `grace` seconds, give the rest back to the queue."""
        with self._state:
            self._stopping = True
            self._state.notify_all()
            for running in self._running:
                running.context.interrupt(Interrupted("The worker stops."))
            self._state.wait_for(lambda: not self._running, timeout=grace)
            left = list(self._running)
        for running in left:
            self._attempts.give_back(running)
        for _ in range(self._concurrency):
            self._inbox.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(grace)

    def drain(self, limit: int = 10_000) -> int:
        """Run due jobs on the calling thread until none is left; returns how many attempts that took. For tests."""
        self._prepare()
        for done in range(limit):
            jobs = self._claim(1, housekeeping=True)
            if not jobs:
                return done
            self._run_one(self._begin(jobs[0]))
        return limit

    def _on_hint(self, topic: str) -> None:
        with self._state:
            self._awake = True
            if topic == CANCEL_TOPIC:
                self._renew_at = 0.0
            self._state.notify_all()

    def _prepare(self) -> None:
        """Plan schedules, and take over from workers that have ended."""
        for schedule in self._handlers.schedules:
            self._database.write(lambda tx, plan=schedule: self._queue.plan(tx, plan))  # type: ignore[misc]
        dead = [owner for owner in self._database.read(self._queue.owners) if has_ended(owner)]
        if dead:
            self._database.write(lambda tx: self._queue.reap(tx, dead))

    def _step(self) -> None:
        """Claim what is due, keep what runs, then wait for a reason to go on."""
        try:
            wait = self._fill()
            self._beat()
        except PratiqueError as error:  # busy or unavailable: the queue is still there
            _LOG.warning("the job queue cannot be reached: %s", error)
            wait = min(self._poll, 2.0)
        except Exception:  # noqa: BLE001  the worker outlives every surprise
            _LOG.exception("the worker met an error")
            wait = self._poll
        with self._state:
            if not self._awake and not self._stopping:
                self._state.wait(min(wait, BEAT) if self._running else wait)
            self._awake = False

    def _fill(self) -> float:
        """Fill the free slots; return seconds until there may be more to do."""
        while (free := self._concurrency - len(self._running)) > 0 and not self._stopping:
            due = self._due()
            if due.delay is None or due.delay > 0:
                return self._poll if due.delay is None else min(self._poll, due.delay / SECOND)
            jobs = self._claim(free, housekeeping=due.housekeeping)
            self._hand_out(jobs)
            if not jobs:  # it waits for a lane or a kind's limit: the end of a job wakes this loop
                return self._poll
        return self._poll

    def _due(self) -> Due:
        return self._database.read(lambda tx: self._queue.due(tx, self._handlers.kinds))

    def _claim(self, free: int, *, housekeeping: bool) -> list[Job]:
        def body(tx: Transaction) -> list[Job]:
            if housekeeping:
                self._queue.reap(tx)
                self._queue.queue_scheduled(tx, self._handlers.kinds)
            return self._queue.claim(tx, self._limits(), free, self._owner, round(self._lease * SECOND))

        return self._database.write_relaxed(body)

    def _limits(self) -> dict[str, int]:
        """Return how many more jobs of each kind may begin."""
        with self._state:
            busy = Counter(running.job.kind for running in self._running)
        limits = {}
        for kind in self._handlers.kinds:
            most = self._handlers.find(kind).concurrency
            limits[kind] = self._concurrency if most is None else most - busy[kind]
        return limits

    def _begin(self, job: Job) -> Running:
        running = self._attempts.begin(job, self._handlers.find(job.kind))
        with self._state:
            self._running.add(running)
            if self._stopping:
                running.context.interrupt(Interrupted("The worker stops."))
        return running

    def _hand_out(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._inbox.put(self._begin(job))

    def _add_thread(self) -> None:
        threading.Thread(target=self._serve, name="job", daemon=True).start()

    def _serve(self) -> None:
        """Run jobs one after the other; a thread whose job ran out of time ends with it, having been replaced."""
        while (running := self._inbox.get()) is not None:
            if not self._run_one(running):
                return

    def _run_one(self, running: Running) -> bool:
        self._attempts.run(running)
        with self._state:
            kept = running in self._running
            self._running.discard(running)
            self._awake = True
            self._state.notify_all()
        return kept

    def _beat(self) -> None:
        """Store progress, renew leases, learn of cancellations, and end what ran out of time."""
        now = time.monotonic()
        with self._state:
            held = list(self._running)
        for running in held:
            if now >= running.ends:
                self._replace(running)
        self._store_progress(held)
        if held and now >= self._renew_at:
            self._renew_at = now + self._lease / 3
            self._renew([running for running in held if now < running.ends])

    def _replace(self, running: Running) -> None:
        self._attempts.time_out(running)
        with self._state:
            if running not in self._running:
                return
            self._running.discard(running)
        self._add_thread()

    def _store_progress(self, held: list[Running]) -> None:
        news = [(running.job, news) for running in held if (news := running.context.take_progress()) is not None]
        if news:
            self._database.write(lambda tx: self._queue.progress(tx, news))

    def _renew(self, held: list[Running]) -> None:
        jobs = [running.job for running in held]
        states = self._database.write(lambda tx: self._queue.renew(tx, jobs, round(self._lease * SECOND)))
        for running in held:
            cancelled = states.get((running.job.id, running.job.token))
            if cancelled is None:
                running.context.interrupt(LeaseLost("The job was given to another worker."))
            elif cancelled:
                running.context.interrupt(Cancelled("The job was cancelled."))


def purge(jobs: JobQueue) -> Callable[[JobContext], None]:
    """Return the handler that forgets done jobs after a day and dead ones after thirty."""

    def run(context: JobContext) -> None:
        now = context.database.clock.now()
        while context.database.write(lambda tx: jobs.forget(tx, done_before=now - DAY, dead_before=now - 30 * DAY)):
            context.raise_if_cancelled()

    return run
