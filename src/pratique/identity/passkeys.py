"""Passkeys (WebAuthn level 3): set up through a one-time link or by who has just signed in, and used to sign in.

User verification is required, so a passkey stands for possession and knowledge both. Challenges for signing in are
keyed hashes and keep no state before somebody has proved something; each is accepted once.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import MINUTE
from pratique.core.database import Transaction
from pratique.core.errors import Conflict, Invalid
from pratique.core.ids import new_id
from pratique.core.keys.types import Purpose
from pratique.core.permissions import Caller
from pratique.identity.errors import CredentialNotFound, SignInRefused, SignInTooOld
from pratique.identity.ground import Ground
from pratique.identity.oidc.tables import external_identities
from pratique.identity.people import ensure_user
from pratique.identity.sessions import SessionService
from pratique.identity.steps import Step, Steps
from pratique.identity.tables import passkeys, principals, sign_in_steps, users
from pratique.identity.types import NewSession

_CHALLENGE_LIFE = 5 * MINUTE
_RECENT = 10 * MINUTE
"""Somebody who finds a browser open later cannot make themselves a way in of their own."""
_MAX_PER_PRINCIPAL = 20
_MAX_RESPONSE = 16 * 1024


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who the browser speaks to: the host without its port, and the whole origin."""

    host: str
    origin: str

    @classmethod
    def of(cls, host_header: str) -> "RelyingParty":
        """Read a Host header that the server has accepted; passkeys do not work on bare addresses."""
        host = host_header.lower().rsplit(":", 1)[0]
        if not host or host.startswith("[") or host.replace(".", "").isdigit():
            raise Invalid("Passkeys need a host name.", remedy="Open the console as https://localhost:PORT.")
        return cls(host, f"https://{host_header.lower()}")


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey as its owner knows it."""

    id: str
    label: str
    created_at: int
    last_used_at: int | None


class Passkeys:
    """Registration and sign-in; both end in a session."""

    def __init__(self, ground: Ground, sessions: SessionService, steps: Steps) -> None:
        self._ground = ground
        self._database = ground.database
        self._sessions = sessions
        self._steps = steps

    async def registration_options(self, ticket: str, party: RelyingParty) -> dict[str, Any]:
        """Return the options for `navigator.credentials.create` for the holder of an enrolment ticket."""
        challenge = secrets.token_bytes(32)

        def keep(tx: Transaction) -> tuple[Step, bytes, list[str]]:
            step = self._steps.look(tx, "enrol", ticket)
            self._steps.keep(tx, step, challenge=challenge.hex())
            held = tx.execute(sa.select(passkeys.c.id).where(passkeys.c.principal_id == step.principal_id)).all()
            return step, _handle_of(step.principal_id), [row.id for row in held]

        step, handle, held = await self._database.write_async(keep)
        return _registration_options(party, step.name, handle, challenge, held)

    async def register(
        self, ticket: str, response: dict[str, Any], party: RelyingParty, *, label: str, address: str, agent: str
    ) -> NewSession:
        """Keep the passkey that the browser made and sign its owner in; the ticket is used up."""
        step = await self._database.read_async(lambda tx: self._steps.look(tx, "enrol", ticket))
        challenge = bytes.fromhex(step.state.get("challenge", ""))
        if not challenge:
            raise SignInRefused("The passkey was not asked for.", remedy="Begin again.")
        verified = _verify_registration(response, challenge, party)
        passkey_id = _base64url(verified.credential_id)

        def save(tx: Transaction) -> NewSession:
            self._steps.use_up(tx, step)
            ensure_user(tx, step.principal_id)
            tx.after_commit(self._ground.enrolled)
            who = Caller(principal_id=step.principal_id, name=step.name, kind="user")
            self._insert(tx, who, passkey_id, verified, label)
            self._sessions.end_all(tx, step.principal_id)
            return self._sessions.begin(tx, step.principal_id, method=passkey_id, address=address, agent=agent)

        return await self._database.write_async(save)

    def is_recent(self, tx: Transaction, caller: Caller) -> bool:
        """True while a person has just signed in, so that they may add a way to do so."""
        session = self._sessions.get(tx, caller.session_id or "")
        return caller.kind == "user" and tx.now - session.created_at <= _RECENT

    async def adding_options(self, caller: Caller, party: RelyingParty) -> dict[str, Any]:
        """Return the options for `navigator.credentials.create` for who has just signed in; else raise SignInTooOld."""

        def look(tx: Transaction) -> list[str]:
            self._require_recent(tx, caller)
            held = sa.select(passkeys.c.id).where(passkeys.c.principal_id == caller.principal_id)
            return list(tx.execute(held).scalars())

        held = await self._database.read_async(look)
        expires = self._ground.clock.now() + _CHALLENGE_LIFE
        challenge = self._challenge(secrets.token_bytes(16), expires, _adding(caller))
        return _registration_options(party, caller.name, _handle_of(caller.principal_id), challenge, held)

    async def add(self, caller: Caller, response: dict[str, Any], party: RelyingParty, *, label: str) -> None:
        """Keep the passkey that this session's browser made; its challenge is answered once."""
        challenge = self._own_challenge(response, _adding(caller))
        verified = _verify_registration(response, challenge, party)

        def save(tx: Transaction) -> None:
            self._require_recent(tx, caller)
            _use_once(tx, caller.principal_id, challenge)
            ensure_user(tx, caller.principal_id)
            self._insert(tx, caller, _base64url(verified.credential_id), verified, label)

        await self._database.write_async(save)

    def _require_recent(self, tx: Transaction, caller: Caller) -> None:
        if not self.is_recent(tx, caller):
            raise SignInTooOld(
                "You signed in a while ago.", remedy="Sign out and in again, and add the passkey within ten minutes."
            )

    def sign_in_options(self, party: RelyingParty) -> dict[str, Any]:
        """Return the options for `navigator.credentials.get`; nothing is kept until somebody answers."""
        from webauthn import generate_authentication_options, options_to_json
        from webauthn.helpers.structs import UserVerificationRequirement

        expires = self._ground.clock.now() + _CHALLENGE_LIFE
        options = generate_authentication_options(
            rp_id=party.host,
            challenge=self._challenge(secrets.token_bytes(16), expires),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        loaded: dict[str, Any] = json.loads(options_to_json(options))
        return loaded

    async def sign_in(self, response: dict[str, Any], party: RelyingParty, *, address: str, agent: str) -> NewSession:
        """Sign in whoever proves to hold a passkey that is known here, or raise SignInRefused."""
        challenge = self._own_challenge(response)
        passkey_id = str(response.get("id", ""))[:1400]
        row = await self._database.read_async(lambda tx: _passkey(tx, passkey_id))
        if row is None or row.state != "active":
            raise SignInRefused("That passkey is not known here.", remedy="Use another, or ask for a one-time link.")
        count = _verify_sign_in(response, challenge, party, row)

        def save(tx: Transaction) -> NewSession:
            _use_once(tx, row.principal_id, challenge)
            tx.execute(
                sa.update(passkeys).where(passkeys.c.id == passkey_id).values(sign_count=count, last_used_at=tx.now)
            )
            return self._sessions.begin(tx, row.principal_id, method=passkey_id, address=address, agent=agent)

        return await self._database.write_async(save)

    def remove(self, tx: Transaction, caller: Caller, principal_id: str, passkey_id: str) -> None:
        """Take a passkey away and end the sessions of its owner; nobody takes their own last way in."""
        if caller.principal_id == principal_id and not self._other_way(tx, principal_id, passkey_id):
            raise Conflict("That is your only way to sign in.", remedy="Set a password or another passkey first.")
        done = tx.execute(
            sa.delete(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.principal_id == principal_id)
        )
        if not done.rowcount:
            raise CredentialNotFound("There is no such passkey.", remedy="See pratique person show.")
        kept = caller.session_id if caller.principal_id == principal_id else None
        self._sessions.end_all(tx, principal_id, but=kept)
        self._ground.audit.with_change(tx, "identity.user.remove-passkey", caller, principal_id)

    def _other_way(self, tx: Transaction, principal_id: str, passkey_id: str) -> bool:
        other = sa.select(passkeys.c.id).where(passkeys.c.principal_id == principal_id, passkeys.c.id != passkey_id)
        password = sa.select(users.c.principal_id).where(
            users.c.principal_id == principal_id, users.c.password.is_not(None)
        )
        linked = sa.select(external_identities.c.subject).where(external_identities.c.principal_id == principal_id)
        return any(tx.execute(way.limit(1)).first() is not None for way in (other, password, linked))

    def _insert(self, tx: Transaction, who: Caller, passkey_id: str, verified: Any, label: str) -> None:
        held = tx.execute(sa.select(sa.func.count()).where(passkeys.c.principal_id == who.principal_id)).scalar_one()
        known = tx.execute(sa.select(passkeys.c.id).where(passkeys.c.id == passkey_id)).first()
        if known is not None or held >= _MAX_PER_PRINCIPAL:
            raise Conflict("That passkey is known already, or there are too many.", remedy="Remove one first.")
        tx.execute(
            sa.insert(passkeys).values(
                id=passkey_id,
                principal_id=who.principal_id,
                public_key=verified.credential_public_key,
                sign_count=verified.sign_count,
                label=label[:100] or "passkey",
                created_at=tx.now,
            )
        )
        self._ground.audit.with_change(tx, "identity.user.add-passkey", who, who.principal_id)

    def _challenge(self, salt: bytes, expires: int, use: bytes = b"") -> bytes:
        body = salt + expires.to_bytes(8, "big")
        return body + self._ground.keys.hmac(Purpose.CSRF, b"passkey challenge" + body + use)

    def _own_challenge(self, response: dict[str, Any], use: bytes = b"") -> bytes:
        """Return the challenge that the response answers, when it was made here and its time is not over."""
        try:
            client = json.loads(_from_base64url(response["response"]["clientDataJSON"])[:_MAX_RESPONSE])
            challenge = _from_base64url(client["challenge"])
            expires = int.from_bytes(challenge[16:24], "big")
        except (KeyError, TypeError, ValueError):
            raise SignInRefused("That is no answer of a passkey.") from None
        if expires < self._ground.clock.now() or not hmac.compare_digest(
            self._challenge(challenge[:16], expires, use), challenge
        ):
            raise SignInRefused("The sign-in took too long.", remedy="Try again.")
        return challenge

    def list(self, tx: Transaction, principal_id: str) -> Sequence[Passkey]:
        """Return the passkeys of a person, the oldest first."""
        own = sa.select(passkeys).where(passkeys.c.principal_id == principal_id)
        rows = tx.execute(own.order_by(passkeys.c.created_at, passkeys.c.id)).all()
        return [Passkey(row.id, row.label, row.created_at, row.last_used_at) for row in rows]


def _adding(caller: Caller) -> bytes:
    """What binds a challenge to the session that asked for it, and to adding."""
    return f"add {caller.session_id}".encode()


def _handle_of(principal_id: str) -> bytes:
    return hashlib.sha256(principal_id.encode()).digest()


def _registration_options(
    party: RelyingParty, name: str, handle: bytes, challenge: bytes, held: list[str]
) -> dict[str, Any]:
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=party.host,
        rp_name="Pratique",
        user_name=name,
        user_id=handle,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=_from_base64url(passkey)) for passkey in held],
    )
    loaded: dict[str, Any] = json.loads(options_to_json(options))
    return loaded


def _verify_registration(response: dict[str, Any], challenge: bytes, party: RelyingParty) -> Any:
    from webauthn import verify_registration_response
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        return verify_registration_response(
            credential=response,
            expected_challenge=challenge,
            expected_rp_id=party.host,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        raise SignInRefused("The passkey could not be verified.", remedy="Begin again.") from None


def _verify_sign_in(response: dict[str, Any], challenge: bytes, party: RelyingParty, row: Any) -> int:
    from webauthn import verify_authentication_response
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        verified = verify_authentication_response(
            credential=response,
            expected_challenge=challenge,
            expected_rp_id=party.host,
            expected_origin=party.origin,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        raise SignInRefused("The passkey could not be verified.", remedy="Try again.") from None
    return int(verified.new_sign_count)


def _use_once(tx: Transaction, principal_id: str, challenge: bytes) -> None:
    """Remember that a challenge was answered; a second answer to it is refused, also at the same instant."""
    tx.execute(sa.delete(sign_in_steps).where(sign_in_steps.c.expires_at <= tx.now))
    insert = tx.insert(sign_in_steps).values(
        id=new_id(),
        principal_id=principal_id,
        proof=hashlib.sha256(b"used:" + challenge).digest(),
        kind="used",
        state=b"",
        expires_at=tx.now + 2 * _CHALLENGE_LIFE,
    )
    insert = insert.on_conflict_do_nothing(index_elements=[sign_in_steps.c.proof])
    # Rows that come back, not a row count: for an INSERT the latter is not known on every engine.
    if tx.execute(insert.returning(sign_in_steps.c.id)).one_or_none() is None:
        raise SignInRefused("That answer was used already.", remedy="Try again.")


def _passkey(tx: Transaction, passkey_id: str) -> Any:
    return tx.execute(
        sa.select(passkeys, principals.c.state)
        .join(principals, principals.c.id == passkeys.c.principal_id)
        .where(passkeys.c.id == passkey_id)
    ).one_or_none()


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
