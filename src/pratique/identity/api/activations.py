"""`/eligible-roles` and `/activations`: roles that somebody takes on for a time."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from pratique.core.clock import SECOND
from pratique.core.database import Transaction
from pratique.core.permissions import Scope
from pratique.identity.activation import Activation, Eligibility
from pratique.identity.api.shapes import Body, Cursor, Grant, Known, Lifetime, Limit, instant, page_json
from pratique.identity.rights_reading import names_of, roles_by_id
from pratique.identity.service import IdentityService


class NewEligibility(Grant):
    principal: str = Field(max_length=128)
    longest: float = Field(4 * 3600.0, description="Longest activation, in seconds.")
    approval: bool = False
    lifetime: Lifetime = None
    condition: str = Field("", max_length=8192)


class NewActivation(Body):
    eligibility: str = Field(max_length=64, description="Id of the eligible role.")
    reason: str = Field(max_length=1000)
    duration: float = Field(3600.0, description="Seconds.")


class Decision(Body):
    approve: bool
    note: str = Field("", max_length=1000)


def router(identity: IdentityService) -> APIRouter:
    """The routes of eligible roles and their activation."""
    routes = APIRouter(tags=["access"])
    _eligible(routes, identity)
    _activations(routes, identity)
    return routes


def _eligible(routes: APIRouter, identity: IdentityService) -> None:
    database, service = identity.database, identity.activations

    @routes.get("/eligible-roles")
    async def list_eligible(
        caller: Known,
        limit: Limit = 100,
        cursor: Cursor = None,
        principal: Annotated[str | None, Query(max_length=128, description="Name; `me` for what one may do.")] = None,
    ) -> dict[str, Any]:
        """List eligible roles: one's own, through groups too, or those that the caller may see."""

        def read(tx: Transaction) -> dict[str, Any]:
            if principal == "me":
                return page_json(eligible_json(tx, service.mine(tx, caller)), None)
            who = None if principal is None else identity.principals.get(tx, principal).id
            found = service.list(tx, caller, limit=limit, cursor=cursor, principal_id=who)
            return page_json(eligible_json(tx, found.items), found.next)

        return await database.read_async(read)

    @routes.post("/eligible-roles", status_code=201)
    async def offer(caller: Known, body: NewEligibility) -> dict[str, Any]:
        """Make a principal or a group eligible for a role at a scope."""
        scope = Scope.parse(body.scope)

        def make(tx: Transaction) -> dict[str, Any]:
            made = service.offer(
                tx,
                caller,
                identity.principals.get(tx, body.principal),
                identity.roles.find(tx, body.role),
                scope,
                longest=body.longest,
                approval=body.approval,
                lifetime=body.lifetime,
                condition=body.condition,
            )
            return eligible_json(tx, [made])[0]

        return await database.write_async(make)

    @routes.delete("/eligible-roles/{eligibility_id}", status_code=204)
    async def withdraw(caller: Known, eligibility_id: str) -> None:
        """End an eligible role and what was activated from it, at once."""
        await database.write_async(lambda tx: service.withdraw(tx, caller, service.get(tx, eligibility_id)))


def _activations(routes: APIRouter, identity: IdentityService) -> None:
    database, service = identity.database, identity.activations

    @routes.get("/activations")
    async def list_activations(
        caller: Known, *, limit: Limit = 100, cursor: Cursor = None, waiting: bool = False
    ) -> dict[str, Any]:
        """List one's own activations, and those that the caller may approve or see, the youngest first."""

        def read(tx: Transaction) -> dict[str, Any]:
            found = service.history(tx, caller, limit=limit, cursor=cursor, waiting=waiting)
            return page_json(activation_json(tx, found.items), found.next)

        return await database.read_async(read)

    @routes.post("/activations", status_code=201)
    async def activate(caller: Known, body: NewActivation) -> dict[str, Any]:
        """Take on an eligible role for a time, or ask for its approval."""

        def begin(tx: Transaction) -> dict[str, Any]:
            made = service.activate(tx, caller, body.eligibility, reason=body.reason, duration=body.duration)
            return activation_json(tx, [(made, service.get(tx, made.eligibility_id))])[0]

        return await database.write_async(begin)

    @routes.post("/activations/{activation_id}/decide")
    async def decide(caller: Known, activation_id: str, body: Decision) -> dict[str, Any]:
        """Approve or refuse a request of somebody else."""

        def decided(tx: Transaction) -> dict[str, Any]:
            made = service.decide(tx, caller, activation_id, approve=body.approve, note=body.note)
            return activation_json(tx, [(made, service.get(tx, made.eligibility_id))])[0]

        return await database.write_async(decided)

    @routes.delete("/activations/{activation_id}", status_code=204)
    async def end(caller: Known, activation_id: str) -> None:
        """End an activation, or take a request back, at once."""
        await database.write_async(lambda tx: service.end(tx, caller, activation_id))


def eligible_json(tx: Transaction, given: "list[Eligibility] | tuple[Eligibility, ...] | Any") -> list[dict[str, Any]]:
    """Return eligible roles with the names of holders and roles."""
    given = list(given)
    names, known = names_of(tx, (one.principal_id for one in given)), roles_by_id(tx, (one.role_id for one in given))
    return [
        {
            "id": one.id,
            "principal": names.get(one.principal_id),
            "role": known[one.role_id].name if one.role_id in known else None,
            "scope": str(one.scope),
            "condition": one.condition,
            "longest": one.longest // SECOND,
            "approval": one.approval,
            "created_at": instant(one.created_at),
            "expires_at": instant(one.expires_at),
        }
        for one in given
    ]


def activation_json(tx: Transaction, given: "Any") -> list[dict[str, Any]]:
    """Return activations with what they are for and the names of those who took part."""
    pairs: list[tuple[Activation, Eligibility]] = list(given)
    names = names_of(tx, (who for one, _ in pairs for who in (one.principal_id, one.decided_by) if who))
    terms = {told["id"]: told for told in eligible_json(tx, [eligible for _, eligible in pairs])}
    return [
        {
            "id": one.id,
            "principal": names.get(one.principal_id),
            "role": terms[eligible.id]["role"],
            "scope": str(eligible.scope),
            "state": one.state,
            "reason": one.reason,
            "duration": one.duration // SECOND,
            "created_at": instant(one.created_at),
            "decided_at": instant(one.decided_at),
            "decided_by": names.get(one.decided_by or ""),
            "note": one.note,
            "expires_at": instant(one.expires_at),
        }
        for one, eligible in pairs
    ]
