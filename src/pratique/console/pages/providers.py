"""Sign-in through OpenID Connect providers: the way there, and the way back.

Both are plain GETs of the browser: a provider sends people back from another site, so what counts is the sealed cookie
of the browser that left, not where the request comes from.
"""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pratique.console import addresses
from pratique.console.pages.desk import Desk
from pratique.console.pages.sign_in import WRONG, seen, sign_in_form, signed_in
from pratique.core.errors import PratiqueError, Unavailable
from pratique.core.http.plane import caller_of

COOKIE = "__Host-provider"
_LIFE = 600
_FIELDS = ("code", "error", "iss", "state")


class ProviderPages:
    """Leads browsers to providers, and begins a session for those who come back."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._identity = desk.parts.identity

    def routes(self) -> list[Route]:
        return [
            Route("/sign-in/provider/{provider:str}", self.leave),
            Route("/sign-in/provider/{provider:str}/callback", self.come_back),
        ]

    async def leave(self, request: Request) -> Response:
        """Send the browser to the provider; whoever is signed in already goes on."""
        wanted = addresses.safe_next(request.query_params.get("next", ""))
        if caller_of(request.scope).session_id:
            return RedirectResponse(wanted, 303)
        provider = request.path_params["provider"]
        try:
            beginning = await self._identity.flow.begin(provider, callback_of(request, provider), wanted)
        except (*WRONG, Unavailable) as error:
            return await self._refused(request, error, wanted)
        answer = RedirectResponse(beginning.address, 303)
        answer.set_cookie(COOKIE, beginning.cookie, max_age=_LIFE, path="/", secure=True, httponly=True, samesite="lax")
        return answer

    async def come_back(self, request: Request) -> Response:
        """Begin a session for whoever proved who they are at the provider; the cookie of the way there ends."""
        provider, cookie = request.path_params["provider"], request.cookies.get(COOKIE, "")
        address, agent = seen(request)
        try:
            returned = await self._identity.flow.finish(provider, callback_of(request, provider), cookie, once(request))
            session = await self._identity.database.write_async(
                lambda tx: self._identity.entering.enter(tx, returned, address=address, agent=agent)
            )
        except (*WRONG, Unavailable) as error:
            answer = await self._refused(request, error, addresses.START)
        else:
            answer = signed_in(session, addresses.safe_next(returned.following))
        answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        return answer

    async def _refused(self, request: Request, error: PratiqueError, wanted: str) -> Response:
        return await sign_in_form(self._desk, request, wanted, error=error)


def callback_of(request: Request, provider: str) -> str:
    """The address that the provider sends people back to: on the host that the browser asked, which was accepted."""
    return f"https://{request.headers.get('host', '')}/sign-in/provider/{provider}/callback"


def once(request: Request) -> dict[str, str]:
    """The fields of an answer; one that stands twice is none, as nobody can tell which is meant."""
    found = {}
    for name in _FIELDS:
        values = request.query_params.getlist(name)
        found[name] = values[0] if len(values) == 1 else ""
    return found
