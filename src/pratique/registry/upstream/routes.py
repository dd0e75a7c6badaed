"""Cache rules in the management API."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from pratique.core.clock import SECOND
from pratique.core.http.plane import caller_of, threads_of
from pratique.registry.upstream.rules import CacheAdministration
from pratique.registry.upstream.types import MOST, PLATFORMS, TTL, CacheRule, NewRule

_Pattern = Annotated[str, Field(min_length=1, max_length=255)]


class RuleBody(BaseModel):
    """A cache rule to be made; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefix: str = Field(max_length=255, description="Repositories here at this name and below it.")
    upstream: str = Field(max_length=500, description="HOST, HOST:PORT or HOST/PREFIX; docker.io is Docker Hub.")
    user: str = Field("", max_length=200)
    secret: str = Field("", max_length=8192, repr=False)
    patterns: tuple[_Pattern, ...] = Field((), max_length=MOST, description="Repositories there, with `*`.")
    platforms: tuple[_Pattern, ...] = Field(PLATFORMS, max_length=MOST, description="Come with an index at once.")
    ttl: float = Field(TTL, ge=0, le=86400 * 30, description="Seconds for which a tag is believed.")


def router(administration: CacheAdministration) -> APIRouter:
    """Routes below /api/v1; each asks for the right at the rule's prefix."""
    routes = APIRouter(tags=["registry"])

    @routes.get("/registry/caches")
    async def list_caches(request: Request) -> dict[str, Any]:
        """List cache rules by prefix, without their secrets."""
        found = await threads_of(request.scope).run(administration.list, caller_of(request.scope))
        return {"items": [rule_json(each) for each in found], "next": None}

    @routes.post("/registry/caches", status_code=201)
    async def create_cache(request: Request, body: RuleBody) -> dict[str, Any]:
        """Make a rule: pulls below its prefix are filled from the other registry."""
        new = NewRule(**body.model_dump())
        return rule_json(await threads_of(request.scope).run(administration.create, caller_of(request.scope), new))

    @routes.delete("/registry/caches/{prefix:path}", status_code=204)
    async def delete_cache(request: Request, prefix: str) -> None:
        """Delete a rule; what it has brought stays."""
        await threads_of(request.scope).run(administration.delete, caller_of(request.scope), prefix)

    return routes


def rule_json(rule: CacheRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "prefix": rule.prefix,
        "upstream": f"{rule.host}/{rule.remote}" if rule.remote else rule.host,
        "user": rule.user or None,
        "patterns": list(rule.patterns),
        "platforms": list(rule.platforms),
        "ttl": rule.ttl / SECOND,
        "created_at": rule.created_at,
        "created_by": rule.created_by,
    }
