"""Managed identities: who may get tokens for them, and the tokens.

A managed identity has no credential that could be copied. A holder (an agent, or the operator of this machine) gets
tokens for it; each token names the holder as actor and hangs on the permission, so it ends at once when the permission
is withdrawn or the holder is disabled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Database, Transaction
from pratique.core.errors import Conflict, Denied, Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import OPERATOR, Caller
from pratique.identity.audiences import Audiences
from pratique.identity.ground import Ground
from pratique.identity.managed.tables import holders
from pratique.identity.oauth.issuing import Issuing
from pratique.identity.oauth.requests import GrantRequest, Place
from pratique.identity.oauth.resources import Wanted
from pratique.identity.principals import PrincipalService, credential_of
from pratique.identity.tables import credentials
from pratique.identity.types import Credential, Principal


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who may get tokens of a managed identity."""

    credential: Credential
    holder_id: str


class ManagedIdentities:
    """Use cases on managed identities."""

    def __init__(self, ground: Ground, principals: PrincipalService, audiences: Audiences, issuing: Issuing) -> None:
        self._database: Database = ground.database
        self._memory = ground.memory
        self._principals = principals
        self._audiences = audiences
        self._issuing = issuing

    def add_holder(self, tx: Transaction, caller: Caller, principal: Principal, holder: str) -> Holder:
        """Let a service principal or agent, or `local-operator`, get tokens of a managed identity."""
        if principal.kind != "managed":
            raise Invalid(f"{principal.name} is no managed identity.", remedy="Create one with --kind managed.")
        holder_id, name = self._holder(tx, holder)
        if any(one.holder_id == holder_id for one in self.holders(tx, principal)):
            raise Conflict(f"{name} holds {principal.name} already.")
        credential = Credential(new_id(), principal.id, "holder", name, tx.now, None, None)
        self._principals.add_credential(tx, caller, principal, credential, detail={"holder": holder_id})
        tx.execute(sa.insert(holders).values(credential_id=credential.id, holder_id=holder_id))
        return Holder(credential, holder_id)

    def _holder(self, tx: Transaction, holder: str) -> tuple[str, str]:
        if holder == OPERATOR.name:
            return OPERATOR.principal_id, OPERATOR.name
        found = self._principals.get(tx, holder)
        if found.kind not in ("service", "agent"):
            raise Invalid(f"{found.name} is no agent.", remedy="Name a service principal, an agent or local-operator.")
        return found.id, found.name

    def holders(self, tx: Transaction, principal: Principal) -> Sequence[Holder]:
        """Return who may get tokens of a managed identity."""
        rows = tx.execute(
            sa.select(credentials, holders.c.holder_id)
            .join(holders, holders.c.credential_id == credentials.c.id)
            .where(credentials.c.principal_id == principal.id)
            .order_by(credentials.c.id)
        ).all()
        return [Holder(credential_of(row), row.holder_id) for row in rows]

    async def token(self, caller: Caller, name: str, resource: str) -> dict[str, Any]:
        """Return an access token of a managed identity for one resource to its holder, or raise Denied."""
        target, audience = self._audiences.resource(resource)
        rights = self._memory.named(name.lower())
        held = await self._database.read_async(lambda tx: self._held(tx, name, caller))
        if held is None or rights is None or not rights.active or rights.kind != "managed":
            raise Denied(
                f"{caller.name} holds no managed identity of that name.",
                remedy=f"An administrator allows it: pratique principal holder add NAME {caller.name}",
            )
        subject = Caller(rights.principal_id, rights.name, rights.kind, held)
        asked = GrantRequest(Place("", ""), {})
        return self._issuing.answer(subject, Wanted(target, audience), asked, grant="managed", actor=caller)

    def _held(self, tx: Transaction, name: str, caller: Caller) -> str | None:
        rights = self._memory.named(name.lower())
        mine = sa.and_(
            credentials.c.principal_id == (rights.principal_id if rights else ""),
            holders.c.holder_id == caller.principal_id,
        )
        statement = sa.select(holders.c.credential_id).join(credentials, credentials.c.id == holders.c.credential_id)
        return tx.execute(statement.where(mine)).scalars().first()
