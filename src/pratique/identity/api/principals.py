"""`/principals`: create, list, show, disable, delete; their secrets: list, make, rotate, revoke."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from pratique.core.database import Transaction
from pratique.core.permissions import Caller, Permission, Scope
from pratique.identity.api.access import named
from pratique.identity.api.shapes import (
    ROOT,
    Cursor,
    Known,
    Limit,
    NewPrincipal,
    NewSecretBody,
    Rotation,
    credential_json,
    page_json,
    principal_json,
)
from pratique.identity.service import IdentityService
from pratique.identity.types import NewSecret, Principal, PrincipalName

_READ, _WRITE = Permission.IDENTITY_PRINCIPALS_READ, Permission.IDENTITY_PRINCIPALS_WRITE


def router(identity: IdentityService) -> APIRouter:
    """The routes of principals."""
    routes = APIRouter(prefix="/principals", tags=["principals"])
    require = identity.authorizer.require
    service, database = identity.principals, identity.database

    @routes.get("")
    async def list_principals(
        caller: Known,
        limit: Limit = 100,
        cursor: Cursor = None,
        kind: Annotated[str | None, Query(max_length=16)] = None,
        text: Annotated[str, Query(max_length=128)] = "",
    ) -> dict[str, Any]:
        """List principals by name."""
        require(caller, _READ, ROOT)
        found = await database.read_async(lambda tx: service.list(tx, limit=limit, cursor=cursor, kind=kind, text=text))
        return page_json(map(principal_json, found.items), found.next)

    @routes.post("", status_code=201)
    async def create_principal(caller: Known, body: NewPrincipal) -> dict[str, Any]:
        """Create a principal, give it roles and a secret, all or nothing; the secret is shown this once."""
        require(caller, _WRITE, ROOT)
        return await database.write_async(lambda tx: _create(identity, tx, caller, body))

    @routes.get("/{name}")
    async def show_principal(caller: Known, name: str) -> dict[str, Any]:
        """Show a principal with its secrets (without values) and roles."""
        require(caller, _READ, ROOT)
        return await database.read_async(lambda tx: _shown(identity, tx, caller, service.get(tx, name)))

    @routes.delete("/{name}", status_code=204)
    async def delete_principal(caller: Known, name: str) -> None:
        """Delete a principal with its credentials, roles and sessions."""
        require(caller, _WRITE, ROOT)
        await database.write_async(lambda tx: service.delete(tx, caller, service.get(tx, name)))

    @routes.post("/{name}/disable", status_code=204)
    async def disable_principal(caller: Known, name: str) -> None:
        """Refuse a principal everywhere, at once."""
        require(caller, _WRITE, ROOT)
        await database.write_async(lambda tx: service.set_active(tx, caller, service.get(tx, name), active=False))

    @routes.post("/{name}/enable", status_code=204)
    async def enable_principal(caller: Known, name: str) -> None:
        """Let a disabled principal work again."""
        require(caller, _WRITE, ROOT)
        await database.write_async(lambda tx: service.set_active(tx, caller, service.get(tx, name), active=True))

    @routes.post("/{name}/revoke-tokens", status_code=204)
    async def revoke_tokens(caller: Known, name: str) -> None:
        """Refuse every token that was issued to the principal so far."""
        require(caller, _WRITE, ROOT)
        await database.write_async(lambda tx: service.revoke_tokens(tx, caller, service.get(tx, name)))

    _secrets(routes, identity)
    return routes


def _secrets(routes: APIRouter, identity: IdentityService) -> None:
    require = identity.authorizer.require
    service, database = identity.principals, identity.database

    @routes.get("/{name}/secrets")
    async def list_secrets(caller: Known, name: str) -> dict[str, Any]:
        """List the secrets of a principal, without values."""
        require(caller, _READ, ROOT)
        found = await database.read_async(lambda tx: service.secrets(tx, service.get(tx, name)))
        return page_json(map(credential_json, found), None)

    @routes.post("/{name}/secrets", status_code=201)
    async def create_secret(caller: Known, name: str, body: NewSecretBody) -> dict[str, Any]:
        """Make a further secret; it is shown this once."""
        require(caller, _WRITE, ROOT)

        def make(tx: Transaction) -> NewSecret:
            return service.add_secret(tx, caller, service.get(tx, name), label=body.label, lifetime=body.lifetime)

        return _secret_json(await database.write_async(make))

    @routes.post("/{name}/rotate", status_code=201)
    async def rotate_secrets(caller: Known, name: str, body: Rotation) -> dict[str, Any]:
        """Make a new secret, shown this once; older ones end at once, or after the overlap."""
        require(caller, _WRITE, ROOT)

        def rotate(tx: Transaction) -> NewSecret:
            principal = service.get(tx, name)
            return service.rotate(tx, caller, principal, overlap=body.overlap, lifetime=body.lifetime, label=body.label)

        return _secret_json(await database.write_async(rotate))

    @routes.delete("/{name}/secrets/{secret_id}", status_code=204)
    async def revoke_secret(caller: Known, name: str, secret_id: str) -> None:
        """Revoke a secret, and every token that came from it."""
        require(caller, _WRITE, ROOT)
        await database.write_async(lambda tx: service.revoke_secret(tx, caller, service.get(tx, name), secret_id))


def _create(identity: IdentityService, tx: Transaction, caller: Caller, body: NewPrincipal) -> dict[str, Any]:
    principal = identity.principals.create(tx, caller, PrincipalName.parse(body.name), body.kind, body.display_name)
    answer = principal_json(principal)
    if body.secret:
        secret = identity.principals.add_secret(
            tx, caller, principal, label=body.secret_label, lifetime=body.secret_lifetime
        )
        answer |= {"secret": _secret_json(secret)}
    given = [
        identity.assignments.create(
            tx, caller, principal, identity.roles.find(tx, grant.role), Scope.parse(grant.scope)
        )
        for grant in body.grants
    ]
    return answer | {"assignments": named(tx, given)}


def _shown(identity: IdentityService, tx: Transaction, caller: Caller, principal: Principal) -> dict[str, Any]:
    given = identity.assignments.list(tx, caller, principal_id=principal.id, limit=500)
    return principal_json(principal) | {
        "secrets": [credential_json(credential) for credential in identity.principals.secrets(tx, principal)],
        "assignments": named(tx, given.items),
        "groups": [{"name": group.name, "source": source} for group, source in identity.groups.of(tx, principal)],
    }


def _secret_json(secret: NewSecret) -> dict[str, Any]:
    return credential_json(secret.credential) | {"value": secret.value}
