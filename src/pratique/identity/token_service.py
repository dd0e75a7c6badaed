"""The use case behind the token endpoint: who proves what, and which token that gives."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pratique.core.errors import PratiqueError
from pratique.core.permissions import ANONYMOUS, Caller
from pratique.core.telemetry import METRICS
from pratique.identity.access import Access, granted, parse_scopes
from pratique.identity.credential_uses import CredentialUses
from pratique.identity.errors import SignInRefused
from pratique.identity.ground import Ground
from pratique.identity.secrets import EvenRefusals, SecretProofs
from pratique.identity.token_requests import TokenRequest
from pratique.identity.tokens import Tokens
from pratique.identity.types import Audience

_issued = METRICS.counter(
    "pratique_identity_tokens_total", "Tokens issued, by what they are for.", unit="tokens", labels=("service",)
)
_refused = METRICS.counter(
    "pratique_identity_refusals_total", "Requests for a token that were refused, by error.", labels=("code",)
)

_ANONYMOUS_CREDENTIAL = "anonymous"
_CAPABLE: Mapping[str, Any] = {"xms_cc": ["CP1"]}


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """What the token endpoint answers."""

    access_token: str
    refresh_token: str | None
    expires_in: int
    issued_at: int
    access: tuple[Access, ...]

    def __repr__(self) -> str:
        return f"IssuedTokens(access={self.access!r})"


class TokenService:
    """Turns a proof into a token for the part of what was asked for that is granted now.

    - The answer is the same, and so are work and time, whether a name is unknown or a secret is wrong.
    - A token is bounded by what was asked for and granted; each use is checked against the assignments of then.
    """

    def __init__(self, ground: Ground, tokens: Tokens, secrets: SecretProofs, uses: CredentialUses) -> None:
        self._ground = ground
        self._tokens = tokens
        self._secrets = secrets
        self._even = EvenRefusals()
        self._uses = uses

    async def issue(self, request: TokenRequest, address: str) -> IssuedTokens:
        """Answer a request from an address, or raise SignInRefused, LockedOut or Invalid."""
        if request.proof == "refresh" and request.service == Audience.MANAGEMENT:
            raise SignInRefused(
                "A refresh token of the registry gives tokens for the registry alone.",
                remedy="Ask with a client secret, a certificate or a federated credential.",
            )
        wanted = parse_scopes(request.scopes) if request.service != Audience.MANAGEMENT else ()
        began = time.monotonic()
        try:
            caller = self._counted(request, address)
        except PratiqueError:
            await self._even.wait(began)
            raise
        await self._uses.note(caller.credential_id)
        if request.service == Audience.MANAGEMENT:
            return self._management(caller)
        return self._registry(caller, wanted, self._capabilities(request), offline=request.offline)

    async def exchange(self, access_token: str) -> str:
        """Return a refresh token of the registry for the caller of an Entra-shaped access token to the registry.

        It lives three hours as Azure's, and ends with principal and credential; nothing else comes of it than tokens
        for the registry.
        """
        try:
            verified = self._tokens.verify(access_token, Audience.EXCHANGE)
            caller = self._tokens.caller_of(verified)
        except PratiqueError as error:
            _refused.add(1, code=error.code)
            self._ground.audit.count("identity.token.refuse", ANONYMOUS, error.code)
            raise
        _issued.add(1, service="refresh")
        self._ground.audit.count("identity.token.exchange", caller, caller.principal_id)
        more = _CAPABLE if verified.evaluated else {}
        return self._refresh_token(caller, self._ground.settings.exchange_lifetime, more)

    def _refresh_token(self, caller: Caller, lifetime: float, more: Mapping[str, Any]) -> str:
        return self._tokens.issue(
            caller.principal_id, caller.credential_id, Audience.REFRESH, lifetime, access=(), more=more
        )

    def _capabilities(self, request: TokenRequest) -> Mapping[str, Any]:
        """Hand on what the client said when it got the token that it asks with."""
        asked = request.proof == "refresh" and self._tokens.verify(request.secret, Audience.REFRESH).evaluated
        return _CAPABLE if asked else {}

    def _counted(self, request: TokenRequest, address: str) -> Caller:
        try:
            caller = self._prove(request, address)
        except PratiqueError as error:
            _refused.add(1, code=error.code)
            self._ground.audit.count("identity.token.refuse", ANONYMOUS, error.code)
            raise
        _issued.add(1, service="management" if request.service == Audience.MANAGEMENT else "registry")
        self._ground.audit.count("identity.token.issue", caller, caller.principal_id)
        return caller

    def _prove(self, request: TokenRequest, address: str) -> Caller:
        if request.proof == "none":
            return self._anonymous()
        if request.proof == "refresh":
            # Its empty bound says that it is good for nothing itself; what comes of it is bounded by what is asked for.
            return replace(self._tokens.caller(request.secret, Audience.REFRESH), bound=None)
        return self._secrets.prove(request.name, request.secret, address)

    def _anonymous(self) -> Caller:
        if not self._ground.settings.anonymous_pull:
            raise SignInRefused("Signing in is needed.", remedy="Sign in first, for instance: podman login HOST")
        return Caller(ANONYMOUS.principal_id, ANONYMOUS.name, "anonymous", _ANONYMOUS_CREDENTIAL)

    def _registry(
        self, caller: Caller, wanted: tuple[Access, ...], more: Mapping[str, Any], *, offline: bool
    ) -> IssuedTokens:
        authorizer = self._ground.authorizer
        allowed, extent = partial(authorizer.allowed, caller), partial(authorizer.extent, caller)
        parts = (granted(one, allowed, extent) for one in wanted)
        access = tuple(part for part in parts if part is not None)
        refresh = None
        if offline and not caller.is_anonymous:
            refresh = self._refresh_token(caller, self._ground.settings.refresh_lifetime, more)
        life = self._ground.settings.token_lifetime
        token = self._tokens.issue(
            caller.principal_id, caller.credential_id, Audience.REGISTRY, life, access=access, more=more
        )
        return IssuedTokens(token, refresh, int(life), self._ground.clock.now(), access)

    def _management(self, caller: Caller) -> IssuedTokens:
        if caller.is_anonymous:
            raise SignInRefused("The management API is not open to everybody.")
        life = self._ground.settings.management_lifetime
        token = self._tokens.issue(caller.principal_id, caller.credential_id, Audience.MANAGEMENT, life)
        return IssuedTokens(token, None, int(life), self._ground.clock.now(), ())
