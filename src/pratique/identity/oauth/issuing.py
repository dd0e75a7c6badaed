"""What the token endpoint answers: an access token for one resource, and for people what their client keeps."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from pratique.core.clock import SECOND
from pratique.core.permissions import Caller
from pratique.core.telemetry import METRICS
from pratique.identity.ground import Ground
from pratique.identity.oauth import discovery
from pratique.identity.oauth.requests import GrantRequest, Place
from pratique.identity.oauth.resources import Wanted
from pratique.identity.tokens import Tokens
from pratique.identity.types import Audience

_issued = METRICS.counter(
    "pratique_identity_grants_total", "Tokens of the Entra-shaped endpoints, by grant and audience.", unit="tokens",
    labels=("grant", "audience"),
)  # fmt: skip
# An exchange token admits nothing itself; what the others may do is decided by the assignments of their use.
_UNBOUND = frozenset({Audience.MANAGEMENT, Audience.VAULT})


class Issuing:
    """Makes answers of tokens."""

    def __init__(self, ground: Ground, tokens: Tokens) -> None:
        self._settings = ground.settings
        self._clock = ground.clock
        self._audit = ground.audit
        self._tokens = tokens

    def answer(
        self, caller: Caller, want: Wanted, request: GrantRequest, *, grant: str, actor: Caller | None = None
    ) -> dict[str, Any]:
        """Return an access token of a caller for what is wanted, as the client's version of the protocol has it."""
        life = self._lifetime(want.audience)
        more: dict[str, Any] = {
            "tid": self._tokens.installation,
            "oid": caller.principal_id,
            "appid": request.get("client_id")[:128] if caller.kind == "user" else caller.principal_id,
            "idtyp": "user" if caller.kind == "user" else "app",
            "ver": "1.0" if request.first_version else "2.0",
        }
        if request.understands_revocation:
            more["xms_cc"] = ["CP1"]
        if actor is not None:
            more["act"] = {"sub": actor.principal_id}
        token = self._tokens.issue(
            caller.principal_id,
            caller.credential_id,
            want.audience,
            life,
            access=None if want.audience in _UNBOUND else (),
            resource=want.resource,
            more=more,
        )
        _issued.add(1, grant=grant, audience=want.audience.value)
        self._audit.count("identity.token.issue", caller, caller.principal_id)
        return self._shaped(token, int(life), want, first_version=request.first_version)

    def _lifetime(self, audience: Audience) -> float:
        settings = self._settings
        return settings.management_lifetime if audience is Audience.MANAGEMENT else settings.token_lifetime

    def _shaped(self, token: str, life: int, want: Wanted, *, first_version: bool) -> dict[str, Any]:
        now = self._clock.now() // SECOND
        if first_version:
            return {
                "token_type": "Bearer",
                "expires_in": str(life),
                "ext_expires_in": str(life),
                "expires_on": str(now + life),
                "not_before": str(now),
                "resource": want.resource,
                "access_token": token,
            }
        answer = {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token}
        return answer | {"scope": f"{want.resource}/.default"}

    def refresh_token(self, caller: Caller, client_id: str, generation: int, ends: int) -> str:
        """Return the refresh token of a sign-in; good for one use, at the token endpoint alone."""
        life = max(1.0, (ends - self._clock.now()) / SECOND)
        more = {"appid": client_id, "gen": generation}
        return self._tokens.issue(
            caller.principal_id, caller.credential_id, Audience.SIGN_IN, life, access=(), more=more
        )

    def identity_token(self, caller: Caller, client_id: str, place: Place, *, version: str, nonce: str) -> str:
        """Return an OpenID identity token: it tells the client who signed in and is good for nothing here.

        Its issuer is an address and its audience the client, so no plane of this installation takes it.
        """
        now = self._clock.now() // SECOND
        claims: dict[str, Any] = {
            "iss": discovery.issuer(place, version=version),
            "aud": client_id,
            "sub": caller.principal_id,
            "oid": caller.principal_id,
            "tid": self._tokens.installation,
            "name": caller.name,
            "preferred_username": caller.name,
            "upn": caller.name,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
            "ver": "2.0",
        }
        return self._tokens.signed(claims | ({"nonce": nonce} if nonce else {}))

    def client_info(self, caller: Caller) -> str:
        """What Azure's clients name an account by."""
        value: Mapping[str, str] = {"uid": caller.principal_id, "utid": self._tokens.installation}
        return base64.urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()
