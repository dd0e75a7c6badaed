"""Advisory feeds, out of the advisory store and the jobs that fetch them."""

from collections.abc import Callable, Sequence

from pratique.advisories.service import AdvisoryStore
from pratique.advisories.types import FeedState, FeedStatus
from pratique.console.sources import FeedView, Freshness
from pratique.core.database import Database, Transaction
from pratique.core.errors import Invalid
from pratique.core.jobs import JobQueue, JobState, JobStatus
from pratique.core.permissions import Caller
from pratique.scan.facts import seen_ecosystems
from pratique.scan.jobs import SYNC

_FRESHNESS = {
    FeedState.ABSENT: Freshness.MISSING,
    FeedState.STARTER: Freshness.STARTER,
    FeedState.CURRENT: Freshness.FRESH,
    FeedState.STALE: Freshness.STALE,
    FeedState.FAILED: Freshness.STALE,
}


class BoundFeeds:
    """State of every feed; a fetch is a job, so it goes on when the page is closed."""

    def __init__(
        self,
        database: Database,
        store: AdvisoryStore,
        jobs: JobQueue,
        sync: Callable[[Transaction, Sequence[str]], str],
    ) -> None:
        self._database = database
        self._store = store
        self._jobs = jobs
        self._sync = sync

    def all(self) -> Sequence[FeedView]:
        self._store.refresh()
        seen, running = self._database.read(lambda tx: (seen_ecosystems(tx), self._running(tx)))
        needed = {feed.name: feed.reason for feed in self._store.needed(sorted(seen))}
        return [_view(feed, needed.get(feed.name, ""), _job_of(feed, running)) for feed in self._store.feeds()]

    def fetch(self, caller: Caller, feeds: Sequence[str]) -> None:
        del caller  # the page has asked for the right; the job is the installation's
        known = {feed.name for feed in self._store.feeds()}
        unknown = sorted(set(feeds) - known)
        if unknown or not feeds:
            raise Invalid("There is no such feed.", remedy="Load the page again: it lists those that there are.")
        self._database.write(lambda tx: self._sync(tx, sorted(set(feeds))))

    def _running(self, tx: Transaction) -> list[JobStatus]:
        return self._jobs.search(tx, states=[JobState.QUEUED, JobState.RUNNING], kind=SYNC, limit=20)


def _job_of(feed: FeedStatus, running: Sequence[JobStatus]) -> JobStatus | None:
    for job in running:
        wanted = job.payload.get("feeds") or ()
        # A job that is queued for later by the schedule names no feed and has not begun: that is no fetch yet.
        if feed.name in wanted or (not wanted and job.state is JobState.RUNNING):
            return job
    return None


def _view(feed: FeedStatus, needed: str, job: JobStatus | None) -> FeedView:
    at_this = job is not None and (feed.title in job.progress_note or feed.name in job.progress_note)
    freshness = _FRESHNESS[feed.state]
    if feed.state is FeedState.FAILED and not feed.records:
        freshness = Freshness.MISSING
    return FeedView(
        id=feed.name,
        name=feed.title,
        note=feed.note,
        freshness=freshness,
        data_date=feed.data_date or None,
        records=feed.records or None,
        size=feed.download_bytes or None,
        needed=needed,
        error=f"{feed.error} {feed.detail.get('remedy', '')}".strip() if feed.error else "",
        fetching=job is not None,
        done=job.progress_done if job and at_this else 0,
        total=job.progress_total if job and at_this else None,
    )
