"""One-time links: how a person signs in first, and how an administrator lets somebody in again."""

import hashlib
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.clock import SECOND
from pratique.core.database import Transaction
from pratique.core.errors import Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import SYSTEM, Caller, Scope
from pratique.identity import roles
from pratique.identity.errors import LinkGone
from pratique.identity.ground import Ground
from pratique.identity.principals import PrincipalService, principal_of
from pratique.identity.steps import Steps, Ticket
from pratique.identity.tables import assignments, passkeys, principals, sign_in_links, users
from pratique.identity.types import Principal, PrincipalName

LINK_PATH = "/sign-in/link"
FIRST_ADMINISTRATOR = PrincipalName("admin")


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """A link at the only moment at which its secret is known."""

    principal: Principal
    secret: str
    expires_at: int

    def url(self, base: str) -> str:
        """The address to open; the secret stands after # so that no server, proxy or log sees it on the way."""
        return f"{base.rstrip('/')}{LINK_PATH}#{self.secret}"

    def __repr__(self) -> str:
        return f"OneTimeLink(principal={self.principal.name!r})"


@dataclass(frozen=True, slots=True)
class LinkView:
    """What a link is for."""

    name: str
    expires_at: int


class Links:
    """Makes links and lets each be opened once, within its time."""

    def __init__(self, ground: Ground, service: PrincipalService, steps: Steps) -> None:
        self._ground = ground
        self._principals = service
        self._steps = steps

    def make(self, tx: Transaction, caller: Caller, principal: Principal) -> OneTimeLink:
        """Make a link for a person; earlier ones of the same person end."""
        if principal.kind != "user":
            raise Invalid(f"{principal.name} is no person.", remedy="Service principals have client secrets.")
        self._principals.require_no_more_than_own(tx, caller, principal)
        link = self._insert(tx, caller, principal)
        if principal.name == FIRST_ADMINISTRATOR.text:
            tx.after_commit(self._ground.enrolled)
        self._ground.audit.with_change(tx, "identity.link.create", caller, principal.id)
        return link

    def first(self, tx: Transaction) -> OneTimeLink | None:
        """Make the link of the first administrator, while nobody has ever set a password or passkey; else None."""
        for table in (users, passkeys):
            if tx.execute(sa.select(table.c.principal_id).limit(1)).first() is not None:
                return None
        row = tx.execute(sa.select(principals).where(principals.c.name == FIRST_ADMINISTRATOR.text)).one_or_none()
        principal = principal_of(row) if row else self._first_administrator(tx)
        return self._insert(tx, SYSTEM, principal)

    def look(self, tx: Transaction, secret: str) -> LinkView:
        """Return whose link it is without using it up, or raise LinkGone."""
        row = tx.execute(
            sa.select(principals.c.name, sign_in_links.c.expires_at)
            .join(principals, principals.c.id == sign_in_links.c.principal_id)
            .where(
                sign_in_links.c.proof == _proof(secret),
                sign_in_links.c.used_at.is_(None),
                sign_in_links.c.expires_at > tx.now,
                principals.c.state == "active",
            )
        ).one_or_none()
        if row is None:
            raise _gone()
        return LinkView(row.name, row.expires_at)

    def open(self, tx: Transaction, secret: str) -> Ticket:
        """Use the link up and return a ticket to set a password or passkey with; a second try finds it gone."""
        view = self.look(tx, secret)
        row = tx.execute(
            sa.update(sign_in_links)
            .where(sign_in_links.c.proof == _proof(secret), sign_in_links.c.used_at.is_(None))
            .values(used_at=tx.now)
            .returning(sign_in_links.c.principal_id)
        ).one_or_none()
        if row is None:
            raise _gone()
        who = Caller(principal_id=row.principal_id, name=view.name, kind="user")
        self._ground.audit.with_change(tx, "identity.link.open", who, row.principal_id)
        return self._steps.begin(tx, "enrol", row.principal_id, view.name, {})

    def _first_administrator(self, tx: Transaction) -> Principal:
        principal = self._principals.create(tx, SYSTEM, FIRST_ADMINISTRATOR, "user", "First administrator")
        role = roles.find("Owner")
        tx.execute(
            sa.insert(assignments).values(
                id=new_id(),
                principal_id=principal.id,
                role_id=role.id,
                scope=str(Scope.root()),
                effect="allow",
                created_at=tx.now,
                created_by=SYSTEM.principal_id,
            )
        )
        detail = {"role": role.name, "scope": "/"}
        self._ground.audit.with_change(tx, "identity.assignment.create", SYSTEM, principal.id, detail)
        return principal

    def _insert(self, tx: Transaction, caller: Caller, principal: Principal) -> OneTimeLink:
        secret = "pql_" + secrets.token_urlsafe(32)
        expires_at = tx.now + int(self._ground.settings.link_lifetime * SECOND)
        tx.execute(sa.delete(sign_in_links).where(sign_in_links.c.principal_id == principal.id))
        tx.execute(
            sa.insert(sign_in_links).values(
                id=new_id(),
                principal_id=principal.id,
                proof=_proof(secret),
                created_at=tx.now,
                created_by=caller.principal_id,
                expires_at=expires_at,
            )
        )
        return OneTimeLink(principal, secret, expires_at)


def _proof(secret: str) -> bytes:
    return hashlib.sha256(secret[:128].encode()).digest()


def _gone() -> LinkGone:
    return LinkGone(
        "This link was used, has ended or was replaced.",
        remedy="On the machine itself, `pratique admin link` makes another.",
    )
