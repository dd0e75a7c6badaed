"""Tokens of repositories: a named principal that holds what its scope map says, with two passwords that can be changed.

Docker signs in with the token's name and either password. A password that is made anew, or has ended, takes everything
with it that came of it; the other one goes on, so that clients can be changed over without a gap.
"""

from typing import Any

import sqlalchemy as sa

from pratique.core.database import Cursors, Page, Transaction
from pratique.core.database.paging import after, check_limit, page
from pratique.core.errors import Invalid
from pratique.core.permissions import Caller, Permission, Scope
from pratique.identity.errors import CredentialNotFound, RegistryTokenNotFound
from pratique.identity.ground import Ground
from pratique.identity.principals import PrincipalService, credential_of, principal_of
from pratique.identity.scope_maps.giving import Giving
from pratique.identity.scope_maps.service import find_map
from pratique.identity.scope_maps.tables import registry_tokens
from pratique.identity.scope_maps.types import PASSWORDS, Password, RegistryToken, ScopeMap
from pratique.identity.tables import credentials, principals
from pratique.identity.types import Credential, NewSecret, PrincipalName

_WRITE, _READ = Permission.IDENTITY_PRINCIPALS_WRITE, Permission.IDENTITY_PRINCIPALS_READ


class RegistryTokens:
    """Use cases on tokens; each asks for the right to write principals, and for every right that is handed out."""

    def __init__(self, ground: Ground, service: PrincipalService, giving: Giving) -> None:
        self._authorizer = ground.authorizer
        self._audit = ground.audit
        self._cursors: Cursors = ground.cursors
        self._principals = service
        self._giving = giving

    def create(self, tx: Transaction, caller: Caller, name: str, scope_map: ScopeMap) -> RegistryToken:
        """Make a token without passwords; raises NameTaken, Invalid, Denied or BeyondOwnRights."""
        self._require_write(caller)
        principal = self._principals.create(
            tx, caller, PrincipalName.parse(name), "service", f"Token: {scope_map.name}"
        )
        tx.execute(
            sa.insert(registry_tokens).values(principal_id=principal.id, scope_map_id=scope_map.id, created_at=tx.now)
        )
        self._giving.move(tx, caller, principal, (), scope_map.grants)
        return RegistryToken(principal, scope_map, ())

    def get(self, tx: Transaction, caller: Caller, name: str) -> RegistryToken:
        """Return a token by name or id, or raise RegistryTokenNotFound."""
        self._authorizer.require(caller, _READ, Scope.root())
        key = name.lower() if name.isascii() else ""
        row = tx.execute(_tokens().where(sa.or_(principals.c.id == key, principals.c.name == key))).first()
        if row is None:
            raise RegistryTokenNotFound(f"There is no token {name[:80]!r}.", remedy="See pratique registry token list.")
        return _token_of(tx, row)

    def list(
        self, tx: Transaction, caller: Caller, *, limit: int = 100, cursor: str | None = None
    ) -> Page[RegistryToken]:
        """Return tokens by name, a page at a time."""
        self._authorizer.require(caller, _READ, Scope.root())
        statement = _tokens().order_by(principals.c.name).limit(check_limit(limit) + 1)
        if cursor:
            position = self._cursors.decode("registry-tokens", cursor)
            statement = statement.where(after([principals.c.name], position, descending=[False]))
        rows = tx.execute(statement).all()
        return page(
            rows, limit, lambda row: _token_of(tx, row), lambda row: self._cursors.encode("registry-tokens", [row.name])
        )

    def assign(self, tx: Transaction, caller: Caller, token: RegistryToken, scope_map: ScopeMap) -> None:
        """Give a token another map, at once."""
        self._require_write(caller)
        self._giving.move(tx, caller, token.principal, token.scope_map.grants, scope_map.grants)
        mine = registry_tokens.c.principal_id == token.principal.id
        tx.execute(sa.update(registry_tokens).where(mine).values(scope_map_id=scope_map.id))
        detail = {"name": token.principal.name, "scope_map": scope_map.name}
        self._audit.with_change(tx, "identity.registry-token.change", caller, token.principal.id, detail)

    def set_active(self, tx: Transaction, caller: Caller, token: RegistryToken, *, active: bool) -> None:
        """Enable or disable; a disabled token is refused everywhere at once."""
        self._require_write(caller)
        self._principals.set_active(tx, caller, token.principal, active=active)

    def generate(
        self, tx: Transaction, caller: Caller, token: RegistryToken, which: Password, *, lifetime: float | None = None
    ) -> NewSecret:
        """Make one of the two passwords anew; its former value, and what came of it, is refused at once."""
        self._require_write(caller)
        _check_password(which)
        for former in _named(token, which):
            self._principals.revoke_secret(tx, caller, token.principal, former.id)
        return self._principals.add_secret(tx, caller, token.principal, label=which, lifetime=lifetime)

    def revoke(self, tx: Transaction, caller: Caller, token: RegistryToken, which: Password) -> None:
        """End one of the passwords, and what came of it, at once; raises CredentialNotFound."""
        self._require_write(caller)
        found = _named(token, which)
        if not found:
            raise CredentialNotFound(
                f"{token.principal.name} has no {which[:20]}.", remedy="See pratique registry token show."
            )
        for one in found:
            self._principals.revoke_secret(tx, caller, token.principal, one.id)

    def delete(self, tx: Transaction, caller: Caller, token: RegistryToken) -> None:
        """Remove a token with its passwords and rights, at once."""
        self._require_write(caller)
        self._principals.delete(tx, caller, token.principal)

    def _require_write(self, caller: Caller) -> None:
        self._authorizer.require(caller, _WRITE, Scope.root())


def _check_password(which: str) -> None:
    if which not in PASSWORDS:
        raise Invalid(f"{which[:20]!r} is no password of a token.", remedy=f"Write {' or '.join(PASSWORDS)}.")


def _tokens() -> sa.Select[Any]:
    link = registry_tokens.c
    return sa.select(principals, link.scope_map_id).join(registry_tokens, link.principal_id == principals.c.id)


def _token_of(tx: Transaction, row: Any) -> RegistryToken:
    mine = (credentials.c.principal_id == row.id) & credentials.c.label.in_(PASSWORDS)
    found = tx.execute(sa.select(credentials).where(mine).order_by(credentials.c.label, credentials.c.id)).all()
    return RegistryToken(principal_of(row), find_map(tx, row.scope_map_id), tuple(map(credential_of, found)))


def _named(token: RegistryToken, which: str) -> list[Credential]:
    return [one for one in token.passwords if one.label == which]
