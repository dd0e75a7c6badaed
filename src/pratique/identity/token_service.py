"""The use case behind the token endpoint: who proves what, and which token that gives."""

from dataclasses import dataclass, replace

import sqlalchemy as sa

from pratique.core.clock import HOUR
from pratique.core.database import Transaction
from pratique.core.errors import PratiqueError
from pratique.core.permissions import ANONYMOUS, Caller
from pratique.core.telemetry import METRICS
from pratique.identity.access import Access, granted, parse_scopes
from pratique.identity.errors import LockedOut, SignInRefused
from pratique.identity.failures import Failures
from pratique.identity.ground import Ground
from pratique.identity.secrets import matching
from pratique.identity.tables import credentials
from pratique.identity.token_requests import TokenRequest
from pratique.identity.tokens import Tokens
from pratique.identity.types import Audience, PrincipalName

_issued = METRICS.counter(
    "pratique_identity_tokens_total", "Tokens issued, by what they are for.", unit="tokens", labels=("service",)
)
_refused = METRICS.counter(
    "pratique_identity_refusals_total", "Requests for a token that were refused, by error.", labels=("code",)
)

_ANONYMOUS_CREDENTIAL = "anonymous"
_USE_NOTED_EVERY = HOUR


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

    - The answer is the same, and so is the work, whether a name is unknown or a secret is wrong.
    - A right secret is never locked out: it cannot be guessed, so wrong ones only make their sender wait.
    - A token is bounded by what was asked for and granted; each use is checked against the assignments of then.
    """

    def __init__(self, ground: Ground, tokens: Tokens) -> None:
        self._ground = ground
        self._tokens = tokens
        self._failures = Failures(ground.clock)
        self._noted: dict[str, int] = {}

    async def issue(self, request: TokenRequest, address: str) -> IssuedTokens:
        """Answer a request from an address, or raise SignInRefused, LockedOut or Invalid."""
        if request.proof == "refresh" and request.service == Audience.MANAGEMENT:
            raise SignInRefused(
                "A refresh token of the registry gives tokens for the registry alone.",
                remedy="Ask with a client secret, a certificate or a federated credential.",
            )
        wanted = parse_scopes(request.scopes) if request.service != Audience.MANAGEMENT else ()
        caller = self._counted(request, address)
        await self._note_use(caller.credential_id)
        if request.service == Audience.MANAGEMENT:
            return self._management(caller)
        return self._registry(caller, wanted, offline=request.offline)

    async def exchange(self, access_token: str) -> str:
        """Return a refresh token of the registry for the caller of an Entra-shaped access token to the registry.

        It lives three hours as Azure's, and ends with principal and credential; nothing else comes of it than tokens
        for the registry.
        """
        try:
            caller = self._tokens.caller(access_token, Audience.EXCHANGE)
        except PratiqueError as error:
            _refused.add(1, code=error.code)
            self._ground.audit.count("identity.token.refuse", ANONYMOUS, error.code)
            raise
        _issued.add(1, service="refresh")
        self._ground.audit.count("identity.token.exchange", caller, caller.principal_id)
        return self._refresh_token(caller, self._ground.settings.exchange_lifetime)

    def _refresh_token(self, caller: Caller, lifetime: float) -> str:
        return self._tokens.issue(caller.principal_id, caller.credential_id, Audience.REFRESH, lifetime, access=())

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
        name = _canonical(request.name)
        rights = self._ground.memory.named(name)
        credential_id = matching(
            self._ground.keys,
            rights.principal_id if rights else None,
            request.secret,
            rights.proofs if rights else (),
        )
        now = self._ground.clock.now()
        if (
            rights is None
            or credential_id is None
            or not rights.active
            or not rights.holds_credential(credential_id, now)
        ):
            raise self._refused(name, address)
        return Caller(rights.principal_id, rights.name, rights.kind, credential_id)

    def _refused(self, name: str, address: str) -> SignInRefused | LockedOut:
        wait = self._failures.note(name, address)
        if wait:
            return LockedOut("Too many wrong tries.", retry_after=wait, remedy="Check the name and the secret.")
        return SignInRefused(
            "Name and secret do not fit together, or the secret has ended.",
            remedy="An administrator makes a new one with: pratique principal rotate NAME",
        )

    def _anonymous(self) -> Caller:
        if not self._ground.settings.anonymous_pull:
            raise SignInRefused("Signing in is needed.", remedy="Sign in first, for instance: podman login HOST")
        return Caller(ANONYMOUS.principal_id, ANONYMOUS.name, "anonymous", _ANONYMOUS_CREDENTIAL)

    def _registry(self, caller: Caller, wanted: tuple[Access, ...], *, offline: bool) -> IssuedTokens:
        allowed = self._ground.authorizer.allowed
        parts = (granted(one, lambda permission, scope: allowed(caller, permission, scope)) for one in wanted)
        access = tuple(part for part in parts if part is not None)
        refresh = None
        if offline and not caller.is_anonymous:
            refresh = self._refresh_token(caller, self._ground.settings.refresh_lifetime)
        life = self._ground.settings.token_lifetime
        token = self._tokens.issue(caller.principal_id, caller.credential_id, Audience.REGISTRY, life, access=access)
        return IssuedTokens(token, refresh, int(life), self._ground.clock.now(), access)

    def _management(self, caller: Caller) -> IssuedTokens:
        if caller.is_anonymous:
            raise SignInRefused("The management API is not open to everybody.")
        life = self._ground.settings.management_lifetime
        token = self._tokens.issue(caller.principal_id, caller.credential_id, Audience.MANAGEMENT, life)
        return IssuedTokens(token, None, int(life), self._ground.clock.now(), ())

    async def _note_use(self, credential_id: str) -> None:
        """Remember that a credential is in use, at most once an hour: reviews ask for it, no request waits for more."""
        now = self._ground.clock.now()
        if credential_id in ("", _ANONYMOUS_CREDENTIAL) or self._noted.get(credential_id, 0) + _USE_NOTED_EVERY > now:
            return
        if len(self._noted) > 20_000:
            self._noted.clear()
        self._noted[credential_id] = now

        def note(tx: Transaction) -> None:
            tx.execute(sa.update(credentials).where(credentials.c.id == credential_id).values(last_used_at=tx.now))

        await self._ground.database.write_async(note)


def _canonical(name: str) -> str:
    try:
        return PrincipalName.parse(name).text
    except Exception:  # noqa: BLE001 - what is no name at all is answered like an unknown one
        return "?"
