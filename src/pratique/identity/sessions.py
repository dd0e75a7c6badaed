"""Console sessions: begun by a sign-in, ended by sign-out, time, an administrator, or the end of their principal."""

import base64
import hashlib
import hmac
import secrets
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import MINUTE, SECOND
from pratique.core.database import Page, Transaction
from pratique.core.database.paging import after, check_limit, page
from pratique.core.ids import new_id
from pratique.core.keys.types import KeyClient, Purpose
from pratique.core.permissions import Caller
from pratique.core.redaction import redact
from pratique.identity.errors import ForgeryRefused, SessionNotFound, TokenRefused
from pratique.identity.ground import Ground
from pratique.identity.oauth.sign_ins import end_sign_ins
from pratique.identity.tables import sessions
from pratique.identity.types import NewSession, Session

COOKIE = "__Host-pratique"
MAX_COOKIE = 128
_MAX_PER_PRINCIPAL = 50


class SessionService:
    """Sessions by the SHA-256 of a random cookie; looked up at each request, so an ended one is ended."""

    def __init__(self, ground: Ground) -> None:
        self._database = ground.database
        self._memory = ground.memory
        self._settings = ground.settings
        self._audit = ground.audit
        self._cursors = ground.cursors
        self._clock = ground.clock
        self._forgery_token = lru_cache(maxsize=1000)(lambda subject: _forgery_token(ground.keys, subject))

    def begin(self, tx: Transaction, principal_id: str, *, method: str, address: str, agent: str) -> NewSession:
        """Begin a session for somebody who has proved who they are; the oldest of very many is ended."""
        cookie = secrets.token_urlsafe(32)
        session = Session(
            id=new_id(),
            principal_id=principal_id,
            method=method,
            address=address[:64],
            agent=redact(agent, limit=200),
            created_at=tx.now,
            seen_at=tx.now,
            expires_at=tx.now + int(self._settings.session_lifetime * SECOND),
        )
        self._make_room(tx, principal_id)
        tx.execute(sa.insert(sessions).values(proof=_proof(cookie), **_row(session)))
        who = Caller(principal_id=principal_id, name="", kind="user", session_id=session.id)
        self._audit.with_change(
            tx, "identity.session.begin", who, principal_id, {"method": method, "session": session.id}
        )
        return NewSession(session, cookie)

    async def caller(self, cookie: str) -> Caller:
        """Return who holds the cookie, or raise TokenRefused when its session has ended."""
        if not cookie or len(cookie) > MAX_COOKIE or not cookie.isascii():
            raise _ended()
        proof = _proof(cookie)
        row = self._database.read_here(
            lambda tx: tx.execute(sa.select(sessions).where(sessions.c.proof == proof)).one_or_none()
        )
        now = self._clock.now()
        if row is None or row.expires_at <= now or row.seen_at + self._settings.session_idle * SECOND <= now:
            raise _ended()
        rights = self._memory.of(row.principal_id)
        if rights is None or not rights.active:
            raise _ended()
        if now - row.seen_at >= MINUTE:
            await self._database.write_async(lambda tx: _seen(tx, row.id))
        return Caller(principal_id=rights.principal_id, name=rights.name, kind=rights.kind, session_id=row.id)

    def get(self, tx: Transaction, session_id: str) -> Session:
        """Return a session by id, or raise SessionNotFound."""
        row = tx.execute(sa.select(sessions).where(sessions.c.id == session_id)).one_or_none()
        if row is None:
            raise SessionNotFound("There is no such session.", remedy="See pratique session list.")
        return session_of(row)

    def list(
        self, tx: Transaction, *, principal_id: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> Page[Session]:
        """Return live sessions, the youngest first; of one principal or of all."""
        now = tx.now
        idle = now - int(self._settings.session_idle * SECOND)
        statement = sa.select(sessions).where(sessions.c.expires_at > now, sessions.c.seen_at > idle)
        if principal_id is not None:
            statement = statement.where(sessions.c.principal_id == principal_id)
        if cursor:
            position = self._cursors.decode("sessions", cursor)
            statement = statement.where(after([sessions.c.id], position, descending=[True]))
        rows = tx.execute(statement.order_by(sessions.c.id.desc()).limit(check_limit(limit) + 1)).all()
        return page(rows, limit, session_of, lambda row: self._cursors.encode("sessions", [row.id]))

    def end(self, tx: Transaction, caller: Caller, session: Session) -> None:
        """End a session at once."""
        tx.execute(sa.delete(sessions).where(sessions.c.id == session.id))
        detail = {"session": session.id}
        self._audit.with_change(tx, "identity.session.end", caller, session.principal_id, detail)

    def end_all(self, tx: Transaction, principal_id: str, *, but: str | None = None) -> None:
        """End every session of a principal, but one if named, and its sign-ins at terminals; audited by the caller."""
        own = sa.delete(sessions).where(sessions.c.principal_id == principal_id)
        tx.execute(own if but is None else own.where(sessions.c.id != but))
        end_sign_ins(tx, principal_id)
        self._memory.changed(tx)

    def forgery_token(self, subject: str) -> str:
        """The token that forms must carry: a keyed hash of the session's id (or of a cookie before sign-in)."""
        return self._forgery_token(subject)

    def check_forgery_token(self, subject: str, token: str) -> None:
        """Return, or raise ForgeryRefused when the token is not that of the subject."""
        if not hmac.compare_digest(self.forgery_token(subject).encode(), token.encode("utf-8", "replace")):
            raise ForgeryRefused("The form is out of date.", remedy="Load the page again and repeat.")

    def _make_room(self, tx: Transaction, principal_id: str) -> None:
        oldest = (
            sa.select(sessions.c.id)
            .where(sessions.c.principal_id == principal_id)
            .order_by(sessions.c.id.desc())
            .offset(_MAX_PER_PRINCIPAL - 1)
            .limit(1000)
        )
        crowded = [row.id for row in tx.execute(oldest).all()]
        if crowded:
            tx.execute(sa.delete(sessions).where(sessions.c.id.in_(crowded)))


def session_of(row: Any) -> Session:
    """Read a session from its row, without its proof."""
    return Session(
        row.id, row.principal_id, row.method, row.address, row.agent, row.created_at, row.seen_at, row.expires_at
    )


def _row(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "principal_id": session.principal_id,
        "method": session.method,
        "address": session.address,
        "agent": session.agent,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "expires_at": session.expires_at,
    }


def _seen(tx: Transaction, session_id: str) -> None:
    tx.execute(sa.update(sessions).where(sessions.c.id == session_id).values(seen_at=tx.now))


def _proof(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode()).digest()


def _forgery_token(keys: KeyClient, subject: str) -> str:
    return base64.urlsafe_b64encode(keys.hmac(Purpose.CSRF, subject.encode())).rstrip(b"=").decode()


def _ended() -> TokenRefused:
    return TokenRefused("The session has ended.", remedy="Sign in again.")
