"""How many jobs wait, run and were given up, for whoever scrapes any process of the installation."""

from pratique.core.database.database import Database
from pratique.core.jobs.queue import JobQueue
from pratique.core.jobs.types import JobState
from pratique.core.metrics import METRICS

_jobs = METRICS.gauge(
    "pratique_jobs",
    "Jobs of the whole installation that wait (queued), run (running) or were given up (dead), by kind.",
    unit="jobs",
    labels=("kind", "state"),
)
_TOLD = (JobState.QUEUED, JobState.RUNNING, JobState.DEAD)


class JobMetrics:
    """Reads the queue once per scrape; a kind of job that was counted before stays, with 0."""

    def __init__(self, database: Database, jobs: JobQueue) -> None:
        self._database = database
        self._jobs = jobs
        self._told: set[tuple[str, JobState]] = set()

    async def collect(self) -> None:
        """Bring the gauge to what the queue holds now."""
        counts = await self._database.read_async(lambda tx: self._jobs.counts(tx, _TOLD))
        self._told |= counts.keys()
        for kind, state in self._told:
            _jobs.set(counts.get((kind, state), 0), kind=kind, state=state.value)
