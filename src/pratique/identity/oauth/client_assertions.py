"""private_key_jwt (RFC 7523): a client signs for itself with the key of a certificate that is written down here.

The assertion names its certificate by thumbprint (`x5t#S256`, or `x5t` as older clients), is for this very endpoint,
and is used once: its `jti` is remembered until it ends.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import HOUR, Clock
from pratique.core.database import Database, Transaction
from pratique.core.sealed import associated_data
from pratique.identity.certificates import ClientCertificate, held_certificates
from pratique.identity.federation.assertions import SKEW, Unverified, refused, verify
from pratique.identity.oauth.requests import Place
from pratique.identity.oauth.tables import spent_assertions

_MAX_JTI = 200
_MAX_LIFE = HOUR
_PATHS = ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0")


class ClientAssertions:
    """Proves a client by an assertion that it signed."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def prove(self, principal_id: str | None, assertion: Unverified, place: Place) -> str:
        """Return the id of the credential, or raise ClientRefused."""
        held = await self._database.read_async(lambda tx: held_certificates(tx, principal_id or ""))
        certificate = _named(held, assertion.header)
        if certificate is None:
            raise refused("There is no such client, or it has no certificate with the thumbprint in the assertion.")
        now = self._clock.now()
        if certificate.x509.not_valid_before_utc.timestamp() * 1e6 > now:
            raise refused("The certificate does not hold yet.")
        verify(assertion, [certificate.key], now)
        _check_audience(assertion, place)
        await self._spend(certificate, assertion, now)
        return certificate.credential.id

    async def _spend(self, certificate: ClientCertificate, assertion: Unverified, now: int) -> None:
        jti = assertion.text("jti")
        if not jti or len(jti) > _MAX_JTI:
            raise refused("The assertion has no id of its own (jti).")
        ends = int(float(assertion.claims["exp"]) * 1e6) + SKEW
        if ends > now + _MAX_LIFE + SKEW:
            raise refused("The assertion lives for more than an hour.", "Make it shorter: ten minutes are plenty.")
        key = hashlib.sha256(associated_data([certificate.credential.principal_id, jti])).hexdigest()
        if not await self._database.write_async(lambda tx: _spent_now(tx, key, ends)):
            raise refused("The assertion was used before.", "Sign a new one for each request.")


def _spent_now(tx: Transaction, key: str, ends: int) -> bool:
    tx.execute(sa.delete(spent_assertions).where(spent_assertions.c.expires_at < tx.now))
    insert = tx.insert(spent_assertions).values(key=key, expires_at=ends)
    return bool(tx.execute(insert.on_conflict_do_nothing(index_elements=["key"])).rowcount)


def _named(held: Iterable[ClientCertificate], header: Mapping[str, Any]) -> ClientCertificate | None:
    thumbprints = [_thumbprint(header.get("x5t#S256"), 32), _thumbprint(header.get("x5t"), 20)]
    given = [thumbprint for thumbprint in thumbprints if thumbprint]
    if not given:
        return None
    # Whoever names a certificate twice must mean the same one.
    fitting = [one for one in held if all(one.is_named(thumbprint) for thumbprint in given)]
    return fitting[0] if fitting else None


def _thumbprint(value: Any, length: int) -> bytes:
    if not isinstance(value, str) or len(value) > 64:
        return b""
    try:
        data = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except ValueError:
        return b""
    return data if len(data) == length else b"?"


def _check_audience(assertion: Unverified, place: Place) -> None:
    """The assertion must be for one of this host's endpoints for this tenant, and for nobody else beside."""
    own = {place.url(path) for path in _PATHS}
    audiences = assertion.audiences
    if len(audiences) != 1 or audiences[0] not in own:
        raise refused(f"The assertion is for {', '.join(audiences)[:200]!r}.", f"Make it for {place.url(_PATHS[0])}.")
