"""Assertions: signed tokens of others, opened twice. First to see who speaks, then with the keys of that one.

- The algorithm must be asymmetric and one that the chosen key's kind verifies.
- Of the header only `alg`, `kid` and certificate thumbprints are looked at; addresses and keys in it are not followed,
  and a header that asks for extensions (`crit`) is refused.
- Times are checked against this installation's clock, with five minutes for clocks that differ; `exp` is required and
  a token that claims to live for more than a day is refused.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt.exceptions import PyJWTError

from pratique.core.clock import DAY, SECOND
from pratique.identity.federation.keysets import ALGORITHMS, VerificationKey, algorithms_of
from pratique.identity.oauth.errors import ClientRefused

MAX_LENGTH = 16 * 1024
SKEW = 300 * SECOND
_MAX_LIFE = DAY + SKEW
_MAX_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Unverified:
    """What an assertion says of itself, before anything of it is believed."""

    token: str = field(repr=False)
    header: Mapping[str, Any]
    claims: Mapping[str, Any] = field(repr=False)

    def text(self, name: str) -> str:
        """A claim that is a text, or ''."""
        value = self.claims.get(name)
        return value if isinstance(value, str) and len(value) <= _MAX_TEXT else ""

    @property
    def key_id(self) -> str | None:
        value = self.header.get("kid")
        return value if isinstance(value, str) else None

    @property
    def audiences(self) -> tuple[str, ...]:
        value = self.claims.get("aud")
        values = value if isinstance(value, list) else [value]
        return tuple(each for each in values if isinstance(each, str))


def opened(token: str) -> Unverified:
    """Take an assertion apart, or raise ClientRefused for what is none or asks for what is not done here."""
    parts = token.split(".")
    if len(token) > MAX_LENGTH or not token.isascii() or len(parts) != 3:
        raise refused("The assertion cannot be read.")
    header, claims = (_object(part) for part in parts[:2])
    if str(header.get("alg")) not in ALGORITHMS or "crit" in header or "b64" in header:
        raise refused("The assertion is signed in a way that is not taken here.", "Sign it with PS256, RS256 or ES256.")
    return Unverified(token, header, claims)


def verify(assertion: Unverified, keys: Iterable[VerificationKey], now: int) -> None:
    """Return when one of the keys verifies the assertion and its times hold; else raise ClientRefused."""
    algorithm = str(assertion.header["alg"])
    if not any(_verifies(assertion.token, algorithm, key) for key in keys if algorithm in algorithms_of(key)):
        raise refused("The signature of the assertion does not verify.")
    _check_times(assertion, now)


def _verifies(token: str, algorithm: str, key: VerificationKey) -> bool:
    try:
        jwt.PyJWS(algorithms=[algorithm]).decode(token, key, algorithms=[algorithm])
    except (PyJWTError, ValueError, TypeError):
        return False
    return True


def _check_times(assertion: Unverified, now: int) -> None:
    claims = assertion.claims
    expires, starts, made = (_instant(claims.get(name)) for name in ("exp", "nbf", "iat"))
    if expires is None:
        raise refused("The assertion has no end.")
    if expires + SKEW <= now:
        raise refused("The assertion has expired.")
    if expires > now + _MAX_LIFE or expires - (made if made is not None else expires) > _MAX_LIFE:
        raise refused("The assertion lives for more than a day.", "Make it shorter: ten minutes are plenty.")
    if any(instant is not None and instant > now + SKEW for instant in (starts, made)):
        raise refused("The assertion does not hold yet.", "Set the clock of the machine that signed it.")


def _instant(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise refused("The assertion's times cannot be read.")
    return int(value * SECOND)


def _object(part: str) -> Mapping[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), object_pairs_hook=_once)
    except (ValueError, RecursionError):  # of base64, of UTF-8, of JSON, and names that stand twice
        raise refused("The assertion cannot be read.") from None
    if not isinstance(value, dict):
        raise refused("The assertion cannot be read.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that stands twice: two readers could take different values."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError
    return made


def refused(message: str, remedy: str = "") -> ClientRefused:
    return ClientRefused(message, remedy=remedy)
