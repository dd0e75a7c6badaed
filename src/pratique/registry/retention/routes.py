"""Immutability rules in the management API."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pratique.core.database import Cursors, Database
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Authorizer, Permission, Scope
from pratique.registry.retention.immutability import Immutability


class NewRule(BaseModel):
    """Tags to protect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefix: str = Field("", max_length=255)
    tags: str = Field(max_length=2600)


def router(database: Database, immutability: Immutability, authorizer: Authorizer, cursors: Cursors) -> APIRouter:
    """Routes below /api/v1."""
    routes = APIRouter(tags=["registry"])

    @routes.get("/immutability-rules")
    async def list_immutability_rules(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: Annotated[str | None, Query(max_length=2048)] = None,
    ) -> dict[str, Any]:
        """List the rules that keep tags as they are."""
        authorizer.require(caller_of(request.scope), Permission.REGISTRY_RETENTION_READ, Scope.parse("/registry"))
        after = str(cursors.decode("immutability", cursor)[0]) if cursor else ""
        found = await database.read_async(lambda tx: immutability.rules(tx, limit=limit + 1, after=after))
        following = cursors.encode("immutability", [found[limit - 1].id]) if len(found) > limit else None
        return {"items": [asdict(rule) for rule in found[:limit]], "next": following}

    @routes.post("/immutability-rules", status_code=201)
    async def add_immutability_rule(request: Request, rule: NewRule) -> dict[str, Any]:
        """Protect tags by pattern in the repositories below a prefix."""
        caller = caller_of(request.scope)
        authorizer.require(caller, Permission.REGISTRY_RETENTION_WRITE, _scope(rule.prefix))
        return asdict(await database.write_async(lambda tx: immutability.add(tx, caller, rule.prefix, rule.tags)))

    @routes.delete("/immutability-rules/{rule_id}", status_code=204)
    async def remove_immutability_rule(request: Request, rule_id: str) -> None:
        """Take a rule off."""
        caller = caller_of(request.scope)
        found = await database.read_async(lambda tx: immutability.find(tx, rule_id))
        authorizer.require(caller, Permission.REGISTRY_RETENTION_WRITE, _scope(found.prefix))
        await database.write_async(lambda tx: immutability.remove(tx, caller, rule_id))

    return routes


def _scope(prefix: str) -> Scope:
    return Scope.parse(f"/registry/{prefix.strip('/')}".rstrip("/"))
