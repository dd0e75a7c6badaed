"""How people prove who they are: password with a code, or a passkey; set up once through a one-time link."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.permissions import Caller
from pratique.identity import codes
from pratique.identity.attempts import Attempts
from pratique.identity.errors import SignInRefused
from pratique.identity.ground import Ground
from pratique.identity.passwords import Passwords
from pratique.identity.sessions import SessionService
from pratique.identity.steps import Step, Steps, Ticket
from pratique.identity.tables import principals, users
from pratique.identity.types import NewSession, PrincipalName

_CODES_PER_NAME = 20


@dataclass(frozen=True, slots=True)
class CodeSetup:
    """What an authenticator application needs to know, shown once."""

    secret: str
    uri: str

    def __repr__(self) -> str:
        return "CodeSetup()"


class People:
    """Password and code. Passkeys are in `passkeys`; both end in a session.

    - Whether a name exists shows neither in the answer nor in the work done for it.
    - A code is used once, even by two requests at the same instant.
    - A new password or code ends every session that the person had.
    """

    def __init__(
        self,
        ground: Ground,
        sessions: SessionService,
        steps: Steps,
        *,
        passwords: Passwords | None = None,
    ) -> None:
        self._ground = ground
        self._database = ground.database
        self._sessions = sessions
        self._steps = steps
        self._passwords = passwords or Passwords()
        self._attempts = Attempts(ground.database, ground.keys)

    def close(self) -> None:
        """End the threads for passwords."""
        self._passwords.close()

    async def start_code(self, ticket: str) -> CodeSetup:
        """Make the secret of an authenticator application for somebody who came by a one-time link."""
        secret = codes.new_code_secret()

        def keep(tx: Transaction) -> str:
            step = self._steps.look(tx, "enrol", ticket)
            self._steps.keep(tx, step, code_secret=secret)
            return step.name

        name = await self._database.write_async(keep)
        return CodeSetup(secret, codes.provisioning_uri(secret, name, self._ground.keys.installation()))

    async def set_password(self, ticket: str, password: str, code: str, *, address: str, agent: str) -> NewSession:
        """Set password and code for the holder of the ticket and sign them in; the ticket is used up."""
        step = await self._database.read_async(lambda tx: self._steps.look(tx, "enrol", ticket))
        secret = step.state.get("code_secret", "")
        used = codes.step_of(secret, code, self._ground.clock.now()) if secret else None
        if used is None:
            raise SignInRefused("The code is not right.", remedy="Take the one that the application shows now.")
        hashed = await self._passwords.hash(password)

        def save(tx: Transaction) -> NewSession:
            self._steps.use_up(tx, step)
            self._save(tx, step, password=hashed, totp=secret.encode(), totp_step=used)
            self._sessions.end_all(tx, step.principal_id)
            return self._sessions.begin(tx, step.principal_id, method="password", address=address, agent=agent)

        return await self._database.write_async(save)

    async def sign_in(self, name: str, password: str, code: str, *, address: str, agent: str) -> NewSession:
        """Password and code in one step; the answer does not say which of them was wrong."""
        try:
            ticket = await self.check_password(name, password, address=address)
            return await self.check_code(ticket.value, code, address=address, agent=agent)
        except SignInRefused:
            raise SignInRefused(
                "Name, password and code do not fit together.",
                remedy="A code works once; the next comes in 30 seconds.",
            ) from None

    async def change_password(self, caller: Caller, current: str, code: str, wanted: str, *, address: str) -> None:
        """Change one's own password with the current one and a code; other sessions end, this one stays."""
        ticket = await self.check_password(caller.name, current, address=address)
        step = await self._database.read_async(lambda tx: self._steps.look(tx, "code", ticket.value))
        attempt = await self._attempts.begin(f"{step.name} code", address, per_name=_CODES_PER_NAME)
        row = await self._database.read_async(lambda tx: _user(tx, step.name))
        secret = (self._open(row, "totp") or b"") if row is not None else b""
        used = codes.step_of(secret.decode(), code, self._ground.clock.now())
        if used is None or step.principal_id != caller.principal_id:
            raise SignInRefused("The code is not right.", remedy="Take the one that the application shows now.")
        hashed = await self._passwords.hash(wanted)

        def save(tx: Transaction) -> None:
            self._use_code(tx, step, used)
            self._steps.use_up(tx, step)
            self._save(tx, step, password=hashed, totp=secret, totp_step=used)
            self._sessions.end_all(tx, step.principal_id, but=caller.session_id)

        await self._database.write_async(save)
        await self._attempts.succeed(attempt)

    async def check_password(self, name: str, password: str, *, address: str) -> Ticket:
        """First step of a sign-in: return a ticket for the code, or raise SignInRefused or LockedOut."""
        self._passwords.require_room()
        canonical = _canonical(name)
        attempt = await self._attempts.begin(canonical, address)
        row = await self._database.read_async(lambda tx: _user(tx, canonical))
        stored = self._open(row, "password") if row is not None else None
        right = await self._passwords.matches(stored, password)
        if not right or row is None or row.state != "active" or row.totp is None:
            raise SignInRefused("Name and password do not fit together.")
        await self._attempts.succeed(attempt)
        return await self._database.write_async(
            lambda tx: self._steps.begin(tx, "code", row.principal_id, row.name, {})
        )

    async def check_code(self, ticket: str, code: str, *, address: str, agent: str) -> NewSession:
        """Second step: the code that the application shows now, never used before; ends in a session."""
        step = await self._database.read_async(lambda tx: self._steps.look(tx, "code", ticket))
        attempt = await self._attempts.begin(f"{step.name} code", address, per_name=_CODES_PER_NAME)
        row = await self._database.read_async(lambda tx: _user(tx, step.name))
        secret = self._open(row, "totp") if row is not None else None
        used = codes.step_of((secret or b"").decode(), code, self._ground.clock.now())
        if used is None:
            raise SignInRefused("The code is not right.")
        session = await self._database.write_async(lambda tx: self._finish(tx, step, used, address, agent))
        await self._attempts.succeed(attempt)
        return session

    def _finish(self, tx: Transaction, step: Step, used: int, address: str, agent: str) -> NewSession:
        self._use_code(tx, step, used)
        self._steps.use_up(tx, step)
        return self._sessions.begin(tx, step.principal_id, method="password", address=address, agent=agent)

    def _use_code(self, tx: Transaction, step: Step, used: int) -> None:
        """Use a code up, or raise SignInRefused when it was used before, even by a request of the same instant."""
        first_use = tx.execute(
            sa.update(users)
            .where(users.c.principal_id == step.principal_id, users.c.totp_step < used)
            .values(totp_step=used)
        )
        if not first_use.rowcount:
            raise SignInRefused("The code was used already.", remedy="Wait for the next one.")

    def has_password(self, tx: Transaction, principal_id: str) -> bool:
        """Whether somebody signs in with password and code."""
        own = sa.select(users.c.password).where(users.c.principal_id == principal_id)
        return tx.execute(own).scalar_one_or_none() is not None

    def _save(self, tx: Transaction, step: Step, *, password: bytes, totp: bytes, totp_step: int) -> None:
        ensure_user(tx, step.principal_id)
        tx.after_commit(self._ground.enrolled)
        seal = self._ground.sealed.seal
        tx.execute(
            sa.update(users)
            .where(users.c.principal_id == step.principal_id)
            .values(
                password=seal("users", step.principal_id, "password", password),
                totp=seal("users", step.principal_id, "totp", totp),
                totp_step=totp_step,
            )
        )
        who = Caller(principal_id=step.principal_id, name=step.name, kind="user")
        self._ground.audit.with_change(tx, "identity.user.set-password", who, step.principal_id)

    def _open(self, row: Any, column: str) -> bytes | None:
        sealed = getattr(row, column)
        return None if sealed is None else self._ground.sealed.open("users", row.principal_id, column, sealed)


def ensure_user(tx: Transaction, principal_id: str) -> None:
    """Make the row of a person who sets up a first way to sign in."""
    insert = tx.insert(users).values(principal_id=principal_id, totp_step=0)
    tx.execute(insert.on_conflict_do_nothing(index_elements=[users.c.principal_id]))


def _canonical(name: str) -> str:
    """The canonical form of what was typed; what is no name at all counts as one and the same unknown name."""
    try:
        return PrincipalName.parse(name.strip()).text
    except Exception:  # noqa: BLE001 - whatever was typed, the answer must not differ
        return "?"


def _user(tx: Transaction, name: str) -> Any:
    return tx.execute(
        sa.select(users, principals.c.name, principals.c.state)
        .join(principals, principals.c.id == users.c.principal_id)
        .where(principals.c.name == name)
    ).one_or_none()
