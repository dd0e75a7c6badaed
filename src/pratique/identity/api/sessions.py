"""`/sessions` and `/sign-in-links`: who is signed in, ending that, and letting somebody in."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query

from pratique.core.database import Transaction
from pratique.core.permissions import Permission
from pratique.identity.api.shapes import ROOT, Cursor, Known, Limit, NewLink, instant, page_json, session_json
from pratique.identity.links import LINK_PATH
from pratique.identity.service import IdentityService
from pratique.identity.tables import principals


def router(identity: IdentityService) -> APIRouter:
    """The routes of sessions and one-time links."""
    routes = APIRouter(tags=["sessions"])
    database, service, require = identity.database, identity.sessions, identity.authorizer.require

    @routes.get("/sessions")
    async def list_sessions(
        caller: Known,
        limit: Limit = 100,
        cursor: Cursor = None,
        principal: Annotated[str | None, Query(max_length=128, description="Name; `me` for one's own.")] = None,
    ) -> dict[str, Any]:
        """List live sessions: one's own, or with the right those of others."""
        if principal != "me":
            require(caller, Permission.IDENTITY_SESSIONS_READ, ROOT)

        def read(tx: Transaction) -> dict[str, Any]:
            who = caller.principal_id if principal == "me" else None
            if principal not in (None, "me"):
                who = identity.principals.get(tx, principal).id
            found = service.list(tx, principal_id=who, limit=limit, cursor=cursor)
            ids = {session.principal_id for session in found.items}
            rows = tx.execute(sa.select(principals.c.id, principals.c.name).where(principals.c.id.in_(ids))).all()
            names = {row.id: row.name for row in rows}
            return page_json((session_json(s, names.get(s.principal_id)) for s in found.items), found.next)

        return await database.read_async(read)

    @routes.delete("/sessions/{session_id}", status_code=204)
    async def end_session(caller: Known, session_id: str) -> None:
        """End a session at once: one's own, or with the right somebody else's."""

        def end(tx: Transaction) -> None:
            session = service.get(tx, session_id)
            if session.principal_id != caller.principal_id:
                require(caller, Permission.IDENTITY_SESSIONS_WRITE, ROOT)
            service.end(tx, caller, session)

        await database.write_async(end)

    @routes.post("/sign-in-links", status_code=201)
    async def create_link(caller: Known, body: NewLink) -> dict[str, Any]:
        """Make a one-time link for a person; its secret is shown this once."""
        require(caller, Permission.IDENTITY_PRINCIPALS_WRITE, ROOT)
        link = await database.write_async(
            lambda tx: identity.links.make(tx, caller, identity.principals.get(tx, body.principal))
        )
        return {
            "principal": link.principal.name,
            "path": f"{LINK_PATH}#{link.secret}",
            "expires_at": instant(link.expires_at),
        }

    return routes
