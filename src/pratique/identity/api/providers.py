"""`/sign-in-providers`: OpenID Connect providers, what their groups mean, and who of them is whom."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from pratique.core.database import Transaction
from pratique.core.permissions import Permission
from pratique.identity.api.shapes import ROOT, Body, Known, instant, page_json
from pratique.identity.oidc.types import NewProvider, Provider
from pratique.identity.rights_reading import names_of
from pratique.identity.service import IdentityService

Texts = Annotated[list[Annotated[str, Field(max_length=255)]], Field(max_length=200)]


class ProviderTerms(Body):
    title: str = Field("", max_length=60)
    client_id: str = Field(max_length=255)
    client_secret: str = Field("", max_length=1000, description="Empty on a change: it stays as it is.", repr=False)
    scopes: Texts = Field(default_factory=lambda: ["openid", "profile", "email"])
    group_claim: str = Field("groups", max_length=255)
    allowed_domains: Texts = Field(default_factory=list)
    allowed_groups: Texts = Field(default_factory=list)


class ProviderBody(ProviderTerms):
    id: str = Field(max_length=32, description="Short name, a part of the address that the provider calls back.")
    issuer: str = Field(max_length=2048)


class GroupMeaning(Body):
    value: str = Field(max_length=255, description="Value of the provider's group claim.")
    group: str = Field(max_length=128, description="Name of a group here.")


class PersonLink(Body):
    subject: str = Field(max_length=255, description="The provider's lasting name of the person (`sub`).")
    principal: str = Field(max_length=128)


def router(identity: IdentityService) -> APIRouter:
    """The routes of providers."""
    routes = APIRouter(prefix="/sign-in-providers", tags=["people"])
    _providers(routes, identity)
    _meanings(routes, identity)
    return routes


def _providers(routes: APIRouter, identity: IdentityService) -> None:
    database, service, require = identity.database, identity.providers, identity.authorizer.require

    @routes.get("")
    async def list_providers(caller: Known) -> dict[str, Any]:
        """List providers, without secrets."""
        require(caller, Permission.IDENTITY_PROVIDERS_READ, ROOT)
        return page_json(map(provider_json, await database.read_async(service.list)), None)

    @routes.post("", status_code=201)
    async def add_provider(caller: Known, body: ProviderBody) -> dict[str, Any]:
        """Add a provider; nobody comes in through it before a domain, a group or a person was allowed to."""
        wanted = _wanted(body, body.id, body.issuer)
        return provider_json(await database.write_async(lambda tx: service.add(tx, caller, wanted)))

    @routes.get("/{provider}")
    async def show_provider(caller: Known, provider: str) -> dict[str, Any]:
        """Show a provider with what its groups mean here."""
        require(caller, Permission.IDENTITY_PROVIDERS_READ, ROOT)

        def read(tx: Transaction) -> dict[str, Any]:
            found = service.get(tx, provider)
            mapped = service.mapped(tx, found.id)
            names = names_of(tx, (group for _, group in mapped))
            meanings = [{"value": value, "group": names.get(group)} for value, group in mapped]
            return provider_json(found) | {"groups": meanings}

        return await database.read_async(read)

    @routes.put("/{provider}")
    async def change_provider(caller: Known, provider: str, body: ProviderTerms) -> dict[str, Any]:
        """Change a provider; its short name and issuer stay."""

        def change(tx: Transaction) -> Provider:
            known = service.get(tx, provider)
            return service.change(tx, caller, known, _wanted(body, known.id, known.issuer))

        return provider_json(await database.write_async(change))

    @routes.post("/{provider}/{verb}", status_code=204)
    async def switch_provider(caller: Known, provider: str, verb: str) -> None:
        """Let people come from a provider, or nobody: `enable` or `disable`."""
        from pratique.core.errors import NotFound

        if verb not in ("enable", "disable"):
            raise NotFound("There is no such route.")
        await database.write_async(
            lambda tx: service.set_enabled(tx, caller, service.get(tx, provider), enabled=verb == "enable")
        )

    @routes.delete("/{provider}", status_code=204)
    async def delete_provider(caller: Known, provider: str) -> None:
        """Remove a provider; its people stay as principals without that way in."""
        await database.write_async(lambda tx: service.delete(tx, caller, service.get(tx, provider)))


def _meanings(routes: APIRouter, identity: IdentityService) -> None:
    database, service = identity.database, identity.providers

    @routes.put("/{provider}/groups", status_code=204)
    async def map_group(caller: Known, provider: str, body: GroupMeaning) -> None:
        """Let a group of the provider mean a group here, from the next sign-in on."""
        await database.write_async(
            lambda tx: service.map_group(
                tx, caller, service.get(tx, provider), body.value, identity.groups.get(tx, body.group)
            )
        )

    @routes.delete("/{provider}/groups", status_code=204)
    async def unmap_group(caller: Known, provider: str, value: str, group: str) -> None:
        """Let a group of the provider mean that group no more, from the next sign-in on."""
        await database.write_async(
            lambda tx: service.unmap_group(tx, caller, service.get(tx, provider), value, identity.groups.get(tx, group))
        )

    @routes.put("/{provider}/people", status_code=204)
    async def link(caller: Known, provider: str, body: PersonLink) -> None:
        """Say which person here somebody of the provider is."""
        await database.write_async(
            lambda tx: service.link(
                tx, caller, service.get(tx, provider), body.subject, identity.principals.get(tx, body.principal)
            )
        )

    @routes.delete("/{provider}/people/{principal}", status_code=204)
    async def unlink(caller: Known, provider: str, principal: str) -> None:
        """Take from a person the way in through a provider."""
        await database.write_async(
            lambda tx: service.unlink(tx, caller, service.get(tx, provider), identity.principals.get(tx, principal))
        )


def _wanted(body: ProviderTerms, provider_id: str, issuer: str) -> NewProvider:
    return NewProvider(
        id=provider_id,
        title=body.title,
        issuer=issuer,
        client_id=body.client_id,
        client_secret=body.client_secret,
        scopes=tuple(body.scopes),
        group_claim=body.group_claim,
        allowed_domains=tuple(body.allowed_domains),
        allowed_groups=tuple(body.allowed_groups),
    )


def provider_json(provider: Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "title": provider.title,
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "has_secret": provider.has_secret,
        "scopes": list(provider.scopes),
        "group_claim": provider.group_claim,
        "allowed_domains": list(provider.allowed_domains),
        "allowed_groups": list(provider.allowed_groups),
        "enabled": provider.enabled,
        "callback_path": f"/sign-in/provider/{provider.id}/callback",
        "created_at": instant(provider.created_at),
    }
