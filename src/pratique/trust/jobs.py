"""Background work of trust, and its ears: facts that changed, exemptions that ended."""

from pratique.core.database import Transaction
from pratique.core.events import Event, EventBus
from pratique.core.jobs.handlers import JobContext, JobHandlers
from pratique.registry.service import QUARANTINE_MARKED
from pratique.registry.types import ArtifactKind
from pratique.scan.types import DELETED, IMAGES_ASSESSED, PUSHED, Place
from pratique.trust.service import REVIEW, SPREAD, TrustService


class TrustJobs:
    """Wires trust to events and to the job queue."""

    def __init__(self, trust: TrustService, events: EventBus) -> None:
        self._trust = trust
        self._events = events

    def register(self, handlers: JobHandlers) -> None:
        """Subscribe to facts and to the registry, and register the kinds of jobs."""
        self._events.subscribe_inline(IMAGES_ASSESSED, self._assessed)
        self._events.subscribe_inline(PUSHED, self._pushed)
        self._events.subscribe_inline(DELETED, self._deleted)
        self._events.subscribe_inline(QUARANTINE_MARKED, self._marked)
        handlers.register(REVIEW, self._review, concurrency=1)
        handlers.register(SPREAD, self._spread, concurrency=1)
        # The job at the instant itself is exact; this one is the guarantee.
        handlers.schedule(REVIEW, 300.0, {}, name="trust.review.regularly", immediately=True)

    def _assessed(self, tx: Transaction, event: Event) -> None:
        self._trust.decide_many(tx, [Place.from_json(item) for item in event.data["images"]])

    def _pushed(self, tx: Transaction, event: Event) -> None:
        if event.data["kind"] == ArtifactKind.OTHER:
            self._trust.pass_other(tx, _place(event))

    def _marked(self, tx: Transaction, event: Event) -> None:
        if event.data["kind"] == ArtifactKind.OTHER:
            self._trust.pass_other(tx, _place(event))
        elif event.data["kind"] == ArtifactKind.IMAGE:
            self._trust.decide(tx, _place(event))

    def _deleted(self, tx: Transaction, event: Event) -> None:
        self._trust.forget(tx, _place(event))

    def _review(self, context: JobContext) -> None:
        self._trust.review(context.raise_if_cancelled)

    def _spread(self, context: JobContext) -> None:
        self._trust.spread(str(context.job.payload["lineage"]))


def _place(event: Event) -> Place:
    return Place(str(event.data["digest"]), str(event.data["repository_id"]), str(event.data["repository"]))
