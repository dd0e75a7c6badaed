"""`/assignments` and `/access`: who may do what where, why, and what it would take."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Query

from pratique.core.database import Transaction
from pratique.core.permissions import ANONYMOUS, OPERATOR, Permission, Scope
from pratique.identity.api.shapes import (
    ROOT,
    Cursor,
    Known,
    Limit,
    NewAssignment,
    assignment_json,
    explanation_json,
    page_json,
    principal_json,
)
from pratique.identity.rights_reading import names_of, roles_by_id
from pratique.identity.service import IdentityService
from pratique.identity.types import Assignment

_FIXED = {OPERATOR.name: OPERATOR.principal_id, ANONYMOUS.name: ANONYMOUS.principal_id}
Place = Annotated[str, Query(max_length=512)]
Right = Annotated[str, Query(max_length=128)]


def router(identity: IdentityService) -> APIRouter:
    """The routes of assignments and explanations."""
    routes = APIRouter(tags=["access"])
    _assignments(routes, identity)
    _explain(routes, identity)
    return routes


def _assignments(routes: APIRouter, identity: IdentityService) -> None:
    database, service = identity.database, identity.assignments

    @routes.get("/assignments")
    async def list_assignments(
        caller: Known,
        *,
        limit: Limit = 100,
        cursor: Cursor = None,
        principal: Annotated[str | None, Query(max_length=128)] = None,
        role: Annotated[str | None, Query(max_length=128)] = None,
        scope: Annotated[str | None, Query(max_length=512)] = None,
    ) -> dict[str, Any]:
        """List assignments that the caller may see; of one principal or group, of a role, at a scope and below."""
        place = None if scope is None else Scope.parse(scope)

        def read(tx: Transaction) -> dict[str, Any]:
            who = None if principal is None else identity.principals.get(tx, principal).id
            held = None if role is None else identity.roles.find(tx, role).id
            found = service.list(tx, caller, limit=limit, cursor=cursor, principal_id=who, role_id=held, scope=place)
            return page_json(named(tx, found.items), found.next)

        return await database.read_async(read)

    @routes.post("/assignments", status_code=201)
    async def create_assignment(caller: Known, body: NewAssignment) -> dict[str, Any]:
        """Give a role at a scope, or deny it there."""
        scope = Scope.parse(body.scope)

        def create(tx: Transaction) -> dict[str, Any]:
            principal, role = identity.principals.get(tx, body.principal), identity.roles.find(tx, body.role)
            made = service.create(
                tx,
                caller,
                principal,
                role,
                scope,
                effect=body.effect,
                lifetime=body.lifetime,
                condition=body.condition,
            )
            return assignment_json(made, principal.name, role.name)

        return await database.write_async(create)

    @routes.delete("/assignments/{assignment_id}", status_code=204)
    async def delete_assignment(caller: Known, assignment_id: str) -> None:
        """Take a role away, or lift a denial, at once."""
        await database.write_async(lambda tx: service.delete(tx, caller, service.get(tx, assignment_id)))


def _explain(routes: APIRouter, identity: IdentityService) -> None:
    require = identity.authorizer.require

    @routes.get("/access/explain")
    async def explain(
        caller: Known, principal: Annotated[str, Query(max_length=128)], permission: Right, scope: Place = "/"
    ) -> dict[str, Any]:
        """Say whether a principal may do something at a scope, through what, or what it would take."""
        wanted, place = Permission.parse(permission), Scope.parse(scope)

        def read(tx: Transaction) -> tuple[str, str, list[dict[str, Any]]]:
            fixed = _FIXED.get(principal)
            if fixed is not None:
                return principal, fixed, []
            found = identity.principals.get(tx, principal)
            could = identity.holders.could_activate(tx, found.id, wanted, place)
            told = [{"id": h.assignment.id, "role": h.role_name, "scope": str(h.assignment.scope)} for h in could]
            return found.name, found.id, told

        name, principal_id, eligible = await identity.database.read_async(read)
        if principal_id != caller.principal_id:
            require(caller, Permission.IDENTITY_ASSIGNMENTS_READ, place)
        told = explanation_json(identity.authorizer.explain(principal_id, wanted, place), name)
        return told | {"eligible": eligible}

    @routes.get("/access/who-can")
    async def who_can(
        caller: Known, permission: Right, scope: Place = "/", limit: Limit = 100, cursor: Cursor = None
    ) -> dict[str, Any]:
        """List who may do something at a scope, each with the reason; a page can be shorter than its limit."""
        wanted, place = Permission.parse(permission), Scope.parse(scope)
        require(caller, Permission.IDENTITY_ASSIGNMENTS_READ, place)
        found = await identity.database.read_async(
            lambda tx: identity.holders.who_can(tx, wanted, place, limit=limit, cursor=cursor)
        )
        told = (
            principal_json(one.principal) | {"summary": one.explanation.summary}
            | {"by": explanation_json(one.explanation, one.principal.name)["by"]}
            for one in found.items
        )  # fmt: skip
        return page_json(told, found.next)

    @routes.get("/access/me")
    async def me(caller: Known) -> dict[str, Any]:
        """Say who the caller is."""
        return {"id": caller.principal_id, "name": caller.name, "kind": caller.kind, "root": str(ROOT)}


def named(tx: Transaction, given: Iterable[Assignment]) -> list[dict[str, Any]]:
    """Return assignments as JSON, with the names of their holders and roles."""
    given = list(given)
    names = names_of(tx, (assignment.principal_id for assignment in given))
    known = roles_by_id(tx, (assignment.role_id for assignment in given))
    return [
        assignment_json(one, names.get(one.principal_id), known[one.role_id].name if one.role_id in known else None)
        for one in given
    ]
