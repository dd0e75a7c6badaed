"""Collection as background work: asked for or by schedule, one at a time, with a record of each run."""

from typing import Any

import sqlalchemy as sa

from pratique.core.clock import DAY, SECOND
from pratique.core.database import Database, Transaction
from pratique.core.errors import NotFound
from pratique.core.jobs import JobContext, JobHandlers, JobQueue
from pratique.core.permissions import Caller
from pratique.core.settings.content import Lifecycle
from pratique.core.telemetry import METRICS
from pratique.registry.collection.collector import Collector, Counts
from pratique.registry.collection.dry_run import look, record
from pratique.registry.collection.tables import collection_finds, collection_runs
from pratique.registry.ports import AuditTrail

COLLECT = "registry.collect"
TIMEOUT = 12 * 3600.0
_KEPT_RUNS = 90 * DAY
_run = collection_runs.c
_collected = METRICS.counter("pratique_registry_collected_total", "What collection has removed.", labels=("kind",))
_freed = METRICS.counter(
    "pratique_registry_collected_bytes_total", "Bytes that collection has let go.", unit="bytes", labels=("kind",)
)


class Collections:
    """Starts collections, runs them and tells what came of them."""

    def __init__(self, database: Database, jobs: JobQueue, collector: Collector, audit: AuditTrail) -> None:
        self._database = database
        self._jobs = jobs
        self._collector = collector
        self._audit = audit

    def register(self, handlers: JobHandlers, settings: Lifecycle) -> None:
        """Register the job, and its schedule unless that is off."""
        handlers.register(COLLECT, self._collect, timeout=TIMEOUT, concurrency=1)
        if settings.collect_every:
            handlers.schedule(COLLECT, settings.collect_every, {"dry_run": False, "by": "schedule"})

    def start(self, tx: Transaction, caller: Caller, *, dry_run: bool) -> str:
        """Queue a run and return its id; one that waits already is that run."""
        unique = f"{COLLECT}:{'dry' if dry_run else 'real'}"
        payload = {"dry_run": dry_run, "by": caller.name}
        job_id = self._jobs.enqueue(tx, COLLECT, payload, unique=unique, lane=COLLECT, priority=60)
        self._audit.with_change(tx, "registry.collection.start", caller, "registry", {"dry_run": dry_run})
        return job_id

    def runs(self, tx: Transaction, *, limit: int, before: str = "") -> list[dict[str, Any]]:
        """Return runs, newest first."""
        query = sa.select(collection_runs).order_by(_run.id.desc()).limit(limit)
        if before:
            query = query.where(_run.id < before)
        return [_shown(row) for row in tx.execute(query)]

    def run(self, tx: Transaction, run_id: str) -> dict[str, Any]:
        """Return one run; raises NotFound."""
        row = tx.execute(sa.select(collection_runs).where(_run.id == run_id)).one_or_none()
        if row is None:
            raise NotFound("there is no such collection, or it has not begun", remedy="list them, or wait a moment")
        return _shown(row)

    def finds(self, tx: Transaction, run_id: str, *, limit: int, after: int = -1) -> list[dict[str, Any]]:
        """Return what a dry run found, in its order."""
        row = collection_finds.c
        query = sa.select(row.number, row.kind, row.repository, row.name, row.bytes, row.because)
        found = tx.execute(query.where(row.run_id == run_id, row.number > after).order_by(row.number).limit(limit))
        return [
            {"number": each.number, "kind": each.kind, "repository": each.repository, "name": each.name,
             "bytes": each.bytes, "because": each.because}
            for each in found
        ]  # fmt: skip

    def _collect(self, context: JobContext) -> None:
        dry_run, run_id = bool(context.job.payload["dry_run"]), context.job.id
        self._database.write(lambda tx: self._begin(tx, context, dry_run=dry_run))
        check = context.raise_if_cancelled
        if dry_run:
            counts = record(self._database, run_id, look(self._database, self._collector, check))
        else:
            counts = self._collector.run(check, context.progress)
            for kind, (number, size) in counts.kinds.items():
                _collected.add(number, kind=kind)
                _freed.add(size, kind=kind)
        context.complete_with(lambda tx: _finish(tx, run_id, counts))

    def _begin(self, tx: Transaction, context: JobContext, *, dry_run: bool) -> None:
        new = tx.insert(collection_runs).values(
            id=context.job.id,
            dry_run=dry_run,
            requested_by=str(context.job.payload.get("by", "")),
            started_at=tx.now,
            counts={},
        )
        tx.execute(new.on_conflict_do_nothing(index_elements=["id"]))
        tx.execute(sa.delete(collection_runs).where(_run.started_at < tx.now - _KEPT_RUNS))


def micros(seconds: float) -> int:
    """Return a setting in seconds as the database counts."""
    return round(seconds * SECOND)


def _finish(tx: Transaction, run_id: str, counts: Counts) -> None:
    tx.execute(sa.update(collection_runs).where(_run.id == run_id).values(finished_at=tx.now, counts=counts.kinds))


def _shown(row: sa.Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "dry_run": row.dry_run,
        "requested_by": row.requested_by,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "counts": {kind: {"number": number, "bytes": size} for kind, (number, size) in row.counts.items()},
    }
