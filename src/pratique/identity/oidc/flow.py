"""The authorization code flow with PKCE, state and nonce (OpenID Connect Core 1.0, section 3.1; RFC 9700).

- Nothing is stored before somebody comes back: state, nonce and verifier wait sealed in a cookie of the one browser
  that left, bound to the one provider it left for, for ten minutes.
- An answer counts only with that cookie, that state, from that provider (its own callback address, its `iss` where it
  sends one, the issuer of the token), and once.
- Of the ID token: signature by a key of the issuer, issuer, audience, authorized party, nonce, times. The algorithm
  is one that the key is for; none and symmetric ones are not known here.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from anyio import to_thread

from pratique.core.clock import MINUTE, Clock
from pratique.core.database import Database
from pratique.core.errors import PratiqueError
from pratique.core.outward import OutwardClient, OutwardUnavailable
from pratique.core.sealed import SealedColumns
from pratique.identity.errors import SignInRefused
from pratique.identity.federation import assertions
from pratique.identity.federation.issuers import Issuers
from pratique.identity.oidc.discovery import BOUNDS, Discovery
from pratique.identity.oidc.providers import Providers
from pratique.identity.oidc.types import Beginning, Claims, Endpoints, Person, Provider

LIFE = 10 * MINUTE
_MAX_GROUPS = 1000
_MAX_TEXT = 255
_MAX_COOKIE = 3500


class _Waiting(msgspec.Struct, frozen=True):
    """What a browser keeps while it is away."""

    provider: str
    state: str
    nonce: str
    verifier: str
    following: str
    until: int


@dataclass(frozen=True, slots=True)
class Returned:
    """Somebody who came back and proved who they are at the provider."""

    provider: Provider
    person: Person
    following: str
    state: str


class Flow:
    """Leads browsers to a provider, and takes them back."""

    def __init__(
        self,
        database: Database,
        sealed: SealedColumns,
        clock: Clock,
        *,
        providers: Providers,
        discovery: Discovery,
        issuers: Issuers,
        outward: OutwardClient,
    ) -> None:
        self._database = database
        self._sealed = sealed
        self._clock = clock
        self._providers = providers
        self._discovery = discovery
        self._issuers = issuers
        self._outward = outward

    async def begin(self, provider_id: str, callback: str, following: str) -> Beginning:
        """Return where to send the browser; raises ProviderNotFound, SignInRefused or what the provider's fault is."""
        provider = await self._provider(provider_id)
        endpoints = await to_thread.run_sync(self._discovery.endpoints, provider.issuer)
        waiting = _Waiting(provider.id, _random(), _random(), _random(), following[:1000], self._clock.now() + LIFE)
        asked = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": callback,
            "scope": " ".join(provider.scopes),
            "state": waiting.state,
            "nonce": waiting.nonce,
            "code_challenge": _challenge(waiting.verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in endpoints.authorization else "?"
        return Beginning(endpoints.authorization + joint + urlencode(asked), self._seal(waiting))

    async def finish(self, provider_id: str, callback: str, cookie: str, answer: Mapping[str, str]) -> Returned:
        """Return who came back, or raise SignInRefused; the answer's code is used up."""
        provider = await self._provider(provider_id)
        waiting = self._open(cookie, provider)
        endpoints = await to_thread.run_sync(self._discovery.endpoints, provider.issuer)
        code = _checked_answer(answer, waiting, provider, endpoints)
        secret = await self._database.read_async(lambda tx: self._providers.secret(tx, provider))
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "code_verifier": waiting.verifier,
        }
        told = await to_thread.run_sync(self._exchange, provider, endpoints, secret, form)
        claims = await self._id_token(provider, told, waiting.nonce)
        more = await to_thread.run_sync(self._userinfo, endpoints, told, claims)
        return Returned(provider, person_of({**more, **claims}, provider), waiting.following, waiting.state)

    async def leaving(self, provider_id: str, back: str) -> str:
        """Return where somebody signs out at the provider too, or ''."""
        try:
            provider = await self._provider(provider_id)
            endpoints = await to_thread.run_sync(self._discovery.endpoints, provider.issuer)
        except PratiqueError:
            return ""
        if not endpoints.end_session:
            return ""
        joint = "&" if "?" in endpoints.end_session else "?"
        asked = {"client_id": provider.client_id, "post_logout_redirect_uri": back}
        return endpoints.end_session + joint + urlencode(asked)

    async def _provider(self, provider_id: str) -> Provider:
        provider = await self._database.read_async(lambda tx: self._providers.get(tx, provider_id))
        if not provider.enabled:
            raise SignInRefused(f"Nobody signs in through {provider.title} now.", remedy="Use another way.")
        return provider

    def _seal(self, waiting: _Waiting) -> str:
        sealed = self._sealed.seal("sign_in", waiting.provider, "flow", msgspec.json.encode(waiting))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def _open(self, cookie: str, provider: Provider) -> _Waiting:
        try:
            if not 0 < len(cookie) <= _MAX_COOKIE:
                raise _lost()
            sealed = base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
            waiting = msgspec.json.decode(self._sealed.open("sign_in", provider.id, "flow", sealed), type=_Waiting)
        except (ValueError, PratiqueError):
            raise _lost() from None
        if waiting.provider != provider.id or waiting.until <= self._clock.now():
            raise _lost()
        return waiting

    def _exchange(self, provider: Provider, endpoints: Endpoints, secret: str, form: dict[str, str]) -> Claims:
        hidden: dict[str, str] = {}
        if not secret or endpoints.secret_in_body:
            form = form | {"client_id": provider.client_id} | ({"client_secret": secret} if secret else {})
        else:
            # RFC 6749, section 2.3.1: both parts are encoded as in a form before they are joined.
            pair = "&".join((urlencode({"": provider.client_id})[1:], urlencode({"": secret})[1:])).replace("&", ":", 1)
            hidden = {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        document = self._outward.fetch(
            endpoints.token,
            method="POST",
            headers={"accept": "application/json", "content-type": "application/x-www-form-urlencoded"},
            secrets=hidden,
            content=urlencode(form).encode(),
            bounds=BOUNDS,
        )
        told = document.json() if document.status in (200, 400, 401) else None
        if document.status != 200 or not isinstance(told, dict) or not isinstance(told.get("id_token"), str):
            why = told.get("error", "") if isinstance(told, dict) else ""
            raise SignInRefused(
                f"{provider.title} did not confirm the sign-in{_said(why)}.",
                remedy="Try again; if it stays so, an administrator checks client id and secret.",
            )
        return told

    async def _id_token(self, provider: Provider, told: Claims, nonce: str) -> Claims:
        assertion = assertions.opened(told["id_token"])
        if assertion.text("iss") != provider.issuer:
            raise _forged("another issuer")
        try:
            keys = await self._issuers.keys(provider.issuer, assertion.key_id)
        except OutwardUnavailable as error:
            raise SignInRefused(f"The keys of {provider.title} cannot be had.", remedy=error.remedy) from None
        assertions.verify(assertion, keys, self._clock.now())
        if provider.client_id not in assertion.audiences:
            raise _forged("another audience")
        if len(assertion.audiences) > 1 and assertion.text("azp") != provider.client_id:
            raise _forged("another authorized party")
        if assertion.text("azp") not in ("", provider.client_id):
            raise _forged("another authorized party")
        if not hmac.compare_digest(assertion.text("nonce").encode(), nonce.encode()):
            raise _forged("another sign-in")
        if not assertion.text("sub"):
            raise _forged("nobody")
        return assertion.claims

    def _userinfo(self, endpoints: Endpoints, told: Claims, claims: Claims) -> Claims:
        """Return what the provider says besides, of the very same subject; nothing where it says nothing."""
        token = told.get("access_token")
        if not endpoints.userinfo or not isinstance(token, str) or not token.isascii():
            return {}
        document = self._outward.fetch(
            endpoints.userinfo,
            headers={"accept": "application/json"},
            secrets={"authorization": f"Bearer {token}"},
            bounds=BOUNDS,
        )
        if document.status != 200 or "json" not in document.headers.get("content-type", ""):
            return {}
        more = document.json()
        if not isinstance(more, dict) or more.get("sub") != claims.get("sub"):
            raise _forged("another person")
        return more


def person_of(claims: Claims, provider: Provider) -> Person:
    """Read what matters from claims; what is of the wrong kind counts as not there."""
    email = claims.get("email")
    verified = claims.get("email_verified") is True
    groups = claims.get(provider.group_claim)
    if isinstance(groups, str):
        groups = [groups]
    listed = groups[:_MAX_GROUPS] if isinstance(groups, list) else []
    name = claims.get("name")
    return Person(
        subject=str(claims["sub"])[:_MAX_TEXT],
        email=email.lower()[:_MAX_TEXT] if verified and isinstance(email, str) and email.isascii() else "",
        name=" ".join(name.split())[:100] if isinstance(name, str) else "",
        groups=tuple(dict.fromkeys(one for one in listed if isinstance(one, str) and 0 < len(one) <= _MAX_TEXT)),
    )


def _checked_answer(answer: Mapping[str, str], waiting: _Waiting, provider: Provider, endpoints: Endpoints) -> str:
    state = answer.get("state", "")
    if not hmac.compare_digest(state.encode("utf-8", "replace"), waiting.state.encode()):
        raise _lost()
    issuer = answer.get("iss", "")
    if (issuer or endpoints.names_itself) and issuer != provider.issuer:
        raise _forged("another issuer")
    if answer.get("error"):
        raise SignInRefused(
            f"{provider.title} did not sign you in{_said(answer['error'])}.", remedy="Try again, or use another way."
        )
    code = answer.get("code", "")
    if not 0 < len(code) <= 4096:
        raise _lost()
    return code


def _said(error: Any) -> str:
    """An error code of RFC 6749 in brackets; any other text is not repeated to anybody."""
    plain = isinstance(error, str) and 0 < len(error) < 60 and error.replace("_", "").isascii()
    return f" ({error})" if plain and error.replace("_", "").isalpha() else ""


def _random() -> str:
    return secrets.token_urlsafe(32)


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _lost() -> SignInRefused:
    return SignInRefused("That sign-in was not begun in this browser, or took too long.", remedy="Begin again.")


def _forged(what: str) -> SignInRefused:
    return SignInRefused(f"The answer is for {what}.", remedy="Begin again.")
