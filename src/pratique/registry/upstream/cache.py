"""The pull-through cache: makes what a pull asks for as fresh as its rule wants, then the pull goes its usual way.

- A digest that is here is never asked for again. A tag is believed for the rule's time, then asked for again.
- What is not here is fetched by one job in the whole installation, into the repository, as if it had been pushed:
  scanned, judged and gated like everything. Readers keep the served image of a tag until the new one is open.
- While the other registry is away, what is here is served, with a Warning that says so.
- Callers whom nobody knows get what is here and cause nothing to be fetched.
"""

import asyncio
import time
from typing import Final

import sqlalchemy as sa

from pratique.core.database import Database, Transaction
from pratique.core.errors import NotFound, Unavailable
from pratique.core.http.threads import ThreadLimiter
from pratique.core.jobs import JobHandlers, JobQueue, JobState
from pratique.core.jobs.errors import GiveUp
from pratique.core.jobs.handlers import JobContext
from pratique.core.permissions import SYSTEM, Caller
from pratique.registry.errors import ContentLocked, Held, ManifestUnknown
from pratique.registry.pushes import Pushes
from pratique.registry.tables import manifests, repositories, tags
from pratique.registry.types import Reference, RepositoryName, parse_digest
from pratique.registry.upstream.errors import UpstreamAway, UpstreamDenied, UpstreamInvalid
from pratique.registry.upstream.rules import CacheRules
from pratique.registry.upstream.tables import cached_tags
from pratique.registry.upstream.transfer import Journey, Transfer, holds_manifest
from pratique.registry.upstream.types import CacheRule

FETCH: Final = "registry.cache-fetch"
THREADS: Final = 4
_LOOK: Final = 0.15
_PATIENCE: Final = 3.0
"""Seconds that a pull waits for the successor of an image that is here; then it gets the one that is."""
_REST: Final = 5.0
"""Seconds without questions after another registry was away and said nothing of when to come back."""


class CacheFetches:
    """The jobs that fill the cache; a worker runs them."""

    def __init__(self, rules: CacheRules, transfer: Transfer, jobs: JobQueue) -> None:
        self._rules = rules
        self._transfer = transfer
        self._jobs = jobs

    def register(self, handlers: JobHandlers) -> None:
        """One at a time in each worker, so that a slow registry leaves a thread for everything else."""
        handlers.register(FETCH, self.run, timeout=6 * 3600.0, concurrency=1)

    def request(self, tx: Transaction, rule: CacheRule, name: RepositoryName, digest: str) -> str:
        """Queue the fetch of a manifest, or return the one under way: one for the whole installation."""
        unique = f"cache:{name}@{digest}"
        live = self._jobs.live(tx, unique)
        if live is not None:  # asking for a running job would make it run once more
            return live.id
        payload = {"rule": rule.id, "name": name.value, "digest": digest}
        return self._jobs.enqueue(tx, FETCH, payload, unique=unique, priority=10, max_attempts=3)

    def run(self, context: JobContext) -> None:
        """Fetch one manifest and what comes with it."""
        payload = context.job.payload
        rule, name = self._rules.find(payload["rule"]), RepositoryName.parse(payload["name"])
        if rule is None or not rule.covers(name.value):
            raise GiveUp("The cache rule is gone.")
        if self._transfer.holds(name, payload["digest"]):
            return
        origin = rule.remote_of(name.value)

        def going_on(_: int) -> None:
            context.raise_if_cancelled()

        journey = Journey(self._rules.source(rule), origin, name, SYSTEM, rule.choose, going_on)
        try:
            self._transfer.bring(journey, payload["digest"])
        except (UpstreamInvalid, UpstreamDenied, NotFound) as error:
            raise GiveUp(error.message) from error


class PullThrough:
    """What the registry asks before it looks for a manifest (`ports.Upstream`)."""

    def __init__(self, database: Database, rules: CacheRules, fetches: CacheFetches, pushes: Pushes, jobs: JobQueue):
        self._database = database
        self._rules = rules
        self._fetches = fetches
        self._pushes = pushes
        self._jobs = jobs
        self._threads = ThreadLimiter("upstream", THREADS)
        self._questions: dict[tuple[str, str], asyncio.Future[str]] = {}
        self._resting: dict[str, tuple[float, str]] = {}

    def covers(self, name: RepositoryName) -> bool:
        """Whether another registry fills this repository; from memory."""
        return self._rules.of(name.value) is not None

    async def refresh(self, caller: Caller, name: RepositoryName, reference: Reference, within: float) -> str:
        """Return when the reference is as fresh as its rule wants; the text is a warning for the client, or ''."""
        rule = self._rules.of(name.value)
        if rule is None:
            return ""
        if not rule.allows(rule.remote_of(name.value)):
            raise ManifestUnknown(f"the cache rule for {rule.prefix} does not take {name}", remedy="see its patterns")
        end = time.monotonic() + within
        if reference.tag is None:
            digest = str(reference.digest)
            if not self._holds(name, digest):
                await self._fetch(caller, rule, name, digest, end)
            return ""
        return await self._refresh_tag(caller, rule, name, reference.tag, end)

    async def _refresh_tag(self, caller: Caller, rule: CacheRule, name: RepositoryName, tag: str, end: float) -> str:
        if caller.is_anonymous or self._is_fresh(rule, name, tag):
            return ""
        here = self._database.read_here(lambda tx: _tag_is_here(tx, name, tag))
        if here:
            end = min(end, time.monotonic() + _PATIENCE)
        try:
            digest = await self._ask(rule, name, tag)
            if not self._holds(name, digest):
                await self._fetch(caller, rule, name, digest, end)
            await self._database.write_async(lambda tx: self._point(tx, name, tag, digest))
        except (ContentLocked, Unavailable, Held, ManifestUnknown) as error:
            if not here:
                raise
            return f"{name}:{tag} is what was here before: {error.message}"
        return ""

    async def _ask(self, rule: CacheRule, name: RepositoryName, tag: str) -> str:
        """Ask what a tag stands for; those who ask for the same at the same time share one question."""
        key = name.value, tag
        question = self._questions.get(key)
        if question is None:
            question = asyncio.ensure_future(self._threads.run(self._head, rule, name, tag))
            self._questions[key] = question
            question.add_done_callback(lambda _: self._questions.pop(key, None))
        return await asyncio.shield(question)

    def _head(self, rule: CacheRule, name: RepositoryName, tag: str) -> str:
        until, why = self._resting.get(rule.id, (0.0, ""))
        if time.monotonic() < until:
            raise UpstreamAway(why, remedy="It is asked again in a moment.")
        source, origin = self._rules.source(rule), rule.remote_of(name.value)
        try:
            return source.head(origin, tag) or source.manifest(origin, tag).digest
        except UpstreamAway as error:
            rest = error.retry_after or _REST
            self._resting[rule.id] = time.monotonic() + rest, error.message
            raise

    async def _fetch(self, caller: Caller, rule: CacheRule, name: RepositoryName, digest: str, end: float) -> None:
        """Have a manifest fetched, and return when it is here; raises Held when that takes longer."""
        if caller.is_anonymous:
            raise ManifestUnknown(f"{name}@{digest} is not here yet", remedy="sign in to have it fetched")
        job = await self._database.write_async(lambda tx: self._fetches.request(tx, rule, name, digest))
        while not self._holds(name, digest):
            status = await self._database.read_async(lambda tx: self._jobs.get(tx, job))
            if status.state in (JobState.DEAD, JobState.CANCELLED):
                raise UpstreamInvalid(status.last_error or f"{rule.host} did not give {name}@{digest}")
            if status.state is JobState.DONE or time.monotonic() >= end:
                if self._holds(name, digest):
                    return
                raise Held(f"held: {name} is being fetched from {rule.host}", remedy="wait a moment and pull again")
            await asyncio.sleep(_LOOK)

    def _holds(self, name: RepositoryName, digest: str) -> bool:
        return self._database.read_here(lambda tx: holds_manifest(tx, name, digest))

    def _is_fresh(self, rule: CacheRule, name: RepositoryName, tag: str) -> bool:
        checked = self._database.read_here(
            lambda tx: tx.execute(_CHECKED, {"name": name.value, "label": tag}).scalar_one_or_none()
        )
        now = self._database.clock.now()
        return checked is not None and 0 <= now - checked < rule.ttl

    def _point(self, tx: Transaction, name: RepositoryName, tag: str, digest: str) -> None:
        """Move the tag to what it stands for there, and remember when that was asked."""
        if not _stands_for(tx, name, tag, digest):
            row = tx.execute(_CONTENT, {"name": name.value, "wanted": digest}).one()
            manifest, _ = self._pushes.parse(row.content, row.media_type, Reference(digest=parse_digest(digest)))
            self._pushes.store(
                tx, caller=SYSTEM, name=name, manifest=manifest, content=row.content, digest=digest, tag_names=[tag]
            )
        values = {"digest": digest, "checked_at": self._database.clock.now()}
        tx.execute(
            tx.insert(cached_tags)
            .values(repository=name.value, tag=tag, **values)
            .on_conflict_do_update(index_elements=["repository", "tag"], set_=values)
        )


_here = (repositories.c.name == sa.bindparam("name")) & (tags.c.name == sa.bindparam("label"))
_IN = tags.join(repositories, repositories.c.id == tags.c.repository_id)
_TAG = sa.select(tags.c.name).select_from(_IN).where(_here)
_POINTS = (
    sa.select(tags.c.name)
    .select_from(_IN.join(manifests, manifests.c.id == sa.func.coalesce(tags.c.pending_id, tags.c.served_id)))
    .where(_here, manifests.c.digest == sa.bindparam("wanted"))
)
_CHECKED = sa.select(cached_tags.c.checked_at).where(
    cached_tags.c.repository == sa.bindparam("name"), cached_tags.c.tag == sa.bindparam("label")
)
_CONTENT = (
    sa.select(manifests.c.content, manifests.c.media_type)
    .join(repositories, repositories.c.id == manifests.c.repository_id)
    .where(repositories.c.name == sa.bindparam("name"), manifests.c.digest == sa.bindparam("wanted"))
)


def _tag_is_here(tx: Transaction, name: RepositoryName, tag: str) -> bool:
    return tx.execute(_TAG, {"name": name.value, "label": tag}).first() is not None


def _stands_for(tx: Transaction, name: RepositoryName, tag: str, digest: str) -> bool:
    return tx.execute(_POINTS, {"name": name.value, "label": tag, "wanted": digest}).first() is not None
