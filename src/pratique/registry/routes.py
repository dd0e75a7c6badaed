"""The registry in the management API: repositories, tags, manifests with gate and reason."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from pratique.core.database import Cursors, Database, Transaction
from pratique.core.database.paging import check_limit
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Authorizer, Caller
from pratique.registry.errors import ManifestUnknown, NameUnknown
from pratique.registry.rights import CATALOG, PULL, SEE, Rights
from pratique.registry.service import RegistryService
from pratique.registry.types import Gate, ManifestSummary, RepositoryName, RepositoryRef, RepositorySummary, TagSummary

Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=2048)]


def router(database: Database, service: RegistryService, authorizer: Authorizer, cursors: Cursors) -> APIRouter:
    """Routes below /api/v1; each list shows what the caller may see, and no more."""
    routes = APIRouter(tags=["registry"])
    reads = _Reads(database, service, authorizer, cursors)

    @routes.get("/repositories")
    async def list_repositories(request: Request, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """List repositories by name."""
        return await reads.repositories(caller_of(request.scope), limit, cursor)

    @routes.get("/repositories/{name:path}/tags")
    async def list_tags(request: Request, name: str, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """List tags by name, with the digest that readers get and the one that waits."""
        return await reads.tags(caller_of(request.scope), name, limit, cursor)

    @routes.get("/repositories/{name:path}/manifests")
    async def list_manifests(request: Request, name: str, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """List manifests with their gates, newest push first."""
        return await reads.manifests(caller_of(request.scope), name, limit, cursor)

    @routes.get("/repositories/{name:path}/manifests/{reference}")
    async def show_manifest(request: Request, name: str, reference: str) -> dict[str, Any]:
        """Show what a tag or digest stands for, with gate and reason."""
        return await reads.manifest(caller_of(request.scope), name, reference)

    return routes


class _Reads:
    """The reads behind the routes."""

    def __init__(self, database: Database, service: RegistryService, authorizer: Authorizer, cursors: Cursors) -> None:
        self._database = database
        self._service = service
        self._authorizer = authorizer
        self._rights = Rights(authorizer)
        self._cursors = cursors

    async def repositories(self, caller: Caller, limit: int, cursor: str | None) -> dict[str, Any]:
        after = "" if cursor is None else str(self._cursors.decode("repositories", cursor)[0])
        extents = [self._authorizer.extent(caller, permission) for permission in (CATALOG, PULL, SEE)]
        found = await self._database.read_async(
            lambda tx: self._service.list_repositories(tx, extents, limit=check_limit(limit) + 1, after=after)
        )
        return self._page("repositories", found, limit, repository_json, lambda item: [item.name])

    async def tags(self, caller: Caller, name: str, limit: int, cursor: str | None) -> dict[str, Any]:
        repository = self._seen(caller, name)
        listing = f"tags of {name}"
        after = "" if cursor is None else str(self._cursors.decode(listing, cursor)[0])

        def read(tx: Transaction) -> list[TagSummary]:
            found = self._repository(tx, repository)
            return self._service.list_tags(tx, found.id, limit=check_limit(limit) + 1, after=after)

        return self._page(listing, await self._database.read_async(read), limit, tag_json, lambda item: [item.name])

    async def manifests(self, caller: Caller, name: str, limit: int, cursor: str | None) -> dict[str, Any]:
        repository = self._seen(caller, name)
        listing = f"manifests of {name}"
        before = None if cursor is None else int(self._cursors.decode(listing, cursor)[0])

        def read(tx: Transaction) -> list[ManifestSummary]:
            found = self._repository(tx, repository)
            return self._service.list_manifests(tx, found.id, limit=check_limit(limit) + 1, before=before)

        found = await self._database.read_async(read)
        return self._page(listing, found, limit, manifest_json, lambda item: [item.number])

    async def manifest(self, caller: Caller, name: str, reference: str) -> dict[str, Any]:
        repository = self._seen(caller, name)
        found = await self._database.read_async(lambda tx: self._service.resolve(tx, repository.value, reference))
        if found is None:
            raise ManifestUnknown(f"there is no {reference[:100]} in {name}", remedy="list its tags")
        return manifest_json(found)

    def _seen(self, caller: Caller, name: str) -> RepositoryName:
        repository = RepositoryName.parse(name)
        self._rights.require(caller, repository, PULL, SEE)
        return repository

    def _repository(self, tx: Transaction, name: RepositoryName) -> RepositoryRef:
        found = self._service.repository(tx, name.value)
        if found is None:
            raise NameUnknown("there is no repository of this name", remedy="list the repositories")
        return found

    def _page(self, listing: str, found: list[Any], limit: int, shape: Any, position: Any) -> dict[str, Any]:
        more = len(found) > limit
        following = self._cursors.encode(listing, position(found[limit - 1])) if more else None
        return {"items": [shape(item) for item in found[:limit]], "next": following}


def repository_json(item: RepositorySummary) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "created_at": item.created_at,
        "manifests": item.manifests,
        "tags": item.tags,
        "pushed_at": item.pushed_at,
    }


def tag_json(item: TagSummary) -> dict[str, Any]:
    return {
        "name": item.name,
        "served": item.served or None,
        "pending": item.pending or None,
        "moved_at": item.moved_at,
    }


def gate_json(gate: Gate) -> dict[str, Any]:
    return {
        "state": gate.state.value,
        "reason": gate.reason.as_json(),
        "decision_id": gate.decision_id,
        "since": gate.since,
    }


def manifest_json(item: ManifestSummary) -> dict[str, Any]:
    return {
        "digest": item.digest,
        "media_type": item.media_type,
        "artifact_type": item.artifact_type,
        "kind": item.kind.value,
        "subject": item.subject or None,
        "size": item.size,
        "pushed_at": item.pushed_at,
        "pusher": item.pusher,
        "tags": list(item.tags),
        "gate": gate_json(item.gate),
    }
