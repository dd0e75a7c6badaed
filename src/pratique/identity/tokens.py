"""Issues and verifies the tokens of this installation.

A token proves who asks and bounds what for; it grants nothing. What was verified once is remembered by the token's
SHA-256 until it ends, and whether principal and credential still stand is looked at each time. Tokens that are only
good for getting other tokens carry a type of their own in their header, and an empty bound.
"""

import hashlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.exceptions import PyJWTError

from pratique.core.clock import SECOND, Clock
from pratique.core.errors import Invalid
from pratique.core.ids import new_id
from pratique.core.keys.tokens import compact, issuer_of
from pratique.core.keys.types import KeyClient, Purpose
from pratique.core.permissions import Bound, Caller
from pratique.identity.access import Access, bounds_of
from pratique.identity.audiences import Audiences
from pratique.identity.errors import TokenRefused, TokenRevoked
from pratique.identity.oauth.challenges import claims_from
from pratique.identity.rights import RightsMemory
from pratique.identity.types import Audience

MAX_LENGTH = 16 * 1024
_REMEMBERED = 10_000
_KEYS_LIFE = 60 * SECOND
_PAUSE = SECOND // 50
_REQUIRED = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cid"]
_TYPES: Mapping[Audience, str] = {Audience.REFRESH: "refresh+jwt", Audience.SIGN_IN: "sign-in+jwt"}
_TYPE = "JWT"
_SKEW = 5 * SECOND
"""Clocks of the installation's own machines may differ by this much."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The claims of a token whose signature, issuer, audience and times hold."""

    subject: str
    credential_id: str
    audience: Audience
    issued_at: int
    expires_at: int
    bound: tuple[Bound, ...] | None
    actor: str | None = None
    """Who got the token for its subject, for as long as that one may act at all."""
    evaluated: bool = False
    """The client understands that a token ends before its time, and asks for a new one when told so."""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)


class VerificationKeys:
    """The public keys for tokens, by id; asked again for an id that is not known, at most fifty times a second."""

    def __init__(self, keys: KeyClient, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._known: dict[str, ec.EllipticCurvePublicKey] = {}
        self._asked = 0
        self.active = ""

    def get(self, key_id: str) -> ec.EllipticCurvePublicKey | None:
        age = self._clock.now() - self._asked
        if age > _KEYS_LIFE or (key_id not in self._known and age > _PAUSE):
            self.refresh()
        return self._known.get(key_id)

    def refresh(self) -> None:
        """Ask the key process."""
        found = self._keys.public_keys(Purpose.TOKEN)
        self._known = {key.key_id: _loaded(key.jwk) for key in found}
        self.active = found[0].key_id
        self._asked = self._clock.now()


def _loaded(jwk: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    key = jwt.PyJWK(dict(jwk), algorithm="ES256").key
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TokenRefused("A key for tokens is of another kind.")
    return key


def _evaluated(claims: Mapping[str, Any]) -> bool:
    return "CP1" in claims.get("xms_cc", ())


class Tokens:
    """Issues tokens through the key process and verifies them without it; safe on any thread."""

    def __init__(self, keys: KeyClient, memory: RightsMemory, clock: Clock, audiences: Audiences | None = None) -> None:
        self._keys = keys
        self._memory = memory
        self._audiences = audiences or Audiences()
        self._clock = clock
        self._installation = keys.installation()
        self._issuer = issuer_of(self._installation)
        self._verification = VerificationKeys(keys, clock)
        self._remembered: dict[bytes, Verified] = {}
        self._lock = threading.Lock()
        self._floor = memory.floor()

    @property
    def issuer(self) -> str:
        """The `iss` of every token."""
        return self._issuer

    @property
    def installation(self) -> str:
        """The id of this installation, which Azure's clients call the tenant."""
        return self._installation

    def issue(
        self,
        subject: str,
        credential_id: str,
        audience: Audience,
        lifetime: float,
        *,
        access: Iterable[Access] | None = None,
        resource: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """Return a signed token for a principal proved by a credential; without `access` it has no bound.

        `resource` stands in `aud` in place of our own word; it must be one that the table of audiences gives back.
        """
        now = self._clock.now() // SECOND
        claims: dict[str, Any] = {
            **(more or {}),
            "iss": self._issuer,
            "sub": subject,
            "aud": resource or audience.value,
            "exp": now + int(lifetime),
            "nbf": now,
            "iat": max(now, self._holds_from(subject)),
            "jti": new_id(),
            "cid": credential_id,
        }
        if access is not None:
            claims["access"] = [entry.as_claim() for entry in access]
        return self.signed(claims, _TYPES.get(audience, _TYPE))

    def _holds_from(self, subject: str) -> int:
        """Return the second before which its tokens were revoked: one asked for in the rest of that second is new."""
        rights = self._memory.of(subject)
        return max(self._memory.floor(), rights.tokens_from if rights else 0) // SECOND

    def signed(self, claims: Mapping[str, Any], typ: str = _TYPE) -> str:
        """Return claims signed by the active key; for tokens that this installation does not take itself."""
        from pratique.core.keys.errors import KeyUseRefused

        if not self._verification.active:
            self._verification.refresh()
        try:
            return self._compact(claims, typ)
        except KeyUseRefused:  # rotated since it was asked
            self._verification.refresh()
            return self._compact(claims, typ)

    def _compact(self, claims: Mapping[str, Any], typ: str) -> str:
        key_id = self._verification.active
        return compact(key_id, claims, lambda message: self._keys.sign(Purpose.TOKEN, message, key_id=key_id), typ=typ)

    def caller(self, token: str, audience: Audience) -> Caller:
        """Return who presents the token, or raise TokenRefused; a few microseconds when it was seen before."""
        return self.caller_of(self.verify(token, audience))

    def caller_of(self, verified: Verified) -> Caller:
        """Return who a verified token stands for, or raise TokenRevoked when something it hangs on is no more."""
        rights = self._memory.of(verified.subject)
        again = claims_from(self._clock.now()) if verified.evaluated else ""
        floor = self._memory.floor()
        if rights is None or not rights.active or verified.issued_at * SECOND < max(rights.tokens_from, floor):
            raise TokenRevoked("The token's principal is disabled or gone, or its tokens were revoked.", claims=again)
        if not rights.holds_credential(verified.credential_id, self._clock.now()):
            raise TokenRevoked("The credential that the token came from was revoked or has ended.", claims=again)
        if verified.actor is not None and not self._acts(verified.actor):
            raise TokenRevoked("Who got the token for its principal may not act any more.", claims=again)
        return Caller(
            principal_id=rights.principal_id,
            name=rights.name,
            kind=rights.kind,
            credential_id=verified.credential_id,
            bound=verified.bound,
        )

    def _acts(self, principal_id: str) -> bool:
        rights = self._memory.of(principal_id)
        return rights is not None and rights.active

    def verify(self, token: str, audience: Audience) -> Verified:
        """Return the token's claims when it is whole, of this installation, of now and for this audience."""
        self._look_at_the_floor()
        if len(token) > MAX_LENGTH or not token.isascii():
            raise TokenRefused("This is not a token.")
        key = hashlib.sha256(token.encode()).digest()
        verified = self._remembered.get(key)
        if verified is None:
            verified = self._verify(token)
            self._remember(key, verified)
        elif verified.expires_at <= self._clock.now():
            raise TokenRefused("The token has ended.", remedy="Ask for a new one.")
        if verified.audience is not audience:
            raise TokenRefused(f"The token is for {verified.audience}, not for {audience}.")
        return verified

    def _look_at_the_floor(self) -> None:
        """Forget what was verified when everything issued so far was revoked: its keys may be gone."""
        floor = self._memory.floor()
        if floor != self._floor:
            with self._lock:
                self._remembered, self._floor = {}, floor
            self._verification.refresh()

    def _verify(self, token: str) -> Verified:
        try:
            header = jwt.get_unverified_header(token)
            key = self._key_for(token, header)
            claims = jwt.decode(
                token,
                key,
                algorithms=["ES256"],
                issuer=self._issuer,
                # Times and audience are checked below against this installation's clock and table.
                options={
                    "require": _REQUIRED,
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            return self._of_now(claims, header["typ"])
        except (PyJWTError, Invalid, ValueError, KeyError, TypeError, AttributeError):
            raise TokenRefused("The token does not verify.", remedy="Ask for a new one.") from None

    def _key_for(self, token: str, header: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
        # The header chooses among our own keys and nothing else: no algorithm, no key, no address comes from it.
        if set(header) != {"alg", "typ", "kid"} or header["alg"] != "ES256":
            raise TokenRefused("The token does not verify.", remedy="Ask for a new one.")
        key = self._verification.get(header["kid"]) if isinstance(header["kid"], str) else None
        if key is None:
            # After a theft the keys are forgotten. What the token says of its client is not known to be true then, and
            # decides no more than whether the refusal tells it to ask again.
            claims = jwt.decode(token, options={"verify_signature": False})
            again = claims_from(self._clock.now()) if _evaluated(claims) else ""
            raise TokenRevoked(
                "The token was signed by another installation, or by a key that has gone.", claims=again, remedy=""
            )
        return key

    def _of_now(self, claims: Mapping[str, Any], typ: str) -> Verified:
        now = self._clock.now()
        starts, ends = int(claims["nbf"]) * SECOND, int(claims["exp"]) * SECOND
        if not starts <= now < ends or int(claims["iat"]) * SECOND > now + _SKEW:
            raise TokenRefused("The token has ended or does not hold yet.", remedy="Ask for a new one.")
        audience = self._audiences.of(claims["aud"]) if isinstance(claims["aud"], str) else None
        if audience is None or typ != _TYPES.get(audience, _TYPE):
            raise TokenRefused("The token is for something that is not here.", remedy="Ask for a new one.")
        access = claims.get("access")
        return Verified(
            subject=str(claims["sub"]),
            credential_id=str(claims["cid"]),
            audience=audience,
            issued_at=int(claims["iat"]),
            expires_at=ends,
            bound=None if access is None else bounds_of(access),
            actor=claims["act"]["sub"] if "act" in claims else None,
            evaluated=_evaluated(claims),
            claims=claims,
        )

    def _remember(self, key: bytes, verified: Verified) -> None:
        with self._lock:
            if len(self._remembered) >= _REMEMBERED:
                now = self._clock.now()
                self._remembered = {k: v for k, v in self._remembered.items() if v.expires_at > now}
                if len(self._remembered) >= _REMEMBERED:
                    self._remembered = {}
            self._remembered[key] = verified
