"""Operations: background work as the management API shows it. An answer 202 names one."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from pratique.core.database import Cursors, Database
from pratique.core.http.plane import caller_of, threads_of
from pratique.core.jobs import JobQueue, JobState, JobStatus
from pratique.core.permissions import Authorizer, Permission, Scope

LISTING = "operations"


def router(database: Database, jobs: JobQueue, authorizer: Authorizer, cursors: Cursors) -> APIRouter:
    """Routes below /api/v1; all of them ask for the right over the whole installation."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/operations")
    async def list_operations(
        request: Request,
        state: JobState | None = None,
        kind: Annotated[str, Query(max_length=200)] = "",
        cursor: Annotated[str, Query(max_length=2048)] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> dict[str, Any]:
        """List background work, newest first."""
        authorizer.require(caller_of(request.scope), Permission.SYSTEM_JOBS_READ, Scope.root())
        before = str(cursors.decode(LISTING, cursor)[0]) if cursor else ""
        states = (state,) if state else ()
        found = await threads_of(request.scope).run(
            database.read, lambda tx: jobs.search(tx, states=states, kind=kind, before=before, limit=limit + 1)
        )
        following = cursors.encode(LISTING, [found[limit - 1].id]) if len(found) > limit else None
        return {"items": [_shown(job) for job in found[:limit]], "next": following}

    @routes.get("/operations/{operation_id}")
    async def show_operation(request: Request, operation_id: str) -> dict[str, Any]:
        """Show how far one is."""
        authorizer.require(caller_of(request.scope), Permission.SYSTEM_JOBS_READ, Scope.root())
        return _shown(await threads_of(request.scope).run(database.read, lambda tx: jobs.get(tx, operation_id)))

    @routes.post("/operations/{operation_id}/cancel")
    async def cancel_operation(request: Request, operation_id: str) -> dict[str, Any]:
        """Ask one to stop; it ends at its next step."""
        authorizer.require(caller_of(request.scope), Permission.SYSTEM_JOBS_WRITE, Scope.root())
        state = await database.write_async(lambda tx: jobs.cancel(tx, operation_id))
        return {"id": operation_id, "state": state.value}

    @routes.post("/operations/{operation_id}/retry", status_code=202)
    async def retry_operation(request: Request, operation_id: str) -> dict[str, Any]:
        """Queue one that failed for good again."""
        authorizer.require(caller_of(request.scope), Permission.SYSTEM_JOBS_WRITE, Scope.root())
        await database.write_async(lambda tx: jobs.retry(tx, operation_id))
        return {"id": operation_id, "status": f"/api/v1/operations/{operation_id}"}

    return routes


def _shown(job: JobStatus) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state.value,
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "progress": {"done": job.progress_done, "total": job.progress_total, "note": job.progress_note},
        "error": job.last_error,
        "created": job.created_at,
        "started": job.started_at,
        "finished": job.finished_at,
        "cancel_requested": job.cancel_requested,
    }
