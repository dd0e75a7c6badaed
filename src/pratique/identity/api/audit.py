"""`/audit`: what was done, by whom, the newest first."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from pratique.core.audit.log import entries
from pratique.core.audit.types import Entry
from pratique.core.database import Transaction
from pratique.core.permissions import OPERATOR, Permission
from pratique.identity.api.shapes import ROOT, Cursor, Known, Limit, instant, page_json
from pratique.identity.service import IdentityService

_LISTING = "audit"
Filter = Annotated[str, Query(max_length=256)]


def router(identity: IdentityService) -> APIRouter:
    """The route of the audit log."""
    routes = APIRouter(tags=["audit"])

    @routes.get("/audit")
    async def list_entries(
        caller: Known,
        *,
        limit: Limit = 100,
        cursor: Cursor = None,
        principal: Filter = "",
        action: Filter = "",
        target: Filter = "",
    ) -> dict[str, Any]:
        """List entries; `action` and `target` may end with * for all that begin so."""
        identity.authorizer.require(caller, Permission.SYSTEM_AUDIT_READ, ROOT)
        before = None if cursor is None else tuple(identity.cursors.decode(_LISTING, cursor))

        def read(tx: Transaction) -> list[Entry]:
            who = OPERATOR.principal_id if principal == OPERATOR.name else ""
            if principal and not who:
                who = identity.principals.get(tx, principal).id
            return entries(
                tx,
                principal_id=who,
                action=action,
                target=target,
                before=before,
                limit=limit + 1,
            )

        found = await identity.database.read_async(read)
        kept = found[:limit]
        last = kept[-1] if len(found) > limit else None
        following = identity.cursors.encode(_LISTING, [last.at, last.writer, last.seq]) if last else None
        return page_json(map(_entry_json, kept), following)

    return routes


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "at": instant(entry.at),
        "class": str(entry.entry_class),
        "action": entry.action,
        "principal_id": entry.principal_id,
        "principal": entry.principal,
        "kind": entry.kind,
        "target": entry.target,
        "detail": dict(entry.detail),
        "count": entry.count,
        "writer": entry.writer,
        "seq": entry.seq,
    }
