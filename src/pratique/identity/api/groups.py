"""`/groups`: groups and who belongs to them."""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from pratique.core.database import Transaction
from pratique.core.permissions import Permission
from pratique.identity.api.access import named
from pratique.identity.api.shapes import ROOT, Body, Cursor, Known, Limit, instant, page_json, principal_json
from pratique.identity.groups import Member
from pratique.identity.service import IdentityService
from pratique.identity.types import Principal, PrincipalName


class NewGroup(Body):
    name: str = Field(max_length=128)
    description: str = Field("", max_length=200)


def router(identity: IdentityService) -> APIRouter:
    """The routes of groups."""
    routes = APIRouter(prefix="/groups", tags=["groups"])
    _groups(routes, identity)
    _members(routes, identity)
    return routes


def _groups(routes: APIRouter, identity: IdentityService) -> None:
    database, service, require = identity.database, identity.groups, identity.authorizer.require

    @routes.get("")
    async def list_groups(caller: Known, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """List groups by name."""
        require(caller, Permission.IDENTITY_GROUPS_READ, ROOT)

        def read(tx: Transaction) -> dict[str, Any]:
            found = identity.principals.list(tx, limit=limit, cursor=cursor, kind="group")
            sizes = service.sizes(tx, [group.id for group in found.items])
            return page_json((group_json(group, sizes.get(group.id, 0)) for group in found.items), found.next)

        return await database.read_async(read)

    @routes.post("", status_code=201)
    async def create_group(caller: Known, body: NewGroup) -> dict[str, Any]:
        """Create a group without members and roles."""
        name = PrincipalName.parse(body.name)
        made = await database.write_async(lambda tx: service.create(tx, caller, name, body.description))
        return group_json(made, 0)

    @routes.get("/{name}")
    async def show_group(caller: Known, name: str) -> dict[str, Any]:
        """Show a group with the roles that the caller may see."""
        require(caller, Permission.IDENTITY_GROUPS_READ, ROOT)

        def read(tx: Transaction) -> dict[str, Any]:
            group = service.get(tx, name)
            given = identity.assignments.list(tx, caller, principal_id=group.id, limit=500)
            size = service.sizes(tx, [group.id]).get(group.id, 0)
            return group_json(group, size) | {"assignments": named(tx, given.items)}

        return await database.read_async(read)

    @routes.delete("/{name}", status_code=204)
    async def delete_group(caller: Known, name: str) -> None:
        """Delete a group with its roles."""
        await database.write_async(lambda tx: service.delete(tx, caller, service.get(tx, name)))


def _members(routes: APIRouter, identity: IdentityService) -> None:
    database, service, require = identity.database, identity.groups, identity.authorizer.require

    @routes.get("/{name}/members")
    async def list_members(caller: Known, name: str, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """List who belongs to a group, and who says so."""
        require(caller, Permission.IDENTITY_GROUPS_READ, ROOT)
        found = await database.read_async(
            lambda tx: service.members(tx, service.get(tx, name), limit=limit, cursor=cursor)
        )
        return page_json(map(member_json, found.items), found.next)

    @routes.put("/{name}/members/{principal}", status_code=204)
    async def add_member(caller: Known, name: str, principal: str) -> None:
        """Put somebody into a group, at once."""
        await database.write_async(
            lambda tx: service.add(tx, caller, service.get(tx, name), identity.principals.get(tx, principal))
        )

    @routes.delete("/{name}/members/{principal}", status_code=204)
    async def remove_member(caller: Known, name: str, principal: str) -> None:
        """Take somebody out of a group, at once."""
        await database.write_async(
            lambda tx: service.remove(tx, caller, service.get(tx, name), identity.principals.get(tx, principal))
        )


def group_json(group: Principal, size: int) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.display_name,
        "members": size,
        "created_at": instant(group.created_at),
    }


def member_json(member: Member) -> dict[str, Any]:
    return principal_json(member.principal) | {"source": member.source, "added_at": instant(member.created_at)}
