"""The management API around scanning: advisory data, its renewal, and how to renew it."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from pratique.advisories.service import AdvisoryStore, feed_names
from pratique.core.database import Database, Transaction
from pratique.core.errors import Invalid, NotFound
from pratique.core.http.plane import caller_of, threads_of
from pratique.core.permissions import Authorizer, Caller, Permission, Scope
from pratique.registry.service import RegistryService
from pratique.registry.types import RepositoryName
from pratique.scan.bases import told
from pratique.scan.bases.told import ImageBase
from pratique.scan.facts import seen_ecosystems
from pratique.scan.jobs import ScanJobs
from pratique.scan.matches import stored_revision
from pratique.scan.types import Place


class SyncBody(BaseModel):
    """Which feeds to fetch; none: all that are enabled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feeds: list[Annotated[str, Field(max_length=64)]] = Field(default_factory=list, max_length=100)


def router(
    database: Database, advisories: AdvisoryStore, jobs: ScanJobs, registry: RegistryService, authorizer: Authorizer
) -> APIRouter:
    """Routes below /api/v1 for advisory data and its renewal, and for reading an image again."""
    routes = APIRouter(tags=["scan"])
    _advisories(routes, database, advisories, jobs, authorizer)
    _images(routes, database, jobs, registry, authorizer)
    return routes


def _images(
    routes: APIRouter, database: Database, work: ScanJobs, registry: RegistryService, authorizer: Authorizer
) -> None:
    @routes.post("/images/{name:path}/manifests/{reference}/rescan", status_code=202)
    async def rescan_image(request: Request, name: str, reference: str) -> dict[str, Any]:
        """Read an image again: layers that could not be read, or that a former version has read."""
        repository = str(RepositoryName.parse(name))
        place_scope = Scope.for_repository(repository)
        authorizer.require(caller_of(request.scope), Permission.SCAN_IMAGES_ASSESS, place_scope)

        def queue(tx: Transaction) -> str:
            found = registry.resolve(tx, repository, reference)
            if found is None:
                raise NotFound(f"there is no {reference} in {repository}", remedy="see `pratique registry list`")
            return work.request_rescan(tx, Place(found.digest, found.repository_id, repository))

        identity = await database.write_async(queue)
        return {"operation": identity, "status": f"/api/v1/operations/{identity}"}

    @routes.get("/images/{name:path}/manifests/{reference}/base")
    async def show_base(request: Request, name: str, reference: str) -> dict[str, Any]:
        """Show what an image was built on, which findings came with that, and the newer build that settles most.

        Where the caller may not see the base's repository, its name is left out.
        """
        caller, repository = caller_of(request.scope), str(RepositoryName.parse(name))
        authorizer.require(caller, Permission.SCAN_FINDINGS_READ, Scope.for_repository(repository))

        def read(tx: Transaction) -> dict[str, Any]:
            found = registry.resolve(tx, repository, reference)
            if found is None:
                raise NotFound(f"there is no {reference} in {repository}", remedy="see `pratique registry list`")
            base = told.base_of(tx, found.digest)
            if base is None:
                return {"digest": found.digest, "base": None}
            shown = told.split(tx, Place(found.digest, found.repository_id, repository))
            return {
                "digest": found.digest,
                "base": {"chain": base.chain, "layers": base.layers, "of": base.of, "found_by": "layers"},
                "findings": asdict(shown),
                "replaced": [asdict(each) for each in told.replaced(tx, found.digest)],
                "build": _build(base, authorizer, caller),
            }

        return await threads_of(request.scope).run(database.read, read)


def _build(base: ImageBase, authorizer: Authorizer, caller: Caller) -> dict[str, Any] | None:
    """Word the base by name, for those who may see its repository."""
    build = base.upgrade
    if build is None or not build.repository:
        return None
    where = Scope.for_repository(build.repository)
    if not authorizer.allowed(caller, Permission.REGISTRY_METADATA_READ, where):
        return None
    return {
        "repository": build.repository,
        "tag": build.tag,
        "digest": build.digest,
        "named": build.named,
        "target_tag": build.target_tag,
        "target_digest": build.target,
        "why_not": build.why_not,
        **asdict(build.compared),
    }


def _advisories(
    routes: APIRouter, database: Database, store: AdvisoryStore, work: ScanJobs, authorizer: Authorizer
) -> None:
    @routes.get("/advisories")
    async def show_advisories(request: Request) -> dict[str, Any]:
        """Show every feed with its age, and what would be needed to judge all that was seen."""
        authorizer.require(caller_of(request.scope), Permission.ADVISORIES_FEEDS_READ, Scope.root())

        def read() -> dict[str, Any]:
            store.refresh()
            revision, starter = database.read(stored_revision)
            needed = store.needed(sorted(database.read(seen_ecosystems)))
            return {
                "revision": revision,
                "starter": starter,
                "feeds": [{**asdict(feed), "state": feed.state.value} for feed in store.feeds()],
                "needed": [asdict(feed) for feed in needed],
            }

        return await threads_of(request.scope).run(read)

    @routes.post("/advisories/sync", status_code=202)
    async def sync_advisories(request: Request, body: SyncBody) -> dict[str, Any]:
        """Fetch feeds in the background; the answer names the operation to watch."""
        authorizer.require(caller_of(request.scope), Permission.ADVISORIES_FEEDS_SYNC, Scope.root())
        unknown = sorted(set(body.feeds) - set(feed_names()))
        if unknown:
            raise Invalid(f"there is no feed {unknown[0]!r}", remedy=f"the feeds are: {', '.join(feed_names())}")
        identity = await database.write_async(lambda tx: work.request_sync(tx, body.feeds))
        return {"operation": identity, "status": f"/api/v1/operations/{identity}"}

    @routes.post("/advisories/changed", status_code=202)
    async def announce_change(request: Request) -> dict[str, Any]:
        """Say that data was put into the store from outside (an imported bundle): everything is judged again by it."""
        authorizer.require(caller_of(request.scope), Permission.ADVISORIES_FEEDS_SYNC, Scope.root())
        store.refresh()
        await database.write_async(lambda tx: work.announce_data(tx, ()))
        return {"revision": store.revision}
