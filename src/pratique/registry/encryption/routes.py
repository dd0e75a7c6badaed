"""Encryption at rest in the management API."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from pratique.core.audit import Audit
from pratique.core.database import Database, Transaction
from pratique.core.http.plane import caller_of, threads_of
from pratique.core.jobs import JobQueue
from pratique.core.permissions import Authorizer, Permission, Scope
from pratique.registry.encryption.rewriting import Rewriting


def router(
    database: Database, rewriting: Rewriting, jobs: JobQueue, *, authorizer: Authorizer, audit: Audit, writes: bool
) -> APIRouter:
    """Routes below /api/v1; both ask for the right over the whole installation."""
    routes = APIRouter(tags=["registry"])

    @routes.get("/registry/encryption")
    async def show_encryption(request: Request) -> dict[str, Any]:
        """Say how much is stored plainly and encrypted, and under which keys."""
        authorizer.require(caller_of(request.scope), Permission.REGISTRY_STORAGE_READ, Scope.root())
        return {"encrypt": writes, **asdict(await threads_of(request.scope).run(rewriting.survey))}

    @routes.post("/registry/encryption", status_code=202)
    async def rewrite_segments(request: Request) -> dict[str, Any]:
        """Bring what is stored to what `blobs.encrypt` says, and its keys to the newest one."""
        caller = caller_of(request.scope)
        authorizer.require(caller, Permission.REGISTRY_STORAGE_COLLECT, Scope.root())

        def body(tx: Transaction) -> str:
            audit.with_change(tx, "registry.storage.rewrite", caller, "blobs", {"encrypt": writes})
            return rewriting.request(tx, jobs)

        identity = await database.write_async(body)
        return {"operation": identity, "status": f"/api/v1/operations/{identity}"}

    return routes
