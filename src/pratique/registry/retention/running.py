"""Runs retention rules: as a job, in short transactions that ask again what they take.

What was judged may have changed by the time it is taken, so each transaction compares: the rules are the same, what the
rules counted is still there (else the repository is judged anew), the tag stands where it stood, nobody has pulled it
where that matters, and locks allow it. Both engines put such a transaction either before or after a push as a whole.
A run that is cut off goes on behind the last repository that was done; what it has taken is counted as it is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import DAY
from pratique.core.database import Database, Transaction
from pratique.core.errors import NotFound
from pratique.core.jobs import JobContext, JobHandlers, JobQueue
from pratique.core.permissions import SYSTEM, Caller
from pratique.registry.collection.pieces import Pieces
from pratique.registry.deletions import Deletions, get_deletable
from pratique.registry.errors import ContentLocked
from pratique.registry.locks import Locks
from pratique.registry.ports import AuditTrail
from pratique.registry.retention.judging import (
    Candidate,
    Judged,
    find_tags,
    find_untagged,
    judge,
    listed,
    speaks,
)
from pratique.registry.retention.rules import below, covering
from pratique.registry.retention.tables import retention_runs, untagged_manifests
from pratique.registry.retention.types import RetentionRule
from pratique.registry.tables import manifests, repositories, tags
from pratique.registry.types import RepositoryName

RETAIN = "registry.retain"
TIMEOUT = 12 * 3600.0
_KEPT_RUNS = 90 * DAY
_PAGE = 100
_AGAIN = 5
_IN = 500
_run, _since = retention_runs.c, untagged_manifests.c


class _Changed(Exception):  # noqa: N818  no error: the next step is to judge again
    """What was judged is no longer so."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One repository in one run."""

    run_id: str
    id: str
    name: RepositoryName
    rules: tuple[str, ...]


class Retention:
    """Starts runs, does them and tells what came of them."""

    def __init__(
        self, database: Database, jobs: JobQueue, deletions: Deletions, audit: AuditTrail, locks: Locks
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._deletions = deletions
        self._audit = audit
        self._locks = locks

    def register(self, handlers: JobHandlers, every: float) -> None:
        """Register the job, and its schedule unless that is off."""
        handlers.register(RETAIN, self._retain, timeout=TIMEOUT, concurrency=1)
        if every:
            handlers.schedule(RETAIN, every, {"prefix": "", "by": "schedule"})

    def start(self, tx: Transaction, caller: Caller, prefix: str) -> str:
        """Queue a run over the repositories below a prefix and return its id; one that waits already is that run."""
        payload = {"prefix": prefix, "by": caller.name}
        job_id = self._jobs.enqueue(tx, RETAIN, payload, unique=f"{RETAIN}:{prefix}", lane=RETAIN, priority=60)
        self._audit.with_change(tx, "registry.retention.start", caller, prefix or "/", {})
        return job_id

    def runs(self, tx: Transaction, prefix: str, *, limit: int, before: str = "") -> list[dict[str, Any]]:
        """Return runs over a prefix and what lies below it, newest first."""
        query = sa.select(retention_runs).where(below(prefix, _run.prefix)).order_by(_run.id.desc()).limit(limit)
        if before:
            query = query.where(_run.id < before)
        return [dict(row._mapping) for row in tx.execute(query)]  # noqa: SLF001  the name that SQLAlchemy documents

    def run(self, tx: Transaction, run_id: str) -> dict[str, Any]:
        """Return one run; raises NotFound."""
        row = tx.execute(sa.select(retention_runs).where(_run.id == run_id)).one_or_none()
        if row is None:
            raise NotFound("there is no such run, or it has not begun", remedy="list them, or wait a moment")
        return dict(row._mapping)  # noqa: SLF001

    def _retain(self, context: JobContext) -> None:
        run_id, prefix = context.job.id, str(context.job.payload.get("prefix", ""))
        after = self._database.write(lambda tx: _begin(tx, context, prefix))
        done = 0
        while page := self._database.read(lambda tx, after=after: _page(tx, prefix, after)):  # type: ignore[misc]
            for row in page:
                context.progress(done, None, row.name)
                self.retain(run_id, row.id, row.name, context.raise_if_cancelled)
                done += 1
            after = page[-1].name
            self._database.write(lambda tx, after=after: _update(tx, run_id, done_to=after))  # type: ignore[misc]
        context.complete_with(lambda tx: _update(tx, run_id, finished_at=tx.now))

    def retain(self, run_id: str, repository_id: str, name: str, check: Callable[[], None]) -> None:
        """Take from one repository what its rules let go; `check` is called before each transaction."""
        rules: list[RetentionRule] = []
        for _ in range(_AGAIN):
            rules, judged = self._database.read(lambda tx: self._judge(tx, repository_id, name))
            if not rules:
                return
            place = _Place(run_id, repository_id, RepositoryName(name), tuple(rule.id for rule in rules))
            goes = sorted(judged.goes, key=lambda one: (one.manifest_id, one.tag))
            try:
                Pieces(self._database, check).each(
                    goes,
                    lambda tx, part, place=place, judged=judged: self._take(tx, place, judged, part),  # type: ignore[misc]
                )
            except _Changed:
                continue
            break
        if any(rule.untagged_after is not None for rule in rules):
            check()
            self._database.write(lambda tx: _mark(tx, repository_id))

    def _judge(self, tx: Transaction, repository_id: str, name: str) -> tuple[list[RetentionRule], Judged]:
        rules = covering(tx, name)
        return rules, judge(tx, repository_id, name, rules, self._locks) if rules else Judged()

    def _take(self, tx: Transaction, place: _Place, judged: Judged, part: Sequence[Candidate]) -> None:
        if tuple(rule.id for rule in covering(tx, place.name.value)) != place.rules:
            raise _Changed
        if _count(tx, place.id, judged.counted) != len(judged.counted):
            raise _Changed
        gone_tags = gone_manifests = 0
        for manifest_id, group in groupby(_unchanged(tx, place, part), key=lambda one: one.manifest_id):
            found = list(group)
            pointing = set(tx.execute(_pointing(place.id, manifest_id)).scalars())
            whole = pointing <= {one.tag for one in found} and not _is_needed(tx, manifest_id)
            if whole:
                taken = self._take_manifest(tx, place, found[0])
                gone_manifests += taken
                gone_tags += len(pointing) * taken
            else:
                gone_tags += sum(self._take_tag(tx, place, one) for one in found if one.tag)
        _update(tx, place.run_id, tags=_run.tags + gone_tags, manifests=_run.manifests + gone_manifests)

    def _take_manifest(self, tx: Transaction, place: _Place, one: Candidate) -> bool:
        row = get_deletable(tx, one.manifest_id)
        try:
            self._deletions.delete_found(tx, SYSTEM, place.name, row, one.because)
        except ContentLocked:
            return False
        self._note(tx, f"{place.name}@{one.digest}", one)
        return True

    def _take_tag(self, tx: Transaction, place: _Place, one: Candidate) -> bool:
        try:
            self._deletions.delete_tag(tx, SYSTEM, place.name, one.tag, one.because)
        except ContentLocked:
            return False
        self._note(tx, f"{place.name}:{one.tag}", one)
        return True

    def _note(self, tx: Transaction, target: str, one: Candidate) -> None:
        self._audit.with_change(tx, "registry.retention.delete", SYSTEM, target, {"because": one.because})


def _unchanged(tx: Transaction, place: _Place, part: Sequence[Candidate]) -> list[Candidate]:
    """Return those that stand as they were judged."""
    named = {row.name: row for row in find_tags(tx, place.id, [one.tag for one in part if one.tag])}
    bare = {row.id: row for row in find_untagged(tx, place.id, [one.manifest_id for one in part if not one.tag])}
    return [one for one in part if _is_same(one, named.get(one.tag) if one.tag else bare.get(one.manifest_id))]


def _is_same(one: Candidate, row: Any) -> bool:
    if row is None or row.id != one.manifest_id or (one.pulls_matter and row.pulled_at > one.pulled_at):
        return False
    if not one.tag:
        return bool(row.since == one.moved_at)
    return bool(row.moved_at == one.moved_at and not (row.served_id and row.pending_id))


def _pointing(repository_id: str, manifest_id: int) -> sa.Select[tuple[str]]:
    points = sa.or_(tags.c.served_id == manifest_id, tags.c.pending_id == manifest_id)
    return sa.select(tags.c.name).where(tags.c.repository_id == repository_id, points)


def _is_needed(tx: Transaction, manifest_id: int) -> bool:
    """An index that is here lists it, or it speaks about something that is here."""
    query = sa.select(manifests.c.id).where(manifests.c.id == manifest_id, sa.or_(listed(), speaks()))
    return tx.execute(query).first() is not None


def _count(tx: Transaction, repository_id: str, names: set[str]) -> int:
    every, found = sorted(names), 0
    for start in range(0, len(every), _IN):
        query = sa.select(sa.func.count()).select_from(tags).where(tags.c.repository_id == repository_id)
        found += tx.execute(query.where(tags.c.name.in_(every[start : start + _IN]))).scalar_one()
    return found


def _mark(tx: Transaction, repository_id: str) -> None:
    """Note what is untagged from now on, and forget what is no longer so."""
    untagged = find_untagged(tx, repository_id)
    own = sa.select(manifests.c.id).where(manifests.c.repository_id == repository_id)
    still = {row.id for row in untagged}
    noted = set(tx.execute(sa.select(_since.manifest_id).where(_since.manifest_id.in_(own))).scalars())
    for start in range(0, len(stale := sorted(noted - still)), _IN):
        tx.execute(sa.delete(untagged_manifests).where(_since.manifest_id.in_(stale[start : start + _IN])))
    if new := sorted(still - noted):
        tx.execute(sa.insert(untagged_manifests), [{"manifest_id": number, "since": tx.now} for number in new])


def _page(tx: Transaction, prefix: str, after: str) -> Sequence[sa.Row[tuple[str, str]]]:
    place = repositories.c
    query = sa.select(place.id, place.name).where(below(prefix, place.name), place.name > after)
    return tx.execute(query.order_by(place.name).limit(_PAGE)).all()


def _begin(tx: Transaction, context: JobContext, prefix: str) -> str:
    """Record the run, or take up one that was cut off; return the last repository that is done."""
    by = str(context.job.payload.get("by", ""))
    values = {"id": context.job.id, "prefix": prefix, "requested_by": by, "started_at": tx.now}
    new = tx.insert(retention_runs).values(**values, done_to="", tags=0, manifests=0)
    tx.execute(new.on_conflict_do_nothing(index_elements=["id"]))
    tx.execute(sa.delete(retention_runs).where(_run.started_at < tx.now - _KEPT_RUNS))
    done_to: str = tx.execute(sa.select(_run.done_to).where(_run.id == context.job.id)).scalar_one()
    return done_to


def _update(tx: Transaction, run_id: str, **values: Any) -> None:
    tx.execute(sa.update(retention_runs).where(_run.id == run_id).values(values))
