"""Keys of other issuers: asked for by discovery, remembered, and good for a stated time while the issuer is away.

- An issuer is only asked once a principal trusts it; what a stranger's token names is never looked up.
- Requests go through the one outward client: https, numbers checked at each connection, limits of size and time. The
  configuration must name the issuer itself and keys on https; neither may come from another host by a redirect.
- Keys are asked for again after an hour, or when a token names a key that is not known, at most once a minute and
  issuer. They are kept in the database, so another process and a restart know them; while the issuer does not answer
  they are used for `identity.issuer_away` at most, and then refused.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from anyio import to_thread

from pratique.core.clock import HOUR, MINUTE, SECOND, Clock
from pratique.core.database import Database, Transaction
from pratique.core.errors import Invalid, PratiqueError
from pratique.core.outward import Bounds, OutwardClient
from pratique.core.outward.errors import OutwardRefused, OutwardUnavailable
from pratique.identity.federation.keysets import KeySet, VerificationKey, jwks_of, key_set
from pratique.identity.federation.tables import issuer_keys

FRESH = HOUR
_ASK_AGAIN = MINUTE
_BOUNDS = Bounds(size=256 * 1024, seconds=8.0, connect=4.0, silence=4.0)
_REMEMBERED = 500


@dataclass(frozen=True, slots=True)
class Known:
    """The keys of an issuer and when it gave them."""

    keys: KeySet
    fetched_at: int


class Issuers:
    """Gives verification keys of an issuer; safe on any thread, asks outward in threads of its own."""

    def __init__(self, database: Database, outward: OutwardClient, clock: Clock, *, away: float) -> None:
        self._database = database
        self._outward = outward
        self._clock = clock
        self._away = int(away * SECOND)
        self._known: dict[str, Known] = {}
        self._asked: dict[str, int] = {}
        self._lock = threading.Lock()

    def check(self, issuer: str) -> None:
        """Return, or raise for an address that will never be asked; for use when an issuer is written down."""
        url = self._outward.rules.check_url(issuer)
        if url.query or url.fragment or issuer != issuer.strip():
            raise Invalid(
                "An issuer is an address without query and fragment.", remedy="Copy it from `iss` of a token."
            )

    async def keys(self, issuer: str, key_id: str | None) -> tuple[VerificationKey, ...]:
        """Return the keys that may have signed; raises OutwardUnavailable when the issuer was away for too long."""
        known = self._known.get(issuer) or await self._stored(issuer)
        now = self._clock.now()
        if known is not None and now - known.fetched_at < FRESH and known.keys.candidates(key_id):
            return known.keys.candidates(key_id)
        known = await self._renewed(issuer, known)
        if known is None or now - known.fetched_at > self._away:
            raise OutwardUnavailable(
                f"The issuer {issuer} does not answer, and its keys are too old or unknown.",
                remedy="Check that this server reaches it, or give its keys by hand with the federated credential.",
            )
        return known.keys.candidates(key_id)

    async def _renewed(self, issuer: str, known: Known | None) -> Known | None:
        if not self._may_ask(issuer):
            return known
        try:
            document = await to_thread.run_sync(self._fetch, issuer)
        except (OutwardUnavailable, OutwardRefused):
            return known
        fresh = Known(key_set(document), self._clock.now())
        await self._database.write_async(lambda tx: _store(tx, issuer, document, fresh.fetched_at))
        self._remember(issuer, fresh)
        return fresh

    def _may_ask(self, issuer: str) -> bool:
        now = self._clock.now()
        with self._lock:
            if now - self._asked.get(issuer, -_ASK_AGAIN) < _ASK_AGAIN:
                return False
            if len(self._asked) > _REMEMBERED:
                self._asked.clear()
            self._asked[issuer] = now
            return True

    def fetch(self, issuer: str) -> Sequence[Mapping[str, Any]]:
        """Ask the issuer now; raises OutwardRefused or OutwardUnavailable with what is wrong. Blocks."""
        return self._fetch(issuer)

    def _fetch(self, issuer: str) -> list[dict[str, Any]]:
        configuration = self._json(issuer.rstrip("/") + "/.well-known/openid-configuration")
        if not isinstance(configuration, dict) or configuration.get("issuer") != issuer:
            raise OutwardRefused(
                "The configuration names another issuer than the one that was asked.",
                remedy="Write the issuer exactly as it stands in `iss` of its tokens.",
            )
        address = configuration.get("jwks_uri")
        if not isinstance(address, str):
            raise OutwardRefused("The configuration names no keys.", remedy="Give the keys by hand.")
        try:
            return jwks_of(self._json(address))
        except Invalid as error:
            raise OutwardRefused(error.message, remedy=error.remedy) from None

    def _json(self, address: str) -> Any:
        asked = self._outward.rules.check_url(address)
        document = self._outward.fetch(address, headers={"accept": "application/json"}, bounds=_BOUNDS)
        answered = self._outward.rules.check_url(document.url)
        if (asked.scheme, asked.host, asked.port) != (answered.scheme, answered.host, answered.port):
            raise OutwardRefused(
                f"{asked.host} leads to another host.", remedy="Write the address that answers itself."
            )
        if document.status != 200:
            raise OutwardUnavailable(f"{asked.host} answers {document.status}.", remedy="Try again later.")
        return document.json()

    async def _stored(self, issuer: str) -> Known | None:
        row = await self._database.read_async(
            lambda tx: tx.execute(sa.select(issuer_keys).where(issuer_keys.c.issuer == issuer)).one_or_none()
        )
        if row is None:
            return None
        known = Known(key_set(row.keys), row.fetched_at)
        self._remember(issuer, known)
        return known

    def _remember(self, issuer: str, known: Known) -> None:
        with self._lock:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            self._known[issuer] = known


def _store(tx: Transaction, issuer: str, document: list[dict[str, Any]], fetched_at: int) -> None:
    insert = tx.insert(issuer_keys).values(issuer=issuer, keys=document, fetched_at=fetched_at)
    values = {"keys": insert.excluded["keys"], "fetched_at": fetched_at}
    tx.execute(insert.on_conflict_do_update(index_elements=["issuer"], set_=values))


def describe(error: PratiqueError) -> str:
    """An error of an issuer as one sentence, for who writes a credential down."""
    return f"{error.message} {error.remedy}".strip()
