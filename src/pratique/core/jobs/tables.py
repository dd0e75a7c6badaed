"""The queue: one row per job, and one per schedule."""

import sqlalchemy as sa

from pratique.core.database.schema import Id, JsonText, Micros, TextC, metadata

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("kind", TextC, nullable=False),
    sa.Column("payload", JsonText, nullable=False),
    sa.Column("state", TextC, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("run_at", Micros, nullable=False),
    sa.Column("lane", TextC),
    sa.Column("unique_key", TextC),
    sa.Column("again", sa.Boolean, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("lease_token", Id),
    sa.Column("lease_owner", TextC),
    sa.Column("lease_until", Micros),
    sa.Column("cancel_requested", sa.Boolean, nullable=False),
    sa.Column("progress_done", sa.BigInteger, nullable=False),
    sa.Column("progress_total", sa.BigInteger),
    sa.Column("progress_note", TextC, nullable=False),
    sa.Column("last_error", TextC, nullable=False),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("started_at", Micros),
    sa.Column("finished_at", Micros),
)

_queued = jobs.c.state == sa.literal_column("'queued'")
_running = jobs.c.state == sa.literal_column("'running'")
_live = jobs.c.state.in_((sa.literal_column("'queued'"), sa.literal_column("'running'")))


def _index(name: str, *columns: sa.Column[object], where: sa.ColumnElement[bool], unique: bool = False) -> sa.Index:
    return sa.Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


_index("ix_jobs_ready", jobs.c.priority, jobs.c.run_at, jobs.c.id, where=_queued)
_index("ix_jobs_due", jobs.c.run_at, where=_queued)
_index("ix_jobs_lease", jobs.c.lease_until, where=_running)
_index("ix_jobs_finished", jobs.c.finished_at, where=jobs.c.finished_at.is_not(None))
_index("uq_jobs_unique_key", jobs.c.unique_key, where=_live, unique=True)
_index("uq_jobs_lane", jobs.c.lane, where=_running, unique=True)

schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("name", TextC, primary_key=True),
    sa.Column("kind", TextC, nullable=False),
    sa.Column("payload", JsonText, nullable=False),
    sa.Column("every", sa.BigInteger, nullable=False),
    sa.Column("next_at", Micros, nullable=False),
)
