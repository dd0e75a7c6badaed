"""The leased table: jobs are put in within the transaction that needs them, and taken out by one worker at a time."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.database.transaction import Transaction
from pratique.core.errors import Conflict, NotFound
from pratique.core.ids import new_id
from pratique.core.jobs import statements
from pratique.core.jobs.errors import LeaseLost
from pratique.core.jobs.tables import jobs, schedules
from pratique.core.jobs.types import Due, Job, JobState, JobStatus, Schedule

TOPIC = "jobs"
"""Hint: there may be something to claim."""
CANCEL_TOPIC = "jobs.cancel"
PROGRESS_TOPIC = "progress"
"""Hint: the progress of some job has changed."""

_STATUS_COLUMNS = [jobs.c[name] for name in JobStatus.__dataclass_fields__]
_LIVE = ("queued", "running")
_ATTEMPTS = 8


class JobQueue:
    """Jobs of one database.

    - A job exists exactly if the transaction that queued it was committed.
    - A live unique key exists once: asking again for a queued job returns it (at the earlier time, the higher
      priority); asking again for a running one makes it run once more after it is done, so no change is missed.
    - At most one job of a lane runs at a time.
    - A job ends only through the worker that holds its lease.
    """

    def enqueue(
        self,
        tx: Transaction,
        kind: str,
        payload: Mapping[str, Any],
        *,
        unique: str | None = None,
        priority: int = 50,
        run_at: int | None = None,
        lane: str | None = None,
        max_attempts: int = _ATTEMPTS,
    ) -> str:
        """Queue a job in `tx` and return its id (of the live one, if `unique` is taken). Priority 0 goes first."""
        values = {
            **_new(tx, kind, payload, priority, lane), "unique_key": unique, "max_attempts": max_attempts,
            "run_at": tx.now if run_at is None else run_at,
        }  # fmt: skip
        statement = statements.ENQUEUE if unique is None else statements.ENQUEUE_UNIQUE[tx.dialect]
        job_id = tx.execute(statement, values).scalar_one()
        tx.hint(TOPIC)
        return str(job_id)

    def enqueue_many(
        self,
        tx: Transaction,
        kind: str,
        payloads: Sequence[tuple[Mapping[str, Any], str | None]],
        *,
        priority: int = 50,
    ) -> None:
        """Queue a job for each (payload, lane) in one statement."""
        if payloads:
            tx.execute(statements.ENQUEUE_MANY, [_new(tx, kind, each, priority, lane) for each, lane in payloads])
            tx.hint(TOPIC)

    def cancel(self, tx: Transaction, job_id: str) -> JobState:
        """End a queued job at once and ask a running one to stop; returns the state after that."""
        queued = tx.execute(
            sa.update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state == "queued")
            .values(state="cancelled", cancel_requested=True, finished_at=tx.now)
        )
        if queued.rowcount:
            return JobState.CANCELLED
        tx.execute(
            sa.update(jobs)
            .where(jobs.c.id == job_id, jobs.c.state == "running")
            .values(cancel_requested=True, again=False)
        )
        tx.hint(CANCEL_TOPIC)
        return self.get(tx, job_id).state

    def retry(self, tx: Transaction, job_id: str) -> None:
        """Queue a dead or cancelled job again, with all its attempts; Conflict if its unique key is live elsewhere."""
        status = self.get(tx, job_id)
        if status.state not in (JobState.DEAD, JobState.CANCELLED):
            raise Conflict(f"The job is {status.state}.", remedy="Only dead and cancelled jobs can be repeated.")
        revived = sa.update(jobs).where(jobs.c.id == job_id)
        try:
            with tx.savepoint():
                tx.execute(
                    revived.values(
                        state="queued", attempt=0, run_at=tx.now, finished_at=None, cancel_requested=False, again=False
                    )
                )
        except sa.exc.IntegrityError:
            raise Conflict("The same work is queued already.", remedy="Wait for that job.") from None
        tx.hint(TOPIC)

    def get(self, tx: Transaction, job_id: str) -> JobStatus:
        row = tx.execute(sa.select(*_STATUS_COLUMNS).where(jobs.c.id == job_id)).one_or_none()
        if row is None:
            raise NotFound("There is no such job.", remedy="Finished jobs are forgotten after a day.")
        return _status(row)

    def search(
        self,
        tx: Transaction,
        *,
        states: Collection[JobState] = (),
        kind: str = "",
        before: str = "",
        limit: int = 100,
    ) -> list[JobStatus]:
        """Return jobs, newest first, older than the id `before`."""
        query = sa.select(*_STATUS_COLUMNS).order_by(jobs.c.id.desc()).limit(limit)
        if states:
            query = query.where(jobs.c.state.in_(list(states)))
        if kind:
            query = query.where(jobs.c.kind == kind)
        if before:
            query = query.where(jobs.c.id < before)
        return [_status(row) for row in tx.execute(query)]

    def live(self, tx: Transaction, unique: str) -> JobStatus | None:
        """Return the queued or running job with this unique key."""
        query = sa.select(*_STATUS_COLUMNS).where(jobs.c.unique_key == unique, jobs.c.state.in_(_LIVE))
        row = tx.execute(query).one_or_none()
        return _status(row) if row else None

    def counts(self, tx: Transaction, states: Collection[JobState] = ()) -> dict[tuple[str, JobState], int]:
        """Return how many jobs there are, by kind and state; only these states when given."""
        query = sa.select(jobs.c.kind, jobs.c.state, sa.func.count().label("total")).group_by(jobs.c.kind, jobs.c.state)
        if states:
            query = query.where(jobs.c.state.in_(list(states)))
        return {(row.kind, JobState(row.state)): row.total for row in tx.execute(query)}

    # What follows is for the worker.

    def claim(self, tx: Transaction, kinds: Mapping[str, int], limit: int, owner: str, lease: int) -> list[Job]:
        """Take up to `limit` due jobs, of each kind at most as many as `kinds` says, for `lease` microseconds."""
        chosen = _choose(tx, kinds, limit)
        if not chosen:
            return []
        if tx.dialect == "sqlite":
            return self._take(tx, chosen, owner, lease)
        try:
            with tx.savepoint():
                return self._take(tx, chosen, owner, lease)
        except sa.exc.IntegrityError:  # another worker has just begun a job of one of the lanes
            return self._take_singly(tx, chosen, owner, lease)

    def due(self, tx: Transaction, kinds: Collection[str]) -> Due:
        """Return when the next job, lease or schedule is due."""
        row = tx.execute(statements.DUE, {"kinds": list(kinds)}).one()
        return Due(tx.now, row.job, row.lease, row.schedule)

    def renew(self, tx: Transaction, held: Sequence[Job], lease: int) -> dict[tuple[str, str], bool]:
        """Extend leases; returns, for each (id, token) still held, whether the job is to be cancelled."""
        if not held:
            return {}
        rows = tx.execute(
            sa.update(jobs)
            .where(jobs.c.id.in_([job.id for job in held]), jobs.c.lease_token.in_({job.token for job in held}))
            .values(lease_until=tx.now + lease)
            .returning(jobs.c.id, jobs.c.lease_token, jobs.c.cancel_requested)
        )
        return {(row.id, row.lease_token): row.cancel_requested for row in rows}

    def progress(self, tx: Transaction, news: Sequence[tuple[Job, tuple[int, int | None, str]]]) -> None:
        """Store (done, total, note) of jobs that are still held."""
        for job, (done, total, note) in news:
            values = {"held_id": job.id, "held_token": job.token, "done": done, "total": total, "note": note[:200]}
            tx.execute(statements.PROGRESS, values)
        tx.hint(PROGRESS_TOPIC)

    def finish(self, tx: Transaction, job: Job) -> None:
        """Mark the job done (or queue it again if it was asked for meanwhile); LeaseLost if it is not held."""
        self._end(tx, job, statements.FINISH)

    def fail(self, tx: Transaction, job: Job, error: str, retry_in: int | None) -> None:
        """Queue the job again after `retry_in` microseconds, or, if that is None, move it to the dead letters."""
        if retry_in is not None:
            self._end(tx, job, statements.RETRY, run_at=tx.now + retry_in, error=error)
        else:
            self._end(tx, job, statements.BURY, error=error)

    def release(self, tx: Transaction, job: Job, note: str = "", after: int = 0) -> None:
        """Give the job back; the attempt does not count."""
        self._end(tx, job, statements.RELEASE, run_at=tx.now + after, error=note)

    def end_cancelled(self, tx: Transaction, job: Job) -> None:
        self._end(tx, job, statements.END_CANCELLED)

    def reap(self, tx: Transaction, dead_owners: Collection[str] = ()) -> int:
        """Give jobs whose lease has run out, or whose owner is known to have ended, to others; returns how many."""
        return tx.execute(statements.REAP, {"now": tx.now, "owners": list(dead_owners)}).rowcount

    def owners(self, tx: Transaction) -> list[str]:
        query = sa.select(jobs.c.lease_owner).where(jobs.c.state == "running").distinct()
        return [owner for owner in tx.execute(query).scalars() if owner]

    def plan(self, tx: Transaction, schedule: Schedule) -> None:
        """Keep one row for `schedule`; what is already planned stays, unless it is further off than one interval."""
        one_interval = tx.now + schedule.every
        values = {"kind": schedule.kind, "payload": dict(schedule.payload), "every": schedule.every}
        first = tx.now if schedule.immediately else one_interval
        insert = tx.insert(schedules).values(name=schedule.name, next_at=first, **values)
        nearer = sa.case((schedules.c.next_at > one_interval, one_interval), else_=schedules.c.next_at)
        tx.execute(insert.on_conflict_do_update(index_elements=["name"], set_={**values, "next_at": nearer}))

    def queue_scheduled(self, tx: Transaction, kinds: Collection[str]) -> None:
        """Queue a job for each schedule that is due, once, however many workers ask."""
        due = tx.execute(statements.DUE_SCHEDULES, {"now": tx.now, "kinds": list(kinds)}).all()
        for row in due:
            self.enqueue(tx, row.kind, row.payload, unique=f"schedule:{row.name}", max_attempts=3)

    def forget(self, tx: Transaction, *, done_before: int, dead_before: int, limit: int = 500) -> int:
        """Delete up to `limit` jobs that ended before the given instants; returns how many."""
        old = sa.select(jobs.c.id).where(
            sa.or_(
                sa.and_(jobs.c.finished_at < done_before, jobs.c.state.in_(("done", "cancelled"))),
                sa.and_(jobs.c.finished_at < dead_before, jobs.c.state == "dead"),
            )
        )
        return tx.execute(sa.delete(jobs).where(jobs.c.id.in_(old.limit(limit)))).rowcount

    def _take(self, tx: Transaction, ids: Collection[str], owner: str, lease: int) -> list[Job]:
        token = new_id()
        values = {"ids": list(ids), "token": token, "owner": owner, "until": tx.now + lease, "now": tx.now}
        rows = tx.execute(statements.TAKE, values).all()
        order = {job_id: place for place, job_id in enumerate(ids)}
        return [_job(row, token) for row in sorted(rows, key=lambda row: order[row.id])]

    def _take_singly(self, tx: Transaction, ids: Collection[str], owner: str, lease: int) -> list[Job]:
        taken: list[Job] = []
        for job_id in ids:
            try:
                with tx.savepoint():
                    taken += self._take(tx, [job_id], owner, lease)
            except sa.exc.IntegrityError:
                continue
        return taken

    def _end(self, tx: Transaction, job: Job, statement: sa.Update, **values: Any) -> None:
        parameters = {"now": tx.now, "held_id": job.id, "held_token": job.token, **values}
        if tx.execute(statement, parameters).rowcount != 1:
            raise LeaseLost(f"The job {job.id} is no longer held by this worker.", kind=job.kind)
        if job.lane is not None:
            tx.hint(TOPIC)


def _new(tx: Transaction, kind: str, payload: Mapping[str, Any], priority: int, lane: str | None) -> dict[str, Any]:
    return {
        "id": new_id(), "kind": kind, "payload": dict(payload), "priority": priority, "lane": lane, "run_at": tx.now,
        "unique_key": None, "max_attempts": _ATTEMPTS, "created_at": tx.now,
    }  # fmt: skip


def _choose(tx: Transaction, kinds: Mapping[str, int], limit: int) -> list[str]:
    """Return ids of due jobs in their order: lanes that are free and once each, kinds up to their limits."""
    open_kinds = [kind for kind, free in kinds.items() if free > 0]
    rows = tx.execute(statements.CANDIDATES[tx.dialect], {"now": tx.now, "kinds": open_kinds, "most": limit * 4})
    left, lanes, chosen = dict(kinds), set[str](), list[str]()
    for row in rows:
        if len(chosen) < limit and left[row.kind] > 0 and row.lane not in lanes:
            left[row.kind] -= 1
            chosen.append(row.id)
            if row.lane is not None:
                lanes.add(row.lane)
    return chosen


def _status(row: Any) -> JobStatus:
    values = row._asdict()
    return JobStatus(**{**values, "state": JobState(values["state"])})


def _job(row: Any, token: str) -> Job:
    return Job(
        id=row.id, kind=row.kind, payload=row.payload, attempt=row.attempt, max_attempts=row.max_attempts,
        lane=row.lane, token=token,
    )  # fmt: skip
