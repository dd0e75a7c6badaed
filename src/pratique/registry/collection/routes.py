"""Collection and deleted content in the management API."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from pratique.core.database import Cursors, Database
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Authorizer, Permission, Scope
from pratique.registry.deleted import list_deleted
from pratique.registry.lifecycle import Lifecycle
from pratique.registry.types import RepositoryName

Limit = Annotated[int, Query(ge=1, le=500)]
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
Cursor = Annotated[str | None, Query(max_length=2048)]
_ALL = Scope.parse("/registry")


def router(database: Database, lifecycle: Lifecycle, authorizer: Authorizer, cursors: Cursors) -> APIRouter:
    """Routes below /api/v1."""
    routes = APIRouter(tags=["registry"])
    _add_collections(routes, database, lifecycle, authorizer, cursors)
    _add_deleted(routes, database, lifecycle, authorizer, cursors)
    return routes


def _add_collections(
    routes: APIRouter, database: Database, lifecycle: Lifecycle, authorizer: Authorizer, cursors: Cursors
) -> None:
    collections = lifecycle.collections

    @routes.post("/collections", status_code=202)
    async def start_collection(request: Request, *, dry_run: bool = False) -> dict[str, Any]:
        """Collect garbage, or say what a collection would take; answers the operation that does it."""
        caller = caller_of(request.scope)
        authorizer.require(caller, Permission.REGISTRY_STORAGE_COLLECT, _ALL)
        job_id = await database.write_async(lambda tx: collections.start(tx, caller, dry_run=dry_run))
        return {"id": job_id, "status": f"/api/v1/operations/{job_id}", "result": f"/api/v1/collections/{job_id}"}

    @routes.get("/collections")
    async def list_collections(request: Request, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """List collections, newest first, with what each has taken."""
        authorizer.require(caller_of(request.scope), Permission.REGISTRY_STORAGE_READ, _ALL)
        before = str(cursors.decode("collections", cursor)[0]) if cursor else ""
        found = await database.read_async(lambda tx: collections.runs(tx, limit=limit + 1, before=before))
        following = cursors.encode("collections", [found[limit - 1]["id"]]) if len(found) > limit else None
        return {"items": found[:limit], "next": following}

    @routes.get("/collections/{run_id}")
    async def show_collection(request: Request, run_id: str) -> dict[str, Any]:
        """Show what one collection has taken, or would take."""
        authorizer.require(caller_of(request.scope), Permission.REGISTRY_STORAGE_READ, _ALL)
        return await database.read_async(lambda tx: collections.run(tx, run_id))

    @routes.get("/collections/{run_id}/finds")
    async def list_finds(request: Request, run_id: str, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """List what a dry run found."""
        authorizer.require(caller_of(request.scope), Permission.REGISTRY_STORAGE_READ, _ALL)
        listing = f"finds of {run_id}"
        after = int(cursors.decode(listing, cursor)[0]) if cursor else -1
        found = await database.read_async(lambda tx: collections.finds(tx, run_id, limit=limit + 1, after=after))
        following = cursors.encode(listing, [found[limit - 1]["number"]]) if len(found) > limit else None
        return {"items": found[:limit], "next": following}


def _add_deleted(
    routes: APIRouter, database: Database, lifecycle: Lifecycle, authorizer: Authorizer, cursors: Cursors
) -> None:
    restoring = lifecycle.restoring

    @routes.get("/repositories/{name:path}/deleted")
    async def list_deleted_items(
        request: Request, name: str, limit: Limit = 100, cursor: Cursor = None
    ) -> dict[str, Any]:
        """List deleted manifests and tags that can be restored, last deleted first."""
        repository = _allowed(request, authorizer, Permission.REGISTRY_DELETED_READ, name)
        listing = f"deleted in {name}"
        before = int(cursors.decode(listing, cursor)[0]) if cursor else None
        found = await database.read_async(lambda tx: list_deleted(tx, repository, limit=limit + 1, before=before))
        following = cursors.encode(listing, [found[limit - 1].id]) if len(found) > limit else None
        return {"items": [asdict(item) for item in found[:limit]], "next": following}

    @routes.post("/repositories/{name:path}/deleted/{number}/restore")
    async def restore_deleted(request: Request, name: str, number: Number) -> dict[str, Any]:
        """Restore a manifest with its tags, or a tag; it is judged again like a push."""
        repository = _allowed(request, authorizer, Permission.REGISTRY_DELETED_RESTORE, name)
        caller = caller_of(request.scope)
        restored = await database.write_async(lambda tx: restoring.restore(tx, caller, repository, number))
        return {"repository": name, "tags": restored}

    @routes.delete("/repositories/{name:path}/deleted/{number}", status_code=204)
    async def purge_deleted(request: Request, name: str, number: Number) -> None:
        """Give a deleted item up before its time; its bytes go with the next collection."""
        repository = _allowed(request, authorizer, Permission.REGISTRY_DELETED_PURGE, name)
        caller = caller_of(request.scope)
        await database.write_async(lambda tx: restoring.purge(tx, caller, repository, number))


def _allowed(request: Request, authorizer: Authorizer, permission: Permission, name: str) -> RepositoryName:
    repository = RepositoryName.parse(name)
    authorizer.require(caller_of(request.scope), permission, Scope.for_repository(repository.value))
    return repository
