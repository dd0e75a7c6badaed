"""Principals and their client secrets: create, show, rotate, disable, delete.

Whoever may write principals cannot take hold of rights beyond their own through somebody else's credentials: making a
credential for a principal, or a way to sign in as it, asks for every right that the principal holds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import SECOND
from pratique.core.database import Page, Transaction
from pratique.core.database.paging import after, check_limit, page
from pratique.core.errors import Conflict, Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import Caller
from pratique.identity.errors import CredentialNotFound, NameTaken, PrincipalNotFound
from pratique.identity.ground import Ground
from pratique.identity.oauth.sign_ins import end_sign_ins
from pratique.identity.owners import require_other_owner
from pratique.identity.rights_reading import all_that_is_given
from pratique.identity.secrets import new_secret, proof_of
from pratique.identity.tables import credentials, principals, sessions
from pratique.identity.types import Credential, NewSecret, Principal, PrincipalKind, PrincipalName

MAX_CREDENTIALS = 20
_RESERVED = frozenset({"anonymous", "local-operator", "system"})


class PrincipalService:
    """Use cases on principals; each write is audited in its own transaction and acts at once."""

    def __init__(self, ground: Ground) -> None:
        self._keys = ground.keys
        self._memory = ground.memory
        self._growth = ground.growth
        self._audit = ground.audit
        self._cursors = ground.cursors

    def create(
        self, tx: Transaction, caller: Caller, name: PrincipalName, kind: PrincipalKind, display_name: str = ""
    ) -> Principal:
        """Make a principal without credentials and without rights; raises NameTaken."""
        if name.text in _RESERVED or kind not in ("user", "service", "group", "managed"):
            raise Invalid(f"{name} cannot be created.", remedy="Choose another name.")
        taken = tx.execute(sa.select(principals.c.id).where(principals.c.name == name.text)).one_or_none()
        if taken is not None:
            raise NameTaken(
                f"There is a principal {name} already.", remedy="Choose another name, or rotate its secret."
            )
        principal = Principal(new_id(), name.text, kind, "active", display_name[:200], tx.now, caller.principal_id)
        tx.execute(
            sa.insert(principals).values(
                id=principal.id,
                name=principal.name,
                kind=kind,
                state="active",
                display_name=principal.display_name,
                tokens_from=0,
                created_at=tx.now,
                created_by=caller.principal_id,
            )
        )
        self._memory.changed(tx)
        self._audit.with_change(
            tx, "identity.principal.create", caller, principal.id, {"name": name.text, "kind": kind}
        )
        return principal

    def get(self, tx: Transaction, name_or_id: str) -> Principal:
        """Return a principal by id or by name in any case, or raise PrincipalNotFound."""
        key = name_or_id.lower() if name_or_id.isascii() else ""
        row = tx.execute(sa.select(principals).where(sa.or_(principals.c.id == key, principals.c.name == key))).first()
        if row is None:
            raise PrincipalNotFound(
                f"There is no principal {name_or_id[:80]!r}.", remedy="See pratique principal list."
            )
        return principal_of(row)

    def list(
        self, tx: Transaction, *, limit: int = 100, cursor: str | None = None, kind: str | None = None, text: str = ""
    ) -> Page[Principal]:
        """Return principals by name, a page at a time."""
        statement = sa.select(principals).order_by(principals.c.name).limit(check_limit(limit) + 1)
        statement = statement.where(principals.c.kind == kind if kind else principals.c.kind != "group")
        if text:
            statement = statement.where(principals.c.name.contains(text.lower(), autoescape=True))
        if cursor:
            position = self._cursors.decode("principals", cursor)
            statement = statement.where(after([principals.c.name], position, descending=[False]))
        rows = tx.execute(statement).all()
        return page(rows, limit, principal_of, lambda row: self._cursors.encode("principals", [row.name]))

    def set_active(self, tx: Transaction, caller: Caller, principal: Principal, *, active: bool) -> None:
        """Enable or disable; a disabled principal is refused everywhere at once, and its sessions end."""
        _require_no_group(principal)
        if principal.id == caller.principal_id and not active:
            raise Conflict("Nobody disables themselves.", remedy="Ask another administrator.")
        if active:
            self.require_no_more_than_own(tx, caller, principal)
        else:
            require_other_owner(tx, principal.id)
        state = "active" if active else "disabled"
        tx.execute(sa.update(principals).where(principals.c.id == principal.id).values(state=state))
        if not active:
            tx.execute(sa.delete(sessions).where(sessions.c.principal_id == principal.id))
            end_sign_ins(tx, principal.id)
        self._memory.changed(tx)
        self._audit.with_change(tx, f"identity.principal.{'enable' if active else 'disable'}", caller, principal.id)

    def revoke_tokens(self, tx: Transaction, caller: Caller, principal: Principal) -> None:
        """Refuse every token that was issued to the principal before now, and end its sessions."""
        # Tokens count whole seconds; those of the running second are refused too.
        instant = (tx.now // SECOND + 1) * SECOND
        tx.execute(sa.update(principals).where(principals.c.id == principal.id).values(tokens_from=instant))
        tx.execute(sa.delete(sessions).where(sessions.c.principal_id == principal.id))
        end_sign_ins(tx, principal.id)
        self._memory.changed(tx)
        self._audit.with_change(tx, "identity.principal.revoke-tokens", caller, principal.id)

    def delete(self, tx: Transaction, caller: Caller, principal: Principal) -> None:
        """Remove a principal with its all that hangs on it; its name becomes free and inherits nothing."""
        _require_no_group(principal)
        if principal.id == caller.principal_id:
            raise Conflict("Nobody deletes themselves.", remedy="Ask another administrator.")
        require_other_owner(tx, principal.id)
        tx.execute(sa.delete(principals).where(principals.c.id == principal.id))
        self._memory.changed(tx)
        self._audit.with_change(tx, "identity.principal.delete", caller, principal.id, {"name": principal.name})

    def add_secret(
        self, tx: Transaction, caller: Caller, principal: Principal, *, label: str = "", lifetime: float | None = None
    ) -> NewSecret:
        """Make a client secret; its value is in the answer and nowhere else."""
        if principal.kind != "service":
            raise Invalid("Client secrets are for service principals.", remedy="People sign in with a one-time link.")
        secret = new_secret()
        expires_at = None if lifetime is None else tx.now + int(lifetime * SECOND)
        credential = Credential(new_id(), principal.id, "client-secret", label[:100], tx.now, expires_at, None)
        self.add_credential(tx, caller, principal, credential, proof_of(self._keys, principal.id, secret))
        return NewSecret(credential, secret)

    def add_credential(
        self,
        tx: Transaction,
        caller: Caller,
        principal: Principal,
        credential: Credential,
        proof: bytes = b"",
        *,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down one more thing that proves a principal; `detail` goes to the audit log."""
        self.require_no_more_than_own(tx, caller, principal)
        count = tx.execute(sa.select(sa.func.count()).where(credentials.c.principal_id == principal.id)).scalar_one()
        if count >= MAX_CREDENTIALS:
            raise Conflict(f"{principal.name} has {count} credentials.", remedy="Remove those that are not in use.")
        self._insert(tx, caller, credential, proof, detail or {})

    def rotate(
        self,
        tx: Transaction,
        caller: Caller,
        principal: Principal,
        *,
        overlap: float = 0.0,
        lifetime: float | None = None,
        label: str = "",
    ) -> NewSecret:
        """Make a new secret and let all older ones end after `overlap` seconds."""
        end = tx.now + int(overlap * SECOND)
        secrets = sa.and_(credentials.c.principal_id == principal.id, credentials.c.kind == "client-secret")
        older = sa.and_(
            secrets,
            sa.or_(credentials.c.expires_at.is_(None), credentials.c.expires_at > end),
        )
        if overlap > 0:
            tx.execute(sa.update(credentials).where(older).values(expires_at=end))
        else:
            tx.execute(sa.delete(credentials).where(secrets))
        return self.add_secret(tx, caller, principal, label=label, lifetime=lifetime)

    def secrets(self, tx: Transaction, principal: Principal) -> Sequence[Credential]:
        """Return the principal's credentials, without values, the oldest first."""
        statement = sa.select(credentials).where(credentials.c.principal_id == principal.id).order_by(credentials.c.id)
        return [credential_of(row) for row in tx.execute(statement).all()]

    def revoke_secret(self, tx: Transaction, caller: Caller, principal: Principal, credential_id: str) -> None:
        """End one secret, and with it every token that came from it, at once."""
        done = tx.execute(
            sa.delete(credentials).where(credentials.c.principal_id == principal.id, credentials.c.id == credential_id)
        )
        if not done.rowcount:
            raise CredentialNotFound(f"{principal.name} has no such secret.", remedy="See pratique principal show.")
        self._memory.changed(tx)
        detail = {"credential": credential_id}
        self._audit.with_change(tx, "identity.credential.revoke", caller, principal.id, detail)

    def require_no_more_than_own(self, tx: Transaction, caller: Caller, principal: Principal) -> None:
        """Refuse to hand out a way to act as a principal that holds rights which the caller does not hold."""
        if principal.id != caller.principal_id:
            self._growth.require_all(caller, all_that_is_given(tx, principal.id), what=principal.name)

    def _insert(
        self, tx: Transaction, caller: Caller, credential: Credential, proof: bytes, more: Mapping[str, Any]
    ) -> None:
        tx.execute(
            sa.insert(credentials).values(
                id=credential.id,
                principal_id=credential.principal_id,
                kind=credential.kind,
                label=credential.label,
                proof=proof,
                created_at=credential.created_at,
                created_by=caller.principal_id,
                expires_at=credential.expires_at,
            )
        )
        self._memory.changed(tx)
        detail = {"credential": credential.id, "kind": credential.kind, "expires_at": credential.expires_at, **more}
        self._audit.with_change(tx, "identity.credential.create", caller, credential.principal_id, detail)


def _require_no_group(principal: Principal) -> None:
    if principal.kind == "group":
        raise Invalid(f"{principal.name} is a group.", remedy="See pratique group --help.")


def principal_of(row: Any) -> Principal:
    """Read a principal from its row."""
    return Principal(row.id, row.name, row.kind, row.state, row.display_name, row.created_at, row.created_by)


def credential_of(row: Any) -> Credential:
    """Read a credential from its row, without its proof."""
    return Credential(row.id, row.principal_id, row.kind, row.label, row.created_at, row.expires_at, row.last_used_at)
