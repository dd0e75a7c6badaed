"""Sign-in of programs through the person's browser: authorization codes with PKCE (RFC 7636, RFC 8252).

- Known programs only, with S256 only; the answer goes to this very machine (`http://localhost`, `127.0.0.1` or `[::1]`
  with any port), so there is no list of addresses to get wrong and nothing that could redirect elsewhere.
- The person sees which program asks and says yes in the console. The code lives for two minutes, works once, and when
  it comes a second time the sign-in that came of it ends.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import sqlalchemy as sa

from pratique.core.clock import MINUTE
from pratique.core.database import Database, Transaction
from pratique.core.errors import Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import Caller
from pratique.identity.audiences import Audiences
from pratique.identity.ground import Ground
from pratique.identity.oauth import clients
from pratique.identity.oauth.errors import GrantRefused, RequestUnclear
from pratique.identity.oauth.requests import GrantRequest, Place
from pratique.identity.oauth.resources import Wanted, wanted
from pratique.identity.oauth.sign_ins import SignIns
from pratique.identity.oauth.tables import authorization_codes
from pratique.identity.tables import credentials

LIFE = 2 * MINUTE
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_MAX_STATE = 2048


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a program asks a person for."""

    client_id: str
    client: str
    want: Wanted
    redirect_uri: str
    challenge: str
    state: str
    nonce: str

    def answer(self, **fields: str) -> str:
        """The address of the program on the person's machine, with the answer in its query."""
        more = {"state": self.state} if self.state else {}
        return f"{self.redirect_uri}?{urlencode({**fields, **more})}"


@dataclass(frozen=True, slots=True)
class RedeemedCode:
    """A code that its program has taken: the sign-in that began with it."""

    caller: Caller
    resource: str
    offline: bool
    nonce: str


class Authorizations:
    """Reads requests for sign-in, grants codes to who approves, takes codes for sign-ins."""

    def __init__(self, ground: Ground, audiences: Audiences) -> None:
        self._database: Database = ground.database
        self._audit = ground.audit
        self._memory = ground.memory
        self._audiences = audiences
        self._sign_ins = SignIns(ground)

    def read(self, query: Mapping[str, str]) -> Authorization:
        """Return what is asked for, or raise GrantRefused; nothing is sent to an address before all of it holds."""
        request = GrantRequest(Place("", ""), query)
        client_id = request.need("client_id")
        # Programs that ask for form_post take a query too; the console's policy sends no form to another origin.
        if request.need("response_type") != "code" or request.get("response_mode") not in ("", "query", "form_post"):
            raise RequestUnclear("Only codes are given, in the query.", remedy="Ask for response_type=code.")
        if request.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(request.get("code_challenge")):
            raise RequestUnclear("The sign-in is not bound to the program that asks.", remedy="Use PKCE with S256.")
        state, nonce = request.get("state"), request.get("nonce")
        if len(state) > _MAX_STATE or len(nonce) > _MAX_STATE:
            raise RequestUnclear("The state is too long.")
        return Authorization(
            client_id=client_id,
            client=clients.name_of(client_id),
            want=wanted(request, self._audiences),
            redirect_uri=_local_uri(request.need("redirect_uri")),
            challenge=request.get("code_challenge"),
            state=state,
            nonce=nonce,
        )

    async def approve(self, caller: Caller, asked: Authorization, *, address: str, agent: str) -> str:
        """Return the address to go to, with a code for the program, as this person."""
        if caller.kind != "user":
            raise Invalid("Only people sign in here.")
        code = secrets.token_urlsafe(32)
        row = {
            "id": new_id(),
            "proof": _proof(code),
            "principal_id": caller.principal_id,
            "client_id": asked.client_id,
            "resource": asked.want.resource,
            "offline": asked.want.offline,
            "redirect_uri": asked.redirect_uri,
            "challenge": asked.challenge,
            "nonce": asked.nonce,
            "address": address[:64],
            "agent": agent[:200],
        }

        def grant(tx: Transaction) -> None:
            tx.execute(sa.delete(authorization_codes).where(authorization_codes.c.expires_at <= tx.now))
            tx.execute(sa.insert(authorization_codes).values(**row, expires_at=tx.now + LIFE))
            detail = {"client": asked.client, "resource": asked.want.resource, "address": address[:64]}
            self._audit.with_change(tx, "identity.authorization.approve", caller, caller.principal_id, detail)

        await self._database.write_async(grant)
        return asked.answer(code=code)

    async def take(self, request: GrantRequest) -> RedeemedCode:
        """Begin the sign-in of a code, once; raises GrantRefused."""
        code, verifier = request.need("code"), request.need("code_verifier")
        taken = await self._database.write_async(lambda tx: self._take(tx, request, code, verifier))
        if taken is None:
            raise GrantRefused("The code does not fit, has ended or was used.", remedy="Sign in again.")
        return taken

    def _take(self, tx: Transaction, request: GrantRequest, code: str, verifier: str) -> RedeemedCode | None:
        statement = sa.select(authorization_codes).where(authorization_codes.c.proof == _proof(code))
        row = tx.execute(statement).one_or_none()
        if row is None or row.expires_at <= tx.now:
            return None
        if row.credential_id is not None:
            self._end(tx, row)
            return None
        if not _fits(row, request, verifier):
            return None
        caller = self._sign_ins.begin(tx, row.principal_id, row.client_id, address=row.address, agent=row.agent)
        mine = sa.update(authorization_codes).where(authorization_codes.c.id == row.id)
        tx.execute(mine.values(credential_id=caller.credential_id))
        return RedeemedCode(caller, row.resource, row.offline, row.nonce)

    def _end(self, tx: Transaction, row: Any) -> None:
        tx.execute(sa.delete(credentials).where(credentials.c.id == row.credential_id))
        self._memory.changed(tx)
        detail = {"credential": row.credential_id, "why": "its code came a second time"}
        person = Caller(row.principal_id, "", "user", row.credential_id)
        self._audit.with_change(tx, "identity.sign-in.end", person, row.principal_id, detail)


def _fits(row: Any, request: GrantRequest, verifier: str) -> bool:
    digest = hashlib.sha256(verifier.encode("utf-8", "replace")).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return bool(
        _VERIFIER.fullmatch(verifier)
        and hmac.compare_digest(challenge, row.challenge)
        and row.client_id == request.get("client_id")
        and row.redirect_uri == request.get("redirect_uri")
    )


def _local_uri(text: str) -> str:
    """Return the address when it is one of this very machine, with nothing that could be read in two ways."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    shown = f"[{host}]" if host and ":" in host else host
    plain = f"http://{shown}{f':{port}' if port else ''}"
    if host not in _LOCAL or text not in (plain, f"{plain}/"):
        raise RequestUnclear(
            "The answer would go to another machine.", remedy="Programs listen at http://localhost:PORT."
        )
    return text


def _proof(code: str) -> bytes:
    return hashlib.sha256(b"authorization " + code[:128].encode("utf-8", "replace")).digest()
