"""Who calls, on each plane: what is accepted there, and nothing else.

Registry: bearer tokens for the registry. Management API: bearer tokens for management, or a console session with the
session's token against forgery on everything that changes something. Console: the session alone, with the browser's
own word that the request comes from the console. Basic authentication is taken at the token endpoint only.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from pratique.core.errors import Unauthenticated
from pratique.core.http.plane import HttpScope
from pratique.core.permissions import ANONYMOUS, Caller
from pratique.identity.errors import ForgeryRefused, TokenRefused
from pratique.identity.sessions import COOKIE, SessionService
from pratique.identity.tokens import Tokens
from pratique.identity.types import Audience

FORGERY_HEADER = b"x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class BearerAuthenticator:
    """Accepts bearer tokens of one audience; without one the caller is anonymous; cookies are not looked at."""

    def __init__(self, tokens: Tokens, audience: Audience) -> None:
        self._tokens = tokens
        self._audience = audience

    async def authenticate(self, scope: HttpScope) -> Caller:
        """Return the token's caller, or ANONYMOUS; raise Unauthenticated for anything else that was presented."""
        authorization = _header(scope, b"authorization")
        if not authorization:
            return ANONYMOUS
        return self._tokens.caller(bearer(authorization), self._audience)


class ManagementAuthenticator:
    """Accepts bearer tokens for management, and sessions of the console with proof against forgery."""

    def __init__(self, tokens: Tokens, sessions: SessionService) -> None:
        self._bearer = BearerAuthenticator(tokens, Audience.MANAGEMENT)
        self._sessions = sessions

    async def authenticate(self, scope: HttpScope) -> Caller:
        """Return the caller, or ANONYMOUS; a header wins over a cookie."""
        if _header(scope, b"authorization"):
            return await self._bearer.authenticate(scope)
        cookie = session_cookie(scope)
        if not cookie:
            return ANONYMOUS
        caller = await self._sessions.caller(cookie)
        if scope["method"] not in _SAFE:
            require_same_origin(scope)
            self._sessions.check_forgery_token(caller.session_id or "", _header(scope, FORGERY_HEADER))
        return caller


class ConsoleAuthenticator:
    """Accepts sessions only; one that has ended makes the caller anonymous, so that the sign-in page can be shown.

    A request that changes something must come from the console itself; its handler checks the form's token against
    forgery with `SessionService.check_forgery_token`.
    """

    def __init__(self, sessions: SessionService) -> None:
        self._sessions = sessions

    async def authenticate(self, scope: HttpScope) -> Caller:
        """Return the session's caller, or ANONYMOUS."""
        if scope["method"] not in _SAFE:
            require_same_origin(scope)
        cookie = session_cookie(scope)
        if not cookie:
            return ANONYMOUS
        try:
            return await self._sessions.caller(cookie)
        except TokenRefused:
            return ANONYMOUS


def bearer(authorization: str) -> str:
    """The token of `Bearer …`, or raise Unauthenticated naming what to send."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated(
            "A bearer token is needed here.", remedy="Get one at /oauth2/token; clients do so by themselves."
        )
    return token.strip()


def session_cookie(scope: HttpScope) -> str:
    """The console's cookie, or ''; two of them are none, as nobody can tell which is meant."""
    text = _header(scope, b"cookie")
    if text.count(COOKIE + "=") != 1:
        return ""
    try:
        morsel = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def require_same_origin(scope: HttpScope) -> None:
    """Return, or raise ForgeryRefused when the browser says that another site made the request."""
    site = _header(scope, b"sec-fetch-site")
    origin = _header(scope, b"origin")
    foreign_site = site not in ("", "same-origin")
    foreign_origin = origin not in ("", f"https://{_header(scope, b'host')}")
    if foreign_site or foreign_origin:
        raise ForgeryRefused("The request comes from another site.", remedy="Open the console itself and repeat.")


def cookie_header(value: str, *, lifetime: float) -> str:
    """The Set-Cookie that begins a session in a browser; an empty value ends it."""
    age = int(lifetime) if value else 0
    return f"{COOKIE}={value}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Lax"


def _header(scope: HttpScope, name: bytes) -> str:
    headers: Mapping[bytes, bytes] = scope["pratique.headers"]
    return headers.get(name, b"").decode("latin-1")
