"""Retention rules, previews and runs in the management API."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pratique.core.database import Cursors, Database
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Authorizer, Permission, Scope
from pratique.registry.lifecycle import Lifecycle
from pratique.registry.retention.patterns import parse_prefix
from pratique.registry.retention.types import RetentionRule

Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=2048)]
Prefix = Annotated[str, Query(max_length=255)]

_Number = Annotated[int, Field(le=2**31 - 1)]


class NewRetentionRule(BaseModel):
    """What to keep; spans are days. Unknown fields are refused: a misspelt one would keep less than was meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefix: str = Field("", max_length=255)
    tags: str = Field("", max_length=2600)
    keep_newest: _Number | None = None
    keep_versions: _Number | None = None
    pushed_within: _Number | None = None
    pulled_within: _Number | None = None
    untagged_after: _Number | None = None


def router(database: Database, lifecycle: Lifecycle, authorizer: Authorizer, cursors: Cursors) -> APIRouter:
    """Routes below /api/v1."""
    routes = APIRouter(tags=["registry"])
    _add_rules(routes, database, lifecycle, authorizer, cursors)
    _add_runs(routes, database, lifecycle, authorizer, cursors)
    return routes


def _add_rules(
    routes: APIRouter, database: Database, lifecycle: Lifecycle, authorizer: Authorizer, cursors: Cursors
) -> None:
    rules = lifecycle.retention_rules

    @routes.get("/retention-rules")
    async def list_retention_rules(
        request: Request, prefix: Prefix = "", limit: Limit = 100, cursor: Cursor = None
    ) -> dict[str, Any]:
        """List the rules for a prefix and for what lies below it."""
        prefix = parse_prefix(prefix)
        authorizer.require(caller_of(request.scope), Permission.REGISTRY_RETENTION_READ, _scope(prefix))
        listing = f"retention rules below {prefix}"
        after = str(cursors.decode(listing, cursor)[0]) if cursor else ""
        found = await database.read_async(lambda tx: rules.rules(tx, prefix, limit=limit + 1, after=after))
        following = cursors.encode(listing, [found[limit - 1].id]) if len(found) > limit else None
        return {"items": [asdict(rule) for rule in found[:limit]], "next": following}

    @routes.post("/retention-rules", status_code=201)
    async def add_retention_rule(request: Request, rule: NewRetentionRule) -> dict[str, Any]:
        """Say which tags below a prefix stay; the others go with the next run."""
        caller = caller_of(request.scope)
        authorizer.require(caller, Permission.REGISTRY_RETENTION_WRITE, _scope(parse_prefix(rule.prefix)))
        wanted = RetentionRule(id="", **rule.model_dump())
        return asdict(await database.write_async(lambda tx: rules.add(tx, caller, wanted)))

    @routes.get("/retention-rules/{rule_id}/preview")
    async def preview_retention_rule(
        request: Request, rule_id: str, limit: Limit = 100, cursor: Cursor = None
    ) -> dict[str, Any]:
        """Say of each tag and untagged manifest that a rule covers whether it would go now, and why."""
        found = await database.read_async(lambda tx: rules.find(tx, rule_id))
        authorizer.require(caller_of(request.scope), Permission.REGISTRY_RETENTION_READ, _scope(found.prefix))
        listing = f"preview of {rule_id}"
        place = cursors.decode(listing, cursor) if cursor else ["", ""]
        after = (str(place[0]), str(place[1]))
        verdicts, following = await database.read_async(lambda tx: rules.preview(tx, rule_id, limit=limit, after=after))
        return {
            "items": [asdict(verdict) for verdict in verdicts],
            "next": cursors.encode(listing, following) if following else None,
        }

    @routes.delete("/retention-rules/{rule_id}", status_code=204)
    async def remove_retention_rule(request: Request, rule_id: str) -> None:
        """Take a rule off; a run under way stops acting on it."""
        caller = caller_of(request.scope)
        found = await database.read_async(lambda tx: rules.find(tx, rule_id))
        authorizer.require(caller, Permission.REGISTRY_RETENTION_WRITE, _scope(found.prefix))
        await database.write_async(lambda tx: rules.remove(tx, caller, rule_id))


def _add_runs(
    routes: APIRouter, database: Database, lifecycle: Lifecycle, authorizer: Authorizer, cursors: Cursors
) -> None:
    retention = lifecycle.retention

    @routes.post("/retention-runs", status_code=202)
    async def start_retention(request: Request, prefix: Prefix = "") -> dict[str, Any]:
        """Run the rules over the repositories below a prefix; answers the operation that does it."""
        caller, prefix = caller_of(request.scope), parse_prefix(prefix)
        authorizer.require(caller, Permission.REGISTRY_RETENTION_WRITE, _scope(prefix))
        job_id = await database.write_async(lambda tx: retention.start(tx, caller, prefix))
        return {"id": job_id, "status": f"/api/v1/operations/{job_id}", "result": f"/api/v1/retention-runs/{job_id}"}

    @routes.get("/retention-runs")
    async def list_retention_runs(
        request: Request, prefix: Prefix = "", limit: Limit = 100, cursor: Cursor = None
    ) -> dict[str, Any]:
        """List runs over a prefix and what lies below it, newest first, with what each has taken."""
        prefix = parse_prefix(prefix)
        authorizer.require(caller_of(request.scope), Permission.REGISTRY_RETENTION_READ, _scope(prefix))
        listing = f"retention runs below {prefix}"
        before = str(cursors.decode(listing, cursor)[0]) if cursor else ""
        found = await database.read_async(lambda tx: retention.runs(tx, prefix, limit=limit + 1, before=before))
        following = cursors.encode(listing, [found[limit - 1]["id"]]) if len(found) > limit else None
        return {"items": found[:limit], "next": following}

    @routes.get("/retention-runs/{run_id}")
    async def show_retention_run(request: Request, run_id: str) -> dict[str, Any]:
        """Show how far a run is and what it has taken."""
        found = await database.read_async(lambda tx: retention.run(tx, run_id))
        authorizer.require(caller_of(request.scope), Permission.REGISTRY_RETENTION_READ, _scope(found["prefix"]))
        return found


def _scope(prefix: str) -> Scope:
    return Scope.parse(f"/registry/{prefix}".rstrip("/"))
