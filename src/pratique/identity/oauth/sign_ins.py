"""Sign-ins of people from terminals and programs: a credential with an end, and a refresh token of one use each.

- A sign-in ends with its time, its principal, when it is removed, and when the person's password changes.
- A refresh token carries the number of its generation. Each use gives the next one; the one before is good for half a
  minute more, for answers that got lost. An older one was copied: then the whole sign-in ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import SECOND
from pratique.core.database import Transaction
from pratique.core.ids import new_id
from pratique.core.permissions import Caller
from pratique.identity.errors import CredentialNotFound
from pratique.identity.ground import Ground
from pratique.identity.oauth import clients
from pratique.identity.oauth.errors import GrantRefused
from pratique.identity.oauth.tables import sign_ins
from pratique.identity.tables import credentials, principals
from pratique.identity.types import CredentialKind

_GRACE = 30 * SECOND
KIND: CredentialKind = "sign-in"
_MOST = 50


@dataclass(frozen=True, slots=True)
class SignIn:
    """A program that is signed in as somebody."""

    id: str
    client: str
    address: str
    agent: str
    created_at: int
    renewed_at: int
    expires_at: int


class SignIns:
    """Begins, renews and ends sign-ins."""

    def __init__(self, ground: Ground) -> None:
        self._memory = ground.memory
        self._audit = ground.audit
        self._settings = ground.settings

    def begin(self, tx: Transaction, principal_id: str, client_id: str, *, address: str, agent: str) -> Caller:
        """Begin a sign-in for a person who has approved it in the console; the oldest of very many ends."""
        person = tx.execute(sa.select(principals).where(principals.c.id == principal_id)).one()
        credential_id = new_id()
        self._make_room(tx, principal_id)
        tx.execute(
            sa.insert(credentials).values(
                id=credential_id,
                principal_id=principal_id,
                kind=KIND,
                label=clients.name_of(client_id)[:100],
                proof=b"",
                created_at=tx.now,
                created_by=principal_id,
                expires_at=tx.now + int(self._settings.session_lifetime * SECOND),
            )
        )
        row = {"credential_id": credential_id, "client_id": client_id, "generation": 1, "renewed_at": tx.now}
        tx.execute(sa.insert(sign_ins).values(**row, address=address[:64], agent=agent[:200]))
        self._memory.changed(tx)
        caller = Caller(principal_id, person.name, person.kind, credential_id)
        detail = {"credential": credential_id, "client": client_id, "address": address[:64]}
        self._audit.with_change(tx, "identity.sign-in.begin", caller, principal_id, detail)
        return caller

    def renew(self, tx: Transaction, caller: Caller, client_id: str, generation: Any) -> int | None:
        """Return the generation of the next refresh token, or None when this one was copied: then the sign-in ends.

        Raises GrantRefused for another client.
        """
        row = tx.execute(sa.select(sign_ins).where(sign_ins.c.credential_id == caller.credential_id)).one_or_none()
        if row is None or row.client_id != client_id or not isinstance(generation, int):
            raise GrantRefused("The sign-in has ended, or is of another program.", remedy="Sign in again.")
        if generation == row.generation:
            following = row.generation + 1
            values = {"generation": following, "renewed_at": tx.now}
            tx.execute(sa.update(sign_ins).where(sign_ins.c.credential_id == caller.credential_id).values(**values))
            return int(following)
        if generation == row.generation - 1 and tx.now - row.renewed_at <= _GRACE:
            return int(row.generation)
        tx.execute(sa.delete(credentials).where(credentials.c.id == caller.credential_id))
        self._memory.changed(tx)
        detail = {"credential": caller.credential_id, "why": "a refresh token came back that had been used"}
        self._audit.with_change(tx, "identity.sign-in.end", caller, caller.principal_id, detail)
        return None

    def own(self, tx: Transaction, caller: Caller) -> Sequence[SignIn]:
        """Return the programs that are signed in as the caller, the youngest first."""
        mine = sa.and_(credentials.c.principal_id == caller.principal_id, credentials.c.expires_at > tx.now)
        rows = tx.execute(
            sa.select(credentials, sign_ins)
            .join(sign_ins, sign_ins.c.credential_id == credentials.c.id)
            .where(mine)
            .order_by(credentials.c.id.desc())
        ).all()
        return [
            SignIn(row.id, row.label, row.address, row.agent, row.created_at, row.renewed_at, row.expires_at)
            for row in rows
        ]

    def end_own(self, tx: Transaction, caller: Caller, credential_id: str) -> None:
        """End one of the caller's own sign-ins, and every token of it; needs no right."""
        mine = sa.and_(credentials.c.principal_id == caller.principal_id, credentials.c.kind == KIND)
        done = tx.execute(sa.delete(credentials).where(mine, credentials.c.id == credential_id))
        if not done.rowcount:
            raise CredentialNotFound("That program is not signed in as you.", remedy="Load the page again.")
        self._memory.changed(tx)
        self._audit.with_change(tx, "identity.sign-in.end", caller, caller.principal_id, {"credential": credential_id})

    def _make_room(self, tx: Transaction, principal_id: str) -> None:
        held = sa.and_(credentials.c.principal_id == principal_id, credentials.c.kind == KIND)
        tx.execute(sa.delete(credentials).where(held, credentials.c.expires_at <= tx.now))
        oldest = sa.select(credentials.c.id).where(held).order_by(credentials.c.id.desc()).offset(_MOST - 1).limit(100)
        crowded = [row.id for row in tx.execute(oldest).all()]
        if crowded:
            tx.execute(sa.delete(credentials).where(credentials.c.id.in_(crowded)))


def end_sign_ins(tx: Transaction, principal_id: str) -> None:
    """End every sign-in of a person, as part of a change that is audited itself and makes memories be forgotten."""
    tx.execute(sa.delete(credentials).where(credentials.c.principal_id == principal_id, credentials.c.kind == KIND))
