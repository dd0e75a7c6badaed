"""`/roles`: built-in and custom roles."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from pratique.core.database import Transaction
from pratique.identity.api.shapes import Body, Known, page_json, role_json
from pratique.identity.custom_roles import Definition
from pratique.identity.service import IdentityService

Names = Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=300)]


class Rights(Body):
    permissions: Names = Field(default_factory=list, description="Names, or all that begin so: registry/content/*")
    actions: Names = Field(default_factory=list, description="Azure's management actions.")
    data_actions: Names = Field(default_factory=list, description="Azure's data actions.")
    not_actions: Names = Field(default_factory=list, description="Azure's actions that are taken from those.")

    def definition(self) -> Definition:
        return Definition(
            tuple(self.permissions), tuple(self.actions), tuple(self.data_actions), tuple(self.not_actions)
        )


class NewRole(Rights):
    name: str = Field(max_length=64)
    description: str = Field("", max_length=500)


class RoleChange(Body):
    name: str | None = Field(None, max_length=64)
    description: str | None = Field(None, max_length=500)
    rights: Rights | None = None


def router(identity: IdentityService) -> APIRouter:
    """The routes of roles."""
    routes = APIRouter(prefix="/roles", tags=["access"])
    database, service = identity.database, identity.roles

    @routes.get("")
    async def list_roles(caller: Known) -> dict[str, Any]:  # noqa: ARG001 - whoever is known may see roles
        """List roles and what they permit."""
        return page_json(map(role_json, await database.read_async(service.list)), None)

    @routes.post("", status_code=201)
    async def create_role(caller: Known, body: NewRole) -> dict[str, Any]:
        """Create a custom role of rights that the caller holds everywhere."""

        def create(tx: Transaction) -> dict[str, Any]:
            return role_json(service.create(tx, caller, body.name, body.definition(), description=body.description))

        return await database.write_async(create)

    @routes.get("/{name}")
    async def show_role(caller: Known, name: str) -> dict[str, Any]:  # noqa: ARG001
        """Show a role by name or id."""
        return role_json(await database.read_async(lambda tx: service.find(tx, name)))

    @routes.patch("/{name}")
    async def change_role(caller: Known, name: str, body: RoleChange) -> dict[str, Any]:
        """Change a custom role; it acts at once on everybody who holds it."""

        def change(tx: Transaction) -> dict[str, Any]:
            definition = None if body.rights is None else body.rights.definition()
            changed = service.change(
                tx,
                caller,
                service.find(tx, name),
                name=body.name,
                description=body.description,
                definition=definition,
            )
            return role_json(changed)

        return await database.write_async(change)

    @routes.delete("/{name}", status_code=204)
    async def delete_role(caller: Known, name: str) -> None:
        """Delete a custom role that nobody holds."""
        await database.write_async(lambda tx: service.delete(tx, caller, service.find(tx, name)))

    return routes
