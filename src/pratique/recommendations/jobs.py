"""Background work of recommendations: one job sums up whatever is marked, however many marks there are."""

from collections.abc import Collection

from pratique.core.clock import DAY
from pratique.core.database import Database, Epochs, Transaction
from pratique.core.events import Event, EventBus
from pratique.core.jobs import JobContext, JobHandlers, JobQueue
from pratique.recommendations import records, summing
from pratique.recommendations.fixes import VersionOrder
from pratique.recommendations.refresh import Refresher
from pratique.recommendations.tables import COUNTS, recommendation_days
from pratique.recommendations.types import EVERYTHING

REFRESH = "recommendations.refresh"
SWEEP = "recommendations.sweep"
DAILY = "recommendations.day"
EPOCH = "recommendations"
"""Bumped whenever sums change: what live pages listen for."""

SOURCES = (
    "pratique.identity.findings.changed.v1",
    "pratique.scan.findings.changed.v1",
    "pratique.trust.exemption.changed.v1",
)
"""Events whose `data` names the lineages that changed, as `lineage` or `lineages`."""


GATE_CHANGED = "pratique.registry.gate.changed.v1"


class RecommendationJobs:
    """Marks lineages inside the transaction that changes their findings, and sums them up right after it."""

    def __init__(self, database: Database, queue: JobQueue, epochs: Epochs, order: VersionOrder) -> None:
        self._queue = queue
        self._epochs = epochs
        self._refresher = Refresher(database, order, lambda tx: epochs.bump(tx, EPOCH))

    def attach(self, events: EventBus, handlers: JobHandlers) -> None:
        """Subscribe to what changes findings, and register the work."""
        for source in SOURCES:
            events.subscribe_inline(source, self._on_change)
        events.subscribe_inline(GATE_CHANGED, self._on_gate)
        handlers.register(REFRESH, self._refresh, concurrency=1)
        handlers.register(SWEEP, self._sweep)
        handlers.register(DAILY, self._day)
        handlers.schedule(SWEEP, every=60.0)
        handlers.schedule(DAILY, every=3600.0, immediately=True)

    def changed(self, tx: Transaction, lineages: Collection[str]) -> None:
        """Mark lineages in the caller's transaction, and see to it that they are summed up."""
        self._refresher.mark(tx, lineages)
        self._queue.enqueue(tx, REFRESH, {}, unique=REFRESH, priority=20)

    def everything(self, tx: Transaction) -> None:
        """Sum up everything again: once after an upgrade that changes rules."""
        self._refresher.everything(tx)
        self._queue.enqueue(tx, REFRESH, {}, unique=REFRESH, priority=60)

    def _on_change(self, tx: Transaction, event: Event) -> None:
        named = event.data.get("lineages") or [event.data.get("lineage") or event.subject]
        self.changed(tx, [str(lineage) for lineage in named])

    def _on_gate(self, tx: Transaction, _event: Event) -> None:
        """Let open pages follow; no sum depends on a gate. However many gates a transaction moves, it says so once."""
        if f"epoch:{EPOCH}" not in tx.topics:
            self._epochs.bump(tx, EPOCH)

    def _refresh(self, context: JobContext) -> None:
        self._refresher.run(context.raise_if_cancelled)

    def _sweep(self, context: JobContext) -> None:
        """Find what time alone has changed: exemptions that ended."""

        def body(tx: Transaction) -> None:
            freed = records.lineages_freed(tx)
            if freed:
                self.changed(tx, freed)

        context.database.write(body)

    def _day(self, context: JobContext) -> None:
        """Note the score of the day; the last note of a day stays."""

        def body(tx: Transaction) -> None:
            head = summing.summary(tx, EVERYTHING)
            values = {
                "score": head.score.value,
                "repositories": head.score.repositories,
                **{name: getattr(head.counts, name) for name in COUNTS},
            }
            day = str(tx.now // DAY)
            statement = tx.insert(recommendation_days).values(day=day, **values)
            tx.execute(statement.on_conflict_do_update(index_elements=["day"], set_=values))

        context.database.write(body)
