"""`/roles`, `/assignments` and `/access`: who may do what where, and why."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query

from pratique.core.database import Transaction
from pratique.core.permissions import ANONYMOUS, OPERATOR, Permission, Scope
from pratique.identity import roles
from pratique.identity.api.shapes import (
    ROOT,
    Cursor,
    Known,
    Limit,
    NewAssignment,
    assignment_json,
    explanation_json,
    page_json,
    permission_of,
    role_json,
)
from pratique.identity.service import IdentityService
from pratique.identity.tables import principals
from pratique.identity.types import Assignment

_FIXED = {OPERATOR.name: OPERATOR.principal_id, ANONYMOUS.name: ANONYMOUS.principal_id}


def router(identity: IdentityService) -> APIRouter:
    """The routes of roles, assignments and explanations."""
    routes = APIRouter(tags=["access"])
    _roles(routes)
    _assignments(routes, identity)
    _explain(routes, identity)
    return routes


def _roles(routes: APIRouter) -> None:
    @routes.get("/roles")
    async def list_roles(caller: Known) -> dict[str, Any]:  # noqa: ARG001 - whoever is known may see roles
        """List roles and what they permit."""
        return page_json(map(role_json, roles.BUILT_IN), None)

    @routes.get("/roles/{name}")
    async def show_role(caller: Known, name: str) -> dict[str, Any]:  # noqa: ARG001
        """Show a role by name or id."""
        return role_json(roles.find(name))


def _assignments(routes: APIRouter, identity: IdentityService) -> None:
    database, service = identity.database, identity.assignments

    @routes.get("/assignments")
    async def list_assignments(
        caller: Known,
        limit: Limit = 100,
        cursor: Cursor = None,
        principal: Annotated[str | None, Query(max_length=128)] = None,
        scope: Annotated[str | None, Query(max_length=512)] = None,
    ) -> dict[str, Any]:
        """List assignments that the caller may see; of one principal, or at a scope and below."""
        place = None if scope is None else Scope.parse(scope)

        def read(tx: Transaction) -> dict[str, Any]:
            who = None if principal is None else identity.principals.get(tx, principal).id
            found = service.list(tx, caller, limit=limit, cursor=cursor, principal_id=who, scope=place)
            return page_json(_named(tx, found.items), found.next)

        return await database.read_async(read)

    @routes.post("/assignments", status_code=201)
    async def create_assignment(caller: Known, body: NewAssignment) -> dict[str, Any]:
        """Give a role at a scope, or deny it there."""
        role, scope = roles.find(body.role), Scope.parse(body.scope)

        def create(tx: Transaction) -> dict[str, Any]:
            principal = identity.principals.get(tx, body.principal)
            made = service.create(tx, caller, principal, role, scope, effect=body.effect, lifetime=body.lifetime)
            return assignment_json(made, principal.name)

        return await database.write_async(create)

    @routes.delete("/assignments/{assignment_id}", status_code=204)
    async def delete_assignment(caller: Known, assignment_id: str) -> None:
        """Take a role away, at once."""
        await database.write_async(lambda tx: service.delete(tx, caller, service.get(tx, assignment_id)))


def _explain(routes: APIRouter, identity: IdentityService) -> None:
    @routes.get("/access/explain")
    async def explain(
        caller: Known,
        principal: Annotated[str, Query(max_length=128)],
        permission: Annotated[str, Query(max_length=128)],
        scope: Annotated[str, Query(max_length=512)] = "/",
    ) -> dict[str, Any]:
        """Say whether a principal may do something at a scope, through what, or what it would take."""
        wanted, place = permission_of(permission), Scope.parse(scope)
        name, principal_id = principal, _FIXED.get(principal)
        if principal_id is None:
            found = await identity.database.read_async(lambda tx: identity.principals.get(tx, principal))
            name, principal_id = found.name, found.id
        if principal_id != caller.principal_id:
            identity.authorizer.require(caller, Permission.IDENTITY_ASSIGNMENTS_READ, place)
        return explanation_json(identity.authorizer.explain(principal_id, wanted, place), name)

    @routes.get("/access/me")
    async def me(caller: Known) -> dict[str, Any]:
        """Say who the caller is."""
        return {"id": caller.principal_id, "name": caller.name, "kind": caller.kind, "root": str(ROOT)}


def _named(tx: Transaction, given: tuple[Assignment, ...]) -> list[dict[str, Any]]:
    ids = {assignment.principal_id for assignment in given}
    rows = tx.execute(sa.select(principals.c.id, principals.c.name).where(principals.c.id.in_(ids))).all()
    names = {row.id: row.name for row in rows}
    return [assignment_json(assignment, names.get(assignment.principal_id)) for assignment in given]
