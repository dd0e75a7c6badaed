"""The statements of the queue, built once: building one costs more than running it."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pratique.core.database.transaction import DialectName
from pratique.core.jobs.tables import jobs, schedules

_c = jobs.c
_now: sa.BindParameter[int] = sa.bindparam("now", type_=sa.BigInteger)
_error: sa.BindParameter[str] = sa.bindparam("error", type_=sa.Text)
_LIVE = _c.state.in_((sa.literal_column("'queued'"), sa.literal_column("'running'")))
_QUEUED = _c.state == sa.literal_column("'queued'")
_RUNNING = _c.state == sa.literal_column("'running'")
_KINDS: sa.BindParameter[list[str]] = sa.bindparam("kinds", expanding=True)
_FREE: dict[str, Any] = {"lease_token": None, "lease_owner": None, "lease_until": None}

_NEW: dict[str, Any] = {
    **{name: sa.bindparam(name) for name in ("id", "kind", "priority", "run_at", "lane", "unique_key", "max_attempts")},
    "payload": sa.bindparam("payload", type_=_c.payload.type),
    "created_at": sa.bindparam("created_at"),
    "state": sa.literal("queued"),
    "again": sa.false(),
    "attempt": 0,
    "cancel_requested": sa.false(),
    "progress_done": 0,
    "progress_note": "",
    "last_error": "",
}
ENQUEUE_MANY = sa.insert(jobs).values(**_NEW)
ENQUEUE = ENQUEUE_MANY.returning(_c.id)


def _unique(insert: Any) -> Any:
    """Return an insert that, where the unique key is live, makes the live job run again, sooner or before others."""
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[_c.unique_key],
        index_where=_LIVE,
        set_={
            "again": sa.or_(_c.again, _RUNNING),
            "priority": sa.case((new.priority < _c.priority, new.priority), else_=_c.priority),
            "run_at": sa.case((new.run_at < _c.run_at, new.run_at), else_=_c.run_at),
        },
    ).returning(_c.id)


ENQUEUE_UNIQUE: dict[DialectName, Any] = {
    "sqlite": _unique(sqlite.insert(jobs).values(**_NEW)),
    "postgresql": _unique(postgresql.insert(jobs).values(**_NEW)),
}

DUE = sa.select(
    sa.select(sa.func.min(_c.run_at)).where(_QUEUED, _c.kind.in_(_KINDS)).scalar_subquery().label("job"),
    sa.select(sa.func.min(_c.lease_until)).where(_RUNNING).scalar_subquery().label("lease"),
    sa.select(sa.func.min(schedules.c.next_at)).where(schedules.c.kind.in_(_KINDS)).scalar_subquery().label("schedule"),
)

_other = jobs.alias("other")
_busy = sa.exists().where(_other.c.lane == _c.lane, _other.c.state == sa.literal_column("'running'"))
_candidates = (
    sa.select(_c.id, _c.kind, _c.lane)
    # "+ 0" keeps SQLite from choosing the index on run_at and sorting the whole queue for each claim.
    .where(_QUEUED, _c.run_at + 0 <= _now, _c.kind.in_(_KINDS))
    .where(sa.or_(_c.lane.is_(None), sa.not_(_busy)))
    .order_by(_c.priority, _c.run_at, _c.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
CANDIDATES: dict[DialectName, sa.Select[Any]] = {
    "sqlite": _candidates,
    "postgresql": _candidates.with_for_update(skip_locked=True, of=jobs),
}

TAKE = (
    sa.update(jobs)
    .where(_c.id.in_(sa.bindparam("ids", expanding=True)), _QUEUED)
    .values(
        state="running",
        lease_token=sa.bindparam("token"),
        lease_owner=sa.bindparam("owner"),
        lease_until=sa.bindparam("until"),
        attempt=_c.attempt + 1,
        started_at=_now,
        progress_done=0,
        progress_total=None,
        progress_note="",
    )
    .returning(_c.id, _c.kind, _c.payload, _c.attempt, _c.max_attempts, _c.lane)
)

HELD = (_c.id == sa.bindparam("held_id"), _c.lease_token == sa.bindparam("held_token"), _RUNNING)
_held = sa.update(jobs).where(*HELD)

PROGRESS = _held.values(
    progress_done=sa.bindparam("done"), progress_total=sa.bindparam("total"), progress_note=sa.bindparam("note")
)


def _ended(state: str, error: Any) -> sa.Update:
    """Return the end of a job, unless it was asked for again while it ran: then it begins anew."""
    return _held.values(
        state=sa.case((_c.again, "queued"), else_=state),
        attempt=sa.case((_c.again, 0), else_=_c.attempt),
        finished_at=sa.case((_c.again, None), else_=_now),
        run_at=_now,
        again=sa.false(),
        last_error=error,
        **_FREE,
    )


FINISH = _ended("done", "")
BURY = _ended("dead", _error)
RETRY = _held.values(state="queued", run_at=sa.bindparam("run_at"), last_error=_error, **_FREE)
RELEASE = _held.values(
    state="queued", run_at=sa.bindparam("run_at"), last_error=_error, attempt=_c.attempt - 1, **_FREE
)
END_CANCELLED = _held.values(state="cancelled", finished_at=_now, **_FREE)

_hopeless = sa.and_(_c.attempt >= _c.max_attempts, sa.not_(_c.again))
REAP = (
    sa.update(jobs)
    .where(_RUNNING, sa.or_(_c.lease_until < _now, _c.lease_owner.in_(sa.bindparam("owners", expanding=True))))
    .values(
        state=sa.case((_c.cancel_requested, "cancelled"), (_hopeless, "dead"), else_="queued"),
        finished_at=sa.case((sa.or_(_c.cancel_requested, _hopeless), _now), else_=None),
        run_at=_now,
        last_error="The worker ended, or did not answer, while it had this job.",
        **_FREE,
    )
)

DUE_SCHEDULES = (
    sa.update(schedules)
    .where(schedules.c.next_at <= _now, schedules.c.kind.in_(_KINDS))
    .values(next_at=_now + schedules.c.every)
    .returning(schedules.c.name, schedules.c.kind, schedules.c.payload)
)
