"""Credentials below `/principals/{name}`: certificates, federated credentials, holders of managed identities."""

from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter
from pydantic import Field

from pratique.core.database import Transaction
from pratique.core.errors import PratiqueError
from pratique.core.permissions import Permission
from pratique.identity.api.shapes import ROOT, Body, Known, credential_json, instant, page_json
from pratique.identity.certificates import MAX_PEM, ClientCertificate
from pratique.identity.federation.issuers import describe
from pratique.identity.federation.types import AUDIENCE, FederatedCredential
from pratique.identity.managed.service import Holder
from pratique.identity.service import IdentityService
from pratique.identity.token_floor import raise_floor

_READ, _WRITE = Permission.IDENTITY_PRINCIPALS_READ, Permission.IDENTITY_PRINCIPALS_WRITE
Label = Annotated[str, Field(max_length=100)]


class NewCertificate(Body):
    certificate: str = Field(max_length=MAX_PEM, description="PEM, without the private key.")
    label: Label = ""


class NewFederation(Body):
    issuer: str = Field(max_length=500)
    subject: str = Field(max_length=600)
    audience: str = Field(AUDIENCE, max_length=300)
    matching: Literal["exact", "wildcard"] = "exact"
    keys: dict[str, Any] | None = Field(None, description="JWKS, for an issuer that cannot be asked.")
    label: Label = ""


class NewHolder(Body):
    holder: str = Field(max_length=128)


class Resource(Body):
    resource: str = Field(max_length=300)


class Reason(Body):
    reason: str = Field(min_length=1, max_length=200)
    key_id: str = Field("", max_length=100)


def router(identity: IdentityService) -> APIRouter:
    """The routes of credentials that are no secrets, and of revoking everything."""
    routes = APIRouter(tags=["credentials"])
    _certificates(routes, identity)
    _federations(routes, identity)
    _holders(routes, identity)
    _tokens(routes, identity)
    require, database, principals = identity.authorizer.require, identity.database, identity.principals

    @routes.get("/principals/{name}/credentials")
    async def list_credentials(caller: Known, name: str) -> dict[str, Any]:
        """List whatever proves a principal: secrets, certificates, federations, sign-ins at terminals."""
        require(caller, _READ, ROOT)
        found = await database.read_async(lambda tx: principals.secrets(tx, principals.get(tx, name)))
        return page_json(map(credential_json, found), None)

    @routes.delete("/principals/{name}/credentials/{credential_id}", status_code=204)
    async def remove_credential(caller: Known, name: str, credential_id: str) -> None:
        """Remove a credential of any kind, and with it every token that came from it."""
        require(caller, _WRITE, ROOT)
        await database.write_async(
            lambda tx: principals.revoke_secret(tx, caller, principals.get(tx, name), credential_id)
        )

    return routes


def _certificates(routes: APIRouter, identity: IdentityService) -> None:
    require, database, principals = identity.authorizer.require, identity.database, identity.principals

    @routes.get("/principals/{name}/certificates")
    async def list_certificates(caller: Known, name: str) -> dict[str, Any]:
        """List the certificates of a principal."""
        require(caller, _READ, ROOT)
        found = await database.read_async(lambda tx: identity.certificates.list(tx, principals.get(tx, name)))
        return page_json(map(certificate_json, found), None)

    @routes.post("/principals/{name}/certificates", status_code=201)
    async def add_certificate(caller: Known, name: str, body: NewCertificate) -> dict[str, Any]:
        """Let the key of a certificate prove a principal."""
        require(caller, _WRITE, ROOT)

        def add(tx: Transaction) -> ClientCertificate:
            principal = principals.get(tx, name)
            return identity.certificates.add(tx, caller, principal, body.certificate, label=body.label)

        return certificate_json(await database.write_async(add))


def _federations(routes: APIRouter, identity: IdentityService) -> None:
    require, database, principals = identity.authorizer.require, identity.database, identity.principals
    federation = identity.federation

    @routes.get("/principals/{name}/federations")
    async def list_federations(caller: Known, name: str) -> dict[str, Any]:
        """List the federated credentials of a principal."""
        require(caller, _READ, ROOT)
        found = await database.read_async(lambda tx: federation.list(tx, principals.get(tx, name)))
        return page_json(map(federation_json, found), None)

    @routes.post("/principals/{name}/federations", status_code=201)
    async def add_federation(caller: Known, name: str, body: NewFederation) -> dict[str, Any]:
        """Let tokens of an issuer prove a principal; `issuer_problem` says why the issuer cannot be asked now."""
        require(caller, _WRITE, ROOT)

        def add(tx: Transaction) -> FederatedCredential:
            given = body.model_dump()
            return federation.add(tx, caller, principals.get(tx, name), **given)

        made = await database.write_async(add)
        problem = await _problem(body.issuer) if body.keys is None else None
        return federation_json(made) | {"issuer_problem": problem}

    async def _problem(issuer: str) -> str | None:
        try:
            await to_thread.run_sync(federation.issuers.fetch, issuer)
        except PratiqueError as error:
            return describe(error)
        return None


def _holders(routes: APIRouter, identity: IdentityService) -> None:
    require, database, principals = identity.authorizer.require, identity.database, identity.principals
    managed = identity.machines.managed

    @routes.get("/principals/{name}/holders")
    async def list_holders(caller: Known, name: str) -> dict[str, Any]:
        """List who may get tokens of a managed identity."""
        require(caller, _READ, ROOT)
        found = await database.read_async(lambda tx: managed.holders(tx, principals.get(tx, name)))
        return page_json(map(holder_json, found), None)

    @routes.post("/principals/{name}/holders", status_code=201)
    async def add_holder(caller: Known, name: str, body: NewHolder) -> dict[str, Any]:
        """Let an agent get tokens of a managed identity."""
        require(caller, _WRITE, ROOT)
        made = await database.write_async(
            lambda tx: managed.add_holder(tx, caller, principals.get(tx, name), body.holder)
        )
        return holder_json(made)

    @routes.post("/principals/{name}/token")
    async def managed_token(caller: Known, name: str, body: Resource) -> dict[str, Any]:
        """Get a token of a managed identity; for its holders alone."""
        return await managed.token(caller, name, body.resource)


def _tokens(routes: APIRouter, identity: IdentityService) -> None:
    require, database = identity.authorizer.require, identity.database

    @routes.get("/tokens/tenant")
    async def tenant(caller: Known) -> dict[str, Any]:  # noqa: ARG001  anybody who is known may ask
        """The id of this installation, which Azure's clients call the tenant."""
        return {"tenant": identity.tokens.installation}

    @routes.post("/tokens/revoke-all")
    async def revoke_all(caller: Known, body: Reason) -> dict[str, Any]:
        """Refuse every token issued before now, of everybody; `key_id` says which key was rotated before."""
        require(caller, _WRITE, ROOT)
        require(caller, Permission.IDENTITY_ASSIGNMENTS_DELEGATE, ROOT)
        why = f"{body.reason} (new key {body.key_id})" if body.key_id else body.reason
        changed, audit = identity.memory.changed, identity.audit
        since = await database.write_async(lambda tx: raise_floor(tx, caller, changed, audit, why=why))
        return {"tokens_from": instant(since)}

    @routes.post("/tokens/key-rotated", status_code=204)
    async def key_rotated(caller: Known, body: Reason) -> None:
        """Write into the audit log that the key of tokens was rotated, which only the machine itself can do."""
        require(caller, _WRITE, ROOT)
        require(caller, Permission.IDENTITY_ASSIGNMENTS_DELEGATE, ROOT)
        detail = {"key": body.key_id, "why": body.reason}
        await database.write_async(
            lambda tx: identity.audit.with_change(tx, "identity.token-key.rotate", caller, "token-key", detail)
        )


def certificate_json(one: ClientCertificate) -> dict[str, Any]:
    return credential_json(one.credential) | {"thumbprint": one.thumbprint, "subject": one.subject}


def federation_json(one: FederatedCredential) -> dict[str, Any]:
    return credential_json(one.credential) | {
        "issuer": one.issuer,
        "subject": one.subject,
        "audience": one.audience,
        "matching": one.matching,
        "keys": "given" if one.keys is not None else "asked",
    }


def holder_json(one: Holder) -> dict[str, Any]:
    return credential_json(one.credential) | {"holder": one.credential.label, "holder_id": one.holder_id}
