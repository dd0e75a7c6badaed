"""Background work of the scanner: reading what is pushed, fetching advisories, judging again."""

from collections.abc import Callable, Sequence
from typing import Any

from pratique.advisories.service import AdvisoryStore, FeedClient, sync
from pratique.advisories.types import SyncReport
from pratique.core.database import Database, Transaction
from pratique.core.errors import PratiqueError
from pratique.core.events import Event, EventBus
from pratique.core.jobs.errors import Cancelled, Interrupted, LeaseLost, Postpone
from pratique.core.jobs.handlers import JobContext, JobHandlers, JobReporter
from pratique.core.jobs.queue import JobQueue
from pratique.registry.types import ArtifactKind
from pratique.scan.announce import Announcer, drop_place
from pratique.scan.indexing import Indexer
from pratique.scan.matches import JUDGED, stored_revision
from pratique.scan.rejudging import Rejudger
from pratique.scan.types import DELETED, FEED_UPDATED, PUSHED, Place

SYNC = "advisories.sync"
REJUDGE = "scan.rejudge"
RESCAN = "scan.rescan"
_HOPELESS = 4
"""Attempts after which an image that always fails is shown as such, while further attempts go on."""


class ScanJobs:
    """Wires the scanner to events and to the job queue; the same object serves the server and the worker."""

    def __init__(
        self,
        database: Database,
        jobs: JobQueue,
        events: EventBus,
        store: AdvisoryStore,
        *,
        indexer: Indexer,
        rejudger: Rejudger,
        announcer: Announcer,
        mirror: str = "",
        security_index: str = "",
        judged_again: Callable[[Transaction], None] = lambda _tx: None,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._events = events
        self._store = store
        self._indexer = indexer
        self._rejudger = rejudger
        self._announcer = announcer
        self._judged_again = judged_again
        self._mirror = mirror
        self._options = {"security_index": security_index} if security_index else {}

    def register(self, handlers: JobHandlers, *, sync_every: float | None = None) -> None:
        """Subscribe to the registry and register the kinds of jobs; `sync_every` seconds, None: only when asked."""
        # Inline first: what can be decided inside the push leaves nothing but a look for the job.
        self._events.subscribe_inline(PUSHED, self._pushed)
        self._events.subscribe_inline(DELETED, self._deleted)
        self._events.subscribe(PUSHED, "scan.index", self._index, priority=20)
        handlers.register(RESCAN, self._rescan)
        handlers.register(SYNC, self._sync, timeout=4 * 3600.0, concurrency=1)
        handlers.register(REJUDGE, self._rejudge, timeout=4 * 3600.0, concurrency=1)
        if sync_every is not None:
            handlers.schedule(SYNC, sync_every, {"feeds": []}, immediately=True)
        # Whoever else writes to the store says so; looking is the guarantee.
        handlers.schedule(REJUDGE, 60.0, {}, immediately=True)

    def request_sync(self, tx: Transaction, feeds: Sequence[str]) -> str:
        """Queue a fetch of these feeds (all that are enabled when empty) and return the job's id."""
        name = ",".join(sorted(feeds)) or "all"
        return self._jobs.enqueue(
            tx, SYNC, {"feeds": sorted(feeds)}, unique=f"{SYNC}:{name}", priority=10, max_attempts=2
        )

    def request_rescan(self, tx: Transaction, place: Place) -> str:
        """Queue a new reading of what could not be read, or was read by a former version; return the job's id."""
        unique = f"{RESCAN}:{place.repository_id}:{place.digest}"
        return self._jobs.enqueue(tx, RESCAN, place.as_json(), unique=unique, priority=20)

    def announce_data(self, tx: Transaction, feeds: Sequence[str]) -> None:
        """New advisory data lies in the store: tell subscribers and judge again."""
        self._events.publish(
            tx, Event(FEED_UPDATED, ",".join(feeds) or "all", {"feeds": list(feeds), "revision": self._store.revision})
        )
        self._jobs.enqueue(tx, REJUDGE, {}, unique=REJUDGE, priority=15)

    def _pushed(self, tx: Transaction, event: Event) -> None:
        if event.data["kind"] == ArtifactKind.IMAGE:
            self._indexer.judge_at_push(tx, _place(event))

    def _deleted(self, tx: Transaction, event: Event) -> None:
        place = _place(event)
        drop_place(tx, place)
        self._announcer.gone(tx, place)

    def _index(self, context: JobContext, event: Event) -> None:
        if event.data["kind"] != ArtifactKind.IMAGE:
            return
        place = _place(event)
        try:
            self._indexer.index(place, context.raise_if_cancelled, _completing(context))
        except (Cancelled, Interrupted, LeaseLost, Postpone):
            raise
        except Exception as error:
            if context.job.attempt >= _HOPELESS:
                self._give_reason(place, error)
            raise

    def _rescan(self, context: JobContext) -> None:
        place = Place.from_json(context.job.payload)
        if context.job.attempt == 1:
            context.database.write(lambda tx: self._indexer.read_again(tx, place))
        self._indexer.index(place, context.raise_if_cancelled, _completing(context), again=True)

    def _give_reason(self, place: Place, error: Exception) -> None:
        """Say on the gate what keeps going wrong, rather than let people wait for ever."""
        problem = f"reading it failed: {error.message if isinstance(error, PratiqueError) else type(error).__name__}"
        remedy = "see `pratique logs worker`; it is tried again, and `pratique doctor` may name the cause"
        self._database.write(lambda tx: self._indexer.write_failure(tx, place, problem, remedy))

    def _sync(self, context: JobContext) -> None:
        feeds = [str(name) for name in context.job.payload.get("feeds", ())]
        with FeedClient(mirror=self._mirror) as client:
            report = sync(
                self._store, feeds, client, JobReporter(context), _is_cancelled(context), options=self._options
            )
        self._store.refresh()
        changed = [item.feed for item in report.outcomes if item.outcome == "updated"]
        failed = [item for item in report.outcomes if item.outcome == "failed"]
        context.progress(1, 1, _summary(report))

        def finish(tx: Transaction) -> None:
            if changed or report.before != report.after:
                self.announce_data(tx, changed)

        if failed and len(failed) == len(report.outcomes):
            self._database.write(finish)
            raise PratiqueError(f"no feed could be fetched: {failed[0].error}", remedy=failed[0].remedy)
        context.complete_with(finish)

    def _rejudge(self, context: JobContext) -> None:
        self._store.refresh()
        judged = self._database.read(lambda tx: stored_revision(tx, JUDGED))[0]
        if judged == self._store.revision:
            self._rejudger.spread(context.raise_if_cancelled, context.progress)
            return
        done = self._rejudger.run(context.raise_if_cancelled, context.progress)
        if done.changed:
            self._database.write(self._judged_again)
        context.progress(
            done.images, done.images, f"{done.packages} packages judged, {done.changed} changed, {done.images} images"
        )


def _completing(context: JobContext) -> Callable[[Callable[[Transaction], None]], None]:
    def complete(body: Callable[[Transaction], None]) -> None:
        context.complete_with(body)

    return complete


def _is_cancelled(context: JobContext) -> Callable[[], bool]:
    def cancelled() -> bool:
        try:
            context.raise_if_cancelled()
        except (Cancelled, Interrupted, LeaseLost):
            return True
        return False

    return cancelled


def _summary(report: SyncReport) -> str:
    counts: dict[str, int] = {}
    for item in report.outcomes:
        counts[item.outcome] = counts.get(item.outcome, 0) + 1
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _place(event: Event) -> Place:
    data: Any = event.data
    return Place(str(data["digest"]), str(data["repository_id"]), str(data["repository"]))
