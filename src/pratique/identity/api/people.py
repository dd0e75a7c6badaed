"""`/people` and `/access/reviews`: how somebody signs in, and what is held and not needed."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter

from pratique.core.database import Transaction
from pratique.core.permissions import Permission
from pratique.identity import reviews
from pratique.identity.api.shapes import ROOT, Known, instant, page_json
from pratique.identity.oidc.tables import external_identities
from pratique.identity.service import IdentityService


def router(identity: IdentityService) -> APIRouter:
    """The routes of people and of access reviews."""
    routes = APIRouter(tags=["people"])
    database, require = identity.database, identity.authorizer.require

    @routes.get("/people/{name}")
    async def ways(caller: Known, name: str) -> dict[str, Any]:
        """Show how a person signs in: password, passkeys, providers."""

        def read(tx: Transaction) -> dict[str, Any]:
            principal = identity.principals.get(tx, name)
            if principal.id != caller.principal_id:
                require(caller, Permission.IDENTITY_PRINCIPALS_READ, ROOT)
            return ways_json(identity, tx, principal.id)

        return await database.read_async(read)

    @routes.delete("/people/{name}/passkeys/{passkey_id}", status_code=204)
    async def remove_passkey(caller: Known, name: str, passkey_id: str) -> None:
        """Take a passkey from a person, and end their sessions; one's own, or with the right somebody else's."""

        def remove(tx: Transaction) -> None:
            principal = identity.principals.get(tx, name)
            if principal.id != caller.principal_id:
                require(caller, Permission.IDENTITY_PRINCIPALS_WRITE, ROOT)
            identity.passkeys.remove(tx, caller, principal.id, passkey_id)

        await database.write_async(remove)

    @routes.get("/access/reviews")
    async def list_reviews(caller: Known) -> dict[str, Any]:
        """List what is held and not needed, or is about to end, each with its quick fix."""
        found = await database.write_async(lambda tx: identity.reviews.list(tx, caller))
        return page_json(reviews.texts(found), None)

    @routes.post("/access/reviews/{review_id}/fix")
    async def fix(caller: Known, review_id: str) -> dict[str, Any]:
        """Settle one thing as it proposes, with the caller's own rights; a new secret is shown this once."""
        done = await database.write_async(lambda tx: identity.reviews.fix(tx, caller, review_id))
        return {"done": done.said} | ({"secret": done.secret} if done.secret else {})

    return routes


def ways_json(identity: IdentityService, tx: Transaction, principal_id: str) -> dict[str, Any]:
    """Return the ways in which somebody signs in."""
    linked = sa.select(external_identities).where(external_identities.c.principal_id == principal_id)
    return {
        "password": identity.people.has_password(tx, principal_id),
        "passkeys": [
            {
                "id": one.id,
                "label": one.label,
                "created_at": instant(one.created_at),
                "last_used_at": instant(one.last_used_at),
            }
            for one in identity.passkeys.list(tx, principal_id)
        ],
        "providers": [
            {"provider": row.provider_id, "subject": row.subject, "email": row.email, "seen_at": instant(row.seen_at)}
            for row in tx.execute(linked).all()
        ],
    }
