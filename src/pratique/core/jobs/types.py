"""Values of the job queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    """Where a job is: queued and running are live, the others final (a dead one can be revived by hand)."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its handler sees it."""

    id: str
    kind: str
    payload: Mapping[str, Any]
    attempt: int
    """1 for the first."""
    max_attempts: int
    lane: str | None
    token: str
    """The lease: only its holder may end the job."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job as people see it; times in microseconds."""

    id: str
    kind: str
    payload: Mapping[str, Any]
    state: JobState
    priority: int
    run_at: int
    lane: str | None
    attempt: int
    max_attempts: int
    cancel_requested: bool
    progress_done: int
    progress_total: int | None
    progress_note: str
    last_error: str
    created_at: int
    started_at: int | None
    finished_at: int | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A kind of job that is queued every so many microseconds."""

    name: str
    kind: str
    payload: Mapping[str, Any]
    every: int
    immediately: bool


@dataclass(frozen=True, slots=True)
class Due:
    """When something is next to be done, None for never; all in microseconds."""

    now: int
    job: int | None
    lease: int | None
    schedule: int | None

    @property
    def delay(self) -> int | None:
        """Microseconds until the first of them, 0 if it is over."""
        moments = [moment for moment in (self.job, self.lease, self.schedule) if moment is not None]
        return max(min(moments) - self.now, 0) if moments else None

    @property
    def housekeeping(self) -> bool:
        """Whether a lease has run out or a schedule is due."""
        return any(moment is not None and moment <= self.now for moment in (self.lease, self.schedule))
