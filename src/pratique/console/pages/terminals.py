"""Sign-in of programs by a person in the console: with a code from another machine, or for a program on this one.

Nothing happens by an address alone: the person types the code, sees who asks for what and from where, and says yes.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console import forms
from pratique.console.pages.desk import Desk, see_other
from pratique.core.errors import Denied, PratiqueError
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Caller
from pratique.identity.oauth.authorizations import Authorization

_FIELDS = (
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
)
_MAX = 2048


class TerminalPages:
    """Pages on which a person lets a program sign in as them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._machines = desk.parts.identity.machines

    def routes(self) -> list[Route]:
        return [
            Route("/device", self.ask),
            Route("/device", self.show, methods=["POST"]),
            Route("/device/decide", self.decide, methods=["POST"]),
            Route("/account/programs", self.programs),
            Route("/account/programs/{id:str}/end", self.end, methods=["POST"]),
            Route("/authorize", self.authorize),
            Route("/authorize", self.approve, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """Ask for the code; an address that carries one is not looked at."""
        _person(request)
        return self._asking(request)

    async def show(self, request: Request) -> Response:
        """Show who waits behind a code, and ask whether that is meant."""
        person = _person(request)
        form = await self._desk.csrf.checked(request)
        code = forms.text(form, "code", 40)
        try:
            found = await self._machines.devices.look(person, code, _address(request))
        except PratiqueError as error:
            return self._asking(request, error=error, status=error.status)
        near = found.is_near(_address(request))
        return self._desk.pages.page(request, "terminals/confirm.html", found=found, code=code, near=near)

    async def decide(self, request: Request) -> Response:
        """Let the program go on, or refuse it."""
        person = _person(request)
        form = await self._desk.csrf.checked(request)
        approve = forms.text(form, "answer") == "yes"
        code = forms.text(form, "code", 40)
        try:
            found = await self._machines.devices.decide(person, code, _address(request), approve=approve)
        except PratiqueError as error:
            return self._asking(request, error=error, status=error.status)
        return self._desk.pages.page(request, "terminals/done.html", client=found.client, approved=approve, address="")

    async def programs(self, request: Request) -> Response:
        """Show which programs are signed in as this person."""
        person, database = _person(request), self._desk.parts.identity.database
        rows = await database.read_async(lambda tx: self._machines.sign_ins.own(tx, person))
        return self._desk.pages.page(request, "terminals/programs.html", rows=rows)

    async def end(self, request: Request) -> Response:
        """End the sign-in of one program, and every token of it."""
        await self._desk.csrf.checked(request)
        person, database = _person(request), self._desk.parts.identity.database
        wanted = request.path_params["id"]
        await database.write_async(lambda tx: self._machines.sign_ins.end_own(tx, person, wanted))
        return see_other("/account/programs")

    async def authorize(self, request: Request) -> Response:
        """Show which program on this machine asks, and ask whether that is meant."""
        _person(request)
        fields = {name: request.query_params[name][:_MAX] for name in _FIELDS if name in request.query_params}
        return self._authorizing(request, fields, self._machines.authorizations.read(fields))

    async def approve(self, request: Request) -> Response:
        """Give the program its answer: by a link to this machine, which the person follows."""
        person = _person(request)
        form = await self._desk.csrf.checked(request)
        fields = {name: forms.text(form, name, _MAX) for name in _FIELDS if forms.text(form, name, _MAX)}
        asked = self._machines.authorizations.read(fields)
        if forms.text(form, "answer") != "yes":
            address = asked.answer(error="access_denied", error_description="The person refused this sign-in.")
            return self._done(request, asked, address, approved=False)
        agent = request.headers.get("user-agent", "")[:200]
        address = await self._machines.authorizations.approve(person, asked, address=_address(request), agent=agent)
        return self._done(request, asked, address, approved=True)

    def _asking(self, request: Request, *, error: PratiqueError | None = None, status: int = 200) -> Response:
        return self._desk.pages.page(request, "terminals/code.html", status, error=error)

    def _authorizing(self, request: Request, fields: dict[str, str], asked: Authorization) -> Response:
        return self._desk.pages.page(request, "terminals/authorize.html", asked=asked, fields=fields)

    def _done(self, request: Request, asked: Authorization, address: str, *, approved: bool) -> Response:
        return self._desk.pages.page(
            request, "terminals/done.html", client=asked.client, approved=approved, address=address
        )


def _person(request: Request) -> Caller:
    caller = caller_of(request.scope)
    if caller.kind != "user":
        raise Denied("Sign in to let a program sign in as you.", remedy="Sign in, then open this page again.")
    return caller


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
