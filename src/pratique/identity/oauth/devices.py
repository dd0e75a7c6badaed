"""Sign-in with a code on another machine (RFC 8628), with limits against those who send their own code to others.

- Only known programs may ask, and what is shown of them comes from here. A code lives for ten minutes and works once.
- The person types the code: no address carries it. They see which program asks, for what, from where and since when,
  and must say yes; five wrong codes in a quarter of an hour are the most for one person from one address.
- The device's code is 256 random bits, kept as a hash; the person's is a keyed hash, so a copy of the database does not
  tell codes that are waiting.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import MINUTE, SECOND, Clock
from pratique.core.database import Database, Transaction
from pratique.core.errors import Gone, TooManyRequests
from pratique.core.ids import new_id
from pratique.core.keys.types import KeyClient, Purpose
from pratique.core.permissions import Caller
from pratique.identity.attempts import Attempts, network_of
from pratique.identity.ground import Ground
from pratique.identity.oauth import clients
from pratique.identity.oauth.errors import ApprovalDenied, ApprovalPending, CodeExpired, PollSlower
from pratique.identity.oauth.requests import GrantRequest
from pratique.identity.oauth.resources import Wanted
from pratique.identity.oauth.tables import device_codes

LIFE = 10 * MINUTE
INTERVAL = 5 * SECOND
# No vowels, so no words; no letters or digits that are taken for one another.
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH = 8
_PER_ADDRESS = 30
_WINDOW = 15 * MINUTE
_MOST_WAITING = 2000
_MOST_POLLED = 10_000


@dataclass(frozen=True, slots=True)
class NewDeviceCode:
    """What the program gets: its own code to ask with, and the code that it shows to its user."""

    device_code: str
    user_code: str

    def __repr__(self) -> str:
        return "NewDeviceCode()"


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """What a person is shown before they say yes."""

    id: str
    client: str
    resource: str
    address: str
    agent: str
    created_at: int
    expires_at: int

    def is_near(self, address: str) -> bool:
        """True when the program asks from the same address, or IPv6 network, as the person."""
        return network_of(self.address) == network_of(address)


@dataclass(frozen=True, slots=True)
class Approved:
    """A code that a person approved, taken by its program."""

    principal_id: str
    client_id: str
    resource: str
    offline: bool


class CodeWrong(Gone):
    """No such code waits: mistyped, used, ended, or of somebody who guesses."""

    code = "code-wrong"


class DeviceCodes:
    """Begins, shows, approves and takes device codes."""

    def __init__(self, ground: Ground) -> None:
        self._database: Database = ground.database
        self._keys: KeyClient = ground.keys
        self._clock: Clock = ground.clock
        self._audit = ground.audit
        self._attempts = Attempts(ground.database, ground.keys)
        self._asked: dict[str, tuple[int, int]] = {}
        self._polled: dict[bytes, int] = {}

    async def begin(self, request: GrantRequest, want: Wanted) -> NewDeviceCode:
        """Begin a sign-in of a known program; raises ClientNotPublic, TooManyRequests."""
        clients.name_of(request.need("client_id"))
        self._count(request.address)
        made = NewDeviceCode(secrets.token_urlsafe(32), "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH)))
        await self._database.write_async(lambda tx: self._insert(tx, request, want, made))
        return made

    async def take(self, device_code: str, client_id: str) -> Approved:
        """Return what was approved, once; raises ApprovalPending, ApprovalDenied, PollSlower or CodeExpired."""
        proof = _proof(device_code)
        row = await self._database.read_async(
            lambda tx: tx.execute(sa.select(device_codes).where(device_codes.c.device_proof == proof)).one_or_none()
        )
        now = self._clock.now()
        if row is None or row.expires_at <= now or row.client_id != client_id:
            raise CodeExpired("The code has ended or was used.", remedy="Begin again.")
        self._pace(proof, now)
        if row.state == "pending":
            raise ApprovalPending("Nobody has approved this sign-in yet.", remedy="Ask again in five seconds.")
        if not await self._database.write_async(lambda tx: _remove(tx, row.id)):
            raise CodeExpired("The code has ended or was used.", remedy="Begin again.")
        if row.state == "denied":
            raise ApprovalDenied("The person refused this sign-in.")
        return Approved(row.principal_id, row.client_id, row.resource, row.offline)

    async def look(self, caller: Caller, user_code: str, address: str) -> DeviceRequest:
        """Return what waits behind a code that a signed-in person typed; raises CodeWrong or LockedOut."""
        attempt = await self._attempts.begin(f"device {caller.principal_id}", address)
        proof = self._user_proof(user_code)
        row = await self._database.read_async(lambda tx: tx.execute(_waiting(tx.now, proof)).one_or_none())
        if row is None:
            raise CodeWrong("No sign-in waits for this code.", remedy="Look at it again, or begin again on the device.")
        await self._attempts.succeed(attempt)
        return DeviceRequest(
            row.id, clients.name_of(row.client_id), row.resource, row.address, row.agent, row.created_at, row.expires_at
        )

    async def decide(self, caller: Caller, user_code: str, address: str, *, approve: bool) -> DeviceRequest:
        """Let the program go on as this person, or refuse it; raises CodeWrong when it does not wait any more."""
        request = await self.look(caller, user_code, address)
        await self._database.write_async(lambda tx: self._decide(tx, caller, request, approve=approve))
        return request

    def _decide(self, tx: Transaction, caller: Caller, request: DeviceRequest, *, approve: bool) -> None:
        state = "approved" if approve else "denied"
        waiting = sa.and_(device_codes.c.id == request.id, device_codes.c.state == "pending")
        done = tx.execute(sa.update(device_codes).where(waiting).values(state=state, principal_id=caller.principal_id))
        if not done.rowcount:
            raise CodeWrong("This sign-in was decided already.", remedy="Begin again on the device.")
        detail = {"client": request.client, "resource": request.resource, "address": request.address}
        self._audit.with_change(tx, f"identity.device.{state}", caller, caller.principal_id, detail)

    def _insert(self, tx: Transaction, request: GrantRequest, want: Wanted, made: NewDeviceCode) -> None:
        tx.execute(sa.delete(device_codes).where(device_codes.c.expires_at <= tx.now))
        if tx.execute(sa.select(sa.func.count()).select_from(device_codes)).scalar_one() >= _MOST_WAITING:
            raise TooManyRequests("Too many sign-ins wait.", retry_after=60, remedy="Try again in a minute.")
        tx.execute(
            sa.insert(device_codes).values(
                id=new_id(),
                device_proof=_proof(made.device_code),
                user_proof=self._user_proof(made.user_code),
                client_id=request.get("client_id"),
                resource=want.resource,
                offline=want.offline,
                address=request.address[:64],
                agent=request.agent[:200],
                state="pending",
                created_at=tx.now,
                expires_at=tx.now + LIFE,
            )
        )

    def _count(self, address: str) -> None:
        place, now = network_of(address), self._clock.now()
        if len(self._asked) > _MOST_POLLED:
            self._asked = {key: value for key, value in self._asked.items() if value[1] > now}
        count, until = self._asked.get(place, (0, 0))
        if until <= now:
            count, until = 0, now + _WINDOW
        self._asked[place] = (count + 1, until)
        if count >= _PER_ADDRESS:
            raise TooManyRequests("Too many sign-ins from here.", retry_after=(until - now) / SECOND)

    def _pace(self, proof: bytes, now: int) -> None:
        if len(self._polled) > _MOST_POLLED:
            self._polled = {key: at for key, at in self._polled.items() if at + INTERVAL > now}
        before = self._polled.get(proof, 0)
        self._polled[proof] = now
        if now - before < INTERVAL - SECOND:
            raise PollSlower("Asked too soon.", remedy="Ask every five seconds.")

    def _user_proof(self, code: str) -> bytes:
        letters = "".join(letter for letter in code.upper() if letter in ALPHABET) if code.isascii() else ""
        plain = "".join(character for character in code if character not in " -")
        if len(letters) != _LENGTH or len(plain) != _LENGTH:
            letters = "?"  # is nobody's
        return self._keys.hmac(Purpose.FINGERPRINT, b"device code " + letters.encode())


def readable(user_code: str) -> str:
    """The code as it is shown: two groups."""
    return f"{user_code[:4]}-{user_code[4:]}"


def _waiting(now: int, proof: bytes) -> sa.Select[Any]:
    waiting = (device_codes.c.user_proof == proof, device_codes.c.state == "pending", device_codes.c.expires_at > now)
    return sa.select(device_codes).where(*waiting)


def _remove(tx: Transaction, row_id: str) -> bool:
    return bool(tx.execute(sa.delete(device_codes).where(device_codes.c.id == row_id)).rowcount)


def _proof(device_code: str) -> bytes:
    return hashlib.sha256(b"device " + device_code[:128].encode("utf-8", "replace")).digest()
