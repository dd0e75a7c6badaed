"""`/me`: who the caller is for this server, and the end of the sign-in that they ask with."""

from typing import Any

from fastapi import APIRouter

from pratique.identity.api.shapes import Known
from pratique.identity.service import IdentityService


def router(identity: IdentityService) -> APIRouter:
    """The routes that everybody may ask about themselves."""
    routes = APIRouter(tags=["me"])

    @routes.get("/me")
    async def me(caller: Known) -> dict[str, Any]:
        """Say who the caller is; needs no right."""
        return {"id": caller.principal_id, "name": caller.name, "kind": caller.kind}

    @routes.delete("/me/sign-in", status_code=204)
    async def sign_out(caller: Known) -> None:
        """End the sign-in whose token is sent, with every token of it; programs sign out so."""
        sign_ins = identity.machines.sign_ins
        await identity.database.write_async(lambda tx: sign_ins.end_own(tx, caller, caller.credential_id))

    return routes
