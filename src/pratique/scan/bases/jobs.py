"""When bases are looked at again: one was seen first, a tag of its repository moved, a gate or advisories changed."""

from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.database.prepared import ignoring
from pratique.core.events import Event, EventBus
from pratique.core.jobs.handlers import JobContext, JobHandlers
from pratique.core.jobs.queue import JobQueue
from pratique.registry.service import GATE_CHANGED, TAG_MOVED
from pratique.scan.bases.keeping import BaseKeeper
from pratique.scan.tables import bases, image_chains, served_names
from pratique.scan.types import BASE_SEEN

BASE = "scan.base"
RELINK = "scan.base.relink"
BASES = "scan.bases"
FILL = "scan.base.fill"
_DAY = 86_400.0

_REMEMBER = ignoring(served_names)
_SERVES_BASES = sa.select(
    sa.or_(
        sa.exists().where(bases.c.repository == sa.bindparam("where", type_=sa.Text)),
        sa.exists().where(
            bases.c.chain == image_chains.c.chain, image_chains.c.digest == sa.bindparam("what", type_=sa.Text)
        ),
    )
)
_ANY = sa.select(bases.c.chain).limit(1)


class BaseJobs:
    """Queues what an event calls for in the transaction of that event, and runs it."""

    def __init__(self, jobs: JobQueue, events: EventBus, keeper: BaseKeeper) -> None:
        self._jobs = jobs
        self._events = events
        self._keeper = keeper

    def register(self, handlers: JobHandlers) -> None:
        """Subscribe to what moves bases, and register the work."""
        self._events.subscribe_inline(BASE_SEEN, self._seen)
        self._events.subscribe_inline(TAG_MOVED, self._tag_moved)
        self._events.subscribe_inline(GATE_CHANGED, self._gate_changed)
        handlers.register(BASE, self._one, concurrency=1)
        handlers.register(RELINK, self._relink, timeout=3600.0, concurrency=1)
        handlers.register(BASES, self._all, timeout=3600.0, concurrency=1)
        handlers.register(FILL, self._fill, timeout=4 * 3600.0, concurrency=1)
        handlers.schedule(FILL, _DAY, immediately=True)

    def judged_again(self, tx: Transaction) -> None:
        """What is known of vulnerabilities changed: builds compare differently now."""
        if tx.execute(_ANY).scalar() is not None:
            self._queue_all(tx, "")

    def _seen(self, tx: Transaction, event: Event) -> None:
        chain = str(event.data["chain"])
        kind = RELINK if event.data["relink"] else BASE
        self._jobs.enqueue(tx, kind, {"chain": chain}, unique=f"{kind}:{chain}", priority=30)

    def _tag_moved(self, tx: Transaction, event: Event) -> None:
        """Remember under which name a build was served: its children come later, when the tag stands for another."""
        repository, digest = str(event.data["repository"]), str(event.data["digest"])
        if digest:
            values = {"repository": repository, "tag": str(event.data["tag"]), "digest": digest, "at": tx.now}
            tx.execute(_REMEMBER[tx.dialect], values)
        if tx.execute(_SERVES_BASES, {"where": repository, "what": digest}).scalar():
            self._queue_all(tx, repository)

    def _gate_changed(self, tx: Transaction, event: Event) -> None:
        """A first verdict moves tags, which is heard above; a later one may close or open a build that is named.

        However many gates a transaction moves, this asks once.
        """
        if event.data["previous"] == "held" or f"event:{BASES}" in tx.topics:
            return
        tx.hint(f"event:{BASES}")
        self.judged_again(tx)

    def _queue_all(self, tx: Transaction, repository: str) -> None:
        payload: dict[str, Any] = {"repository": repository}
        self._jobs.enqueue(tx, BASES, payload, unique=f"{BASES}:{repository}", priority=30)

    def _one(self, context: JobContext) -> None:
        self._keeper.refresh(str(context.job.payload["chain"]), context.raise_if_cancelled)

    def _relink(self, context: JobContext) -> None:
        self._keeper.relink(str(context.job.payload["chain"]), context.raise_if_cancelled)

    def _all(self, context: JobContext) -> None:
        self._keeper.refresh_all(str(context.job.payload["repository"]), context.raise_if_cancelled)

    def _fill(self, context: JobContext) -> None:
        self._keeper.fill(context.raise_if_cancelled)
