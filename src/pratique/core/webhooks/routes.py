"""Webhooks in the management API."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pratique.core.http.plane import caller_of, threads_of
from pratique.core.webhooks.service import Webhooks
from pratique.core.webhooks.signing import shown
from pratique.core.webhooks.types import MOST_PATTERNS, Attempt, Dead, NewWebhook, Webhook

Limit = Annotated[int, Query(ge=1, le=500)]
_LAST = 2**63 - 1
_Pattern = Annotated[str, Field(min_length=1, max_length=200)]


class WebhookBody(BaseModel):
    """A webhook to be made; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(max_length=63)
    url: str = Field(max_length=2048, repr=False)
    scope: str = Field("/", max_length=512, description="Only events at this scope and below.")
    types: tuple[_Pattern, ...] = Field((), max_length=MOST_PATTERNS, description="Patterns with `*`; none takes all.")
    subjects: tuple[_Pattern, ...] = Field((), max_length=MOST_PATTERNS)
    headers: dict[str, str] = Field(default_factory=dict, max_length=20, repr=False, description="Sent along; sealed.")


class ReplayBody(BaseModel):
    """Where to begin again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: int = Field(ge=0, le=_LAST)


class ResendBody(BaseModel):
    """Which dead event to send once more; none for all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    position: int | None = Field(None, ge=1, le=_LAST)


def router(webhooks: Webhooks) -> APIRouter:
    """Routes below /api/v1; each asks for the right at the webhook's scope."""
    routes = APIRouter(tags=["webhooks"])
    _lists(routes, webhooks)
    _changes(routes, webhooks)
    _steps(routes, webhooks)
    return routes


def _lists(routes: APIRouter, webhooks: Webhooks) -> None:
    @routes.get("/webhooks")
    async def list_webhooks(request: Request) -> dict[str, Any]:
        """List webhooks by name; their secrets and what is secret of their addresses are never shown."""
        found = await threads_of(request.scope).run(webhooks.list, caller_of(request.scope))
        return {"items": [webhook_json(each) for each in found], "next": None}

    @routes.get("/webhooks/{webhook}")
    async def show_webhook(request: Request, webhook: str) -> dict[str, Any]:
        """Show one by id or name, with how it stands."""
        return webhook_json(await threads_of(request.scope).run(webhooks.show, caller_of(request.scope), webhook))

    @routes.get("/webhooks/{webhook}/attempts")
    async def list_attempts(
        request: Request, webhook: str, limit: Limit = 100, before: Annotated[int | None, Query(ge=1, le=_LAST)] = None
    ) -> dict[str, Any]:
        """List deliveries, newest first."""
        caller = caller_of(request.scope)
        found = await threads_of(request.scope).run(webhooks.attempts, caller, webhook, limit, before)
        return {"items": [_attempt_json(each) for each in found]}

    @routes.get("/webhooks/{webhook}/dead")
    async def list_dead(
        request: Request, webhook: str, limit: Limit = 100, after: Annotated[int, Query(ge=0, le=_LAST)] = 0
    ) -> dict[str, Any]:
        """List events that the receiver would not take, oldest first."""
        caller = caller_of(request.scope)
        found = await threads_of(request.scope).run(webhooks.dead, caller, webhook, limit, after)
        return {"items": [_dead_json(each) for each in found]}


def _changes(routes: APIRouter, webhooks: Webhooks) -> None:
    @routes.post("/webhooks", status_code=201)
    async def create_webhook(request: Request, body: WebhookBody) -> dict[str, Any]:
        """Make a webhook; the answer is the only one that holds its secret."""
        new = NewWebhook(body.name, body.url, body.scope, body.types, body.subjects, body.headers)
        made, secret = await threads_of(request.scope).run(webhooks.create, caller_of(request.scope), new)
        return {**webhook_json(made), "secret": shown(secret)}

    @routes.delete("/webhooks/{webhook}", status_code=204)
    async def delete_webhook(request: Request, webhook: str) -> None:
        """Delete a webhook with its log."""
        await threads_of(request.scope).run(webhooks.delete, caller_of(request.scope), webhook)

    @routes.post("/webhooks/{webhook}/rotate")
    async def rotate_secret(request: Request, webhook: str) -> dict[str, Any]:
        """Give it a new secret; for a day both sign."""
        secret = await threads_of(request.scope).run(webhooks.rotate, caller_of(request.scope), webhook)
        return {"secret": shown(secret)}


def _steps(routes: APIRouter, webhooks: Webhooks) -> None:
    async def change(request: Request, step: Callable[..., Webhook], *arguments: Any) -> dict[str, Any]:
        return webhook_json(await threads_of(request.scope).run(step, caller_of(request.scope), *arguments))

    @routes.post("/webhooks/{webhook}/pause")
    async def pause_webhook(request: Request, webhook: str) -> dict[str, Any]:
        """Stop deliveries; what happens meanwhile waits."""
        return await change(request, webhooks.pause, webhook)

    @routes.post("/webhooks/{webhook}/resume")
    async def resume_webhook(request: Request, webhook: str) -> dict[str, Any]:
        """Go on where it stopped, after asking the receiver again."""
        return await change(request, webhooks.resume, webhook)

    @routes.post("/webhooks/{webhook}/test")
    async def try_webhook(request: Request, webhook: str) -> dict[str, Any]:
        """Ask the receiver now; the outcome is the newest line of the delivery log."""
        return await change(request, webhooks.test, webhook)

    @routes.post("/webhooks/{webhook}/replay")
    async def replay_events(request: Request, webhook: str, body: ReplayBody) -> dict[str, Any]:
        """Deliver again what came after a position."""
        return await change(request, webhooks.replay, webhook, body.after)

    @routes.post("/webhooks/{webhook}/resend")
    async def resend_dead(request: Request, webhook: str, body: ResendBody) -> dict[str, Any]:
        """Send dead events once more: one, or all."""
        caller = caller_of(request.scope)
        return {"count": await threads_of(request.scope).run(webhooks.resend, caller, webhook, body.position)}


def webhook_json(item: Webhook) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.name,
        "url": item.shown_address,
        "scope": item.scope,
        "types": list(item.types),
        "subjects": list(item.subjects),
        "state": item.state.value,
        "reason": item.reason,
        "position": item.cursor,
        "attempt": item.attempt,
        "next_at": item.next_at,
        "failing_since": item.failing_since,
        "created_at": item.created_at,
        "created_by": item.created_by,
    }


def _attempt_json(item: Attempt) -> dict[str, Any]:
    return {name: getattr(item, name) for name in Attempt.__dataclass_fields__}


def _dead_json(item: Dead) -> dict[str, Any]:
    return {name: getattr(item, name) for name in Dead.__dataclass_fields__}
