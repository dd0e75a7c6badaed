"""Background work, out of the job queue."""

from collections.abc import Sequence

from pratique.console.sources import JobView
from pratique.core.database import Database
from pratique.core.jobs import JobQueue, JobState, JobStatus

_STATES = {
    "running": (JobState.RUNNING,),
    "waiting": (JobState.QUEUED,),
    "dead": (JobState.DEAD,),
}


class BoundJobs:
    """Reads only: jobs are repeated and cancelled through the management API."""

    def __init__(self, database: Database, jobs: JobQueue) -> None:
        self._database = database
        self._jobs = jobs

    def recent(self, state: str, limit: int) -> Sequence[JobView]:
        states = _STATES.get(state, ())
        rows = self._database.read(lambda tx: self._jobs.search(tx, states=states, limit=limit))
        return [_view(row) for row in rows]


def _view(row: JobStatus) -> JobView:
    return JobView(
        id=row.id,
        kind=row.kind,
        state=row.state.value,
        attempt=row.attempt,
        created=row.created_at,
        updated=row.finished_at or row.started_at or row.run_at,
        done=row.progress_done,
        total=row.progress_total,
        note=row.progress_note,
        error=row.last_error,
    )
