"""`/scope-maps` and `/registry-tokens`: credentials for a few repositories, in the form of Azure Container Registry."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field

from pratique.core.database import Transaction
from pratique.core.permissions import Caller
from pratique.identity.api.shapes import Body, Cursor, Known, Lifetime, Limit, instant, page_json
from pratique.identity.scope_maps.service import ScopeMaps
from pratique.identity.scope_maps.tokens import RegistryTokens
from pratique.identity.scope_maps.types import MAX_RULES, PASSWORDS, Password, RegistryToken, ScopeMap
from pratique.identity.service import IdentityService
from pratique.identity.types import Credential, NewSecret

_Actions = Annotated[
    list[Annotated[str, Field(max_length=320)]],
    Field(min_length=1, max_length=MAX_RULES, description="repositories/NAME/content/read; NAME may end with *."),
]


class NewScopeMap(Body):
    name: str = Field(max_length=50)
    description: str = Field("", max_length=500)
    actions: _Actions


class ScopeMapChange(Body):
    description: str | None = Field(None, max_length=500)
    actions: _Actions


class NewRegistryToken(Body):
    name: str = Field(max_length=128)
    scope_map: str = Field(max_length=64)
    passwords: list[Password] = Field(default_factory=lambda: list(PASSWORDS), max_length=2)
    lifetime: Lifetime = None


class RegistryTokenChange(Body):
    scope_map: str | None = Field(None, max_length=64)
    status: Literal["enabled", "disabled"] | None = None


class NewPassword(Body):
    lifetime: Lifetime = None


def router(identity: IdentityService) -> APIRouter:
    """The routes of scope maps and of the tokens that have them."""
    routes = APIRouter(tags=["scope maps"])
    _maps(routes, identity, identity.scope_maps)
    _tokens(routes, identity, identity.registry_tokens)
    _changes(routes, identity, identity.registry_tokens)
    return routes


def _maps(routes: APIRouter, identity: IdentityService, service: ScopeMaps) -> None:
    database = identity.database

    @routes.get("/scope-maps")
    async def list_scope_maps(caller: Known) -> dict[str, Any]:
        """List scope maps, those of the system first; only those whose places the caller may see assignments at."""
        return page_json(map(map_json, await database.read_async(lambda tx: service.list(tx, caller))), None)

    @routes.post("/scope-maps", status_code=201)
    async def create_scope_map(caller: Known, body: NewScopeMap) -> dict[str, Any]:
        """Create a scope map of rights that the caller holds at each of its places."""

        def create(tx: Transaction) -> ScopeMap:
            return service.create(tx, caller, body.name, body.actions, description=body.description)

        return map_json(await database.write_async(create))

    @routes.get("/scope-maps/{name}")
    async def show_scope_map(caller: Known, name: str) -> dict[str, Any]:
        """Show a scope map by name or id."""
        return map_json(await database.read_async(lambda tx: service.get(tx, caller, name)))

    @routes.patch("/scope-maps/{name}")
    async def change_scope_map(caller: Known, name: str, body: ScopeMapChange) -> dict[str, Any]:
        """Give a scope map other actions; tokens that have it follow at once."""

        def change(tx: Transaction) -> ScopeMap:
            former = service.get(tx, caller, name)
            return service.change(tx, caller, former, body.actions, description=body.description)

        return map_json(await database.write_async(change))

    @routes.delete("/scope-maps/{name}", status_code=204)
    async def delete_scope_map(caller: Known, name: str) -> None:
        """Delete a scope map that no token has."""
        await database.write_async(lambda tx: service.delete(tx, caller, service.get(tx, caller, name)))


def _tokens(routes: APIRouter, identity: IdentityService, service: RegistryTokens) -> None:
    database = identity.database

    @routes.get("/registry-tokens")
    async def list_registry_tokens(caller: Known, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
        """List tokens by name, without passwords."""
        found = await database.read_async(lambda tx: service.list(tx, caller, limit=limit, cursor=cursor))
        return page_json(map(token_json, found.items), found.next)

    @routes.post("/registry-tokens", status_code=201)
    async def create_registry_token(caller: Known, body: NewRegistryToken) -> dict[str, Any]:
        """Create a token with its passwords, all or nothing; they are shown this once."""
        return await database.write_async(lambda tx: _create(identity, tx, caller, body))

    @routes.get("/registry-tokens/{name}")
    async def show_registry_token(caller: Known, name: str) -> dict[str, Any]:
        """Show a token by name or id, without passwords."""
        return token_json(await database.read_async(lambda tx: service.get(tx, caller, name)))


def _changes(routes: APIRouter, identity: IdentityService, service: RegistryTokens) -> None:
    database = identity.database

    @routes.patch("/registry-tokens/{name}")
    async def change_registry_token(caller: Known, name: str, body: RegistryTokenChange) -> dict[str, Any]:
        """Give a token another scope map, enable or disable it; it acts at once."""

        def change(tx: Transaction) -> RegistryToken:
            token = service.get(tx, caller, name)
            if body.scope_map is not None:
                service.assign(tx, caller, token, identity.scope_maps.get(tx, caller, body.scope_map))
            if body.status is not None:
                service.set_active(tx, caller, token, active=body.status == "enabled")
            return service.get(tx, caller, name)

        return token_json(await database.write_async(change))

    @routes.post("/registry-tokens/{name}/passwords/{which}", status_code=201)
    async def generate_password(caller: Known, name: str, which: Password, body: NewPassword) -> dict[str, Any]:
        """Make a password anew, shown this once; its former value is refused at once, the other password stays."""

        def generate(tx: Transaction) -> NewSecret:
            return service.generate(tx, caller, service.get(tx, caller, name), which, lifetime=body.lifetime)

        return _shown(await database.write_async(generate))

    @routes.delete("/registry-tokens/{name}/passwords/{which}", status_code=204)
    async def revoke_password(caller: Known, name: str, which: Password) -> None:
        """End a password, and what came of it, at once."""
        await database.write_async(lambda tx: service.revoke(tx, caller, service.get(tx, caller, name), which))

    @routes.delete("/registry-tokens/{name}", status_code=204)
    async def delete_registry_token(caller: Known, name: str) -> None:
        """Delete a token with its passwords and rights."""
        await database.write_async(lambda tx: service.delete(tx, caller, service.get(tx, caller, name)))


def _create(identity: IdentityService, tx: Transaction, caller: Caller, body: NewRegistryToken) -> dict[str, Any]:
    service = identity.registry_tokens
    service.create(tx, caller, body.name, identity.scope_maps.get(tx, caller, body.scope_map))
    made = [
        service.generate(tx, caller, service.get(tx, caller, body.name), which, lifetime=body.lifetime)
        for which in sorted(set(body.passwords))
    ]
    return token_json(service.get(tx, caller, body.name)) | {"passwords": [_shown(one) for one in made]}


def map_json(one: ScopeMap) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "actions": [str(rule) for rule in one.rules],
        "type": "SystemDefined" if one.system else "UserDefined",
        "created_at": instant(one.created_at or None),
    }


def token_json(one: RegistryToken) -> dict[str, Any]:
    return {
        "id": one.principal.id,
        "name": one.principal.name,
        "scope_map": one.scope_map.name,
        "status": "enabled" if one.principal.state == "active" else "disabled",
        "created_at": instant(one.principal.created_at),
        "passwords": [_password_json(password) for password in one.passwords],
    }


def _password_json(one: Credential) -> dict[str, Any]:
    return {
        "name": one.label,
        "created_at": instant(one.created_at),
        "expires_at": instant(one.expires_at),
        "last_used_at": instant(one.last_used_at),
    }


def _shown(made: NewSecret) -> dict[str, Any]:
    return _password_json(made.credential) | {"value": made.value}
