"""Sign-in by password and code or by passkey, the one-time link, sign-out, and the sessions of a person."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import segno
from markupsafe import Markup
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from pratique.console import addresses, forms
from pratique.console.pages.desk import Desk, see_other
from pratique.core.database import Transaction
from pratique.core.errors import Conflict, Denied, Gone, Invalid, PratiqueError, TooManyRequests, Unauthenticated
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Caller
from pratique.identity.links import LINK_PATH
from pratique.identity.oidc.entering import METHOD
from pratique.identity.passkeys import RelyingParty
from pratique.identity.people import CodeSetup
from pratique.identity.sessions import COOKIE
from pratique.identity.types import NewSession

ANSWER = 32_768
WRONG = (Unauthenticated, Denied, Gone, Invalid, TooManyRequests)
_AUTHENTICATOR = re.compile(r"otpauth://totp/[A-Za-z0-9%._:@+-]{1,300}\?[A-Za-z0-9%._:=&+-]{1,300}")


class SignInPages:
    """Pages before and around a session."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._identity = desk.parts.identity

    def routes(self) -> list[Route]:
        return [
            Route("/sign-in", self.show),
            Route("/sign-in", self.by_password, methods=["POST"]),
            Route("/sign-in/passkey/options", self.passkey_options, methods=["POST"]),
            Route("/sign-in/passkey", self.by_passkey, methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
            Route("/account", self.account),
            Route("/account/sessions/{id:str}/end", self.end_session, methods=["POST"]),
            Route("/account/password", self.change_password, methods=["POST"]),
            Route("/account/passkeys", self.add_passkey, methods=["POST"]),
            Route("/account/passkeys/options", self.adding_options, methods=["POST"]),
            Route("/account/passkeys/{id:str}/remove", self.remove_passkey, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Show the form; whoever is signed in already goes on."""
        wanted = addresses.safe_next(request.query_params.get("next", ""))
        if caller_of(request.scope).session_id:
            return see_other(wanted)
        if "out" not in request.query_params:
            return await sign_in_form(self._desk, request, wanted)
        back = f"https://{request.headers.get('host', '')}/sign-in?out"
        left = request.query_params["out"][:64]
        leaving = await self._identity.flow.leaving(left, back) if left else ""
        return await sign_in_form(self._desk, request, wanted, said="You are signed out.", leaving=leaving)

    async def by_password(self, request: Request) -> Response:
        """Begin a session with name, password and code, all in one form: it works without scripts or a second page."""
        form = await self._desk.csrf.checked(request)
        wanted = addresses.safe_next(forms.text(form, "next", 2000))
        name = forms.text(form, "name", 128)
        address, agent = seen(request)
        try:
            session = await self._identity.people.sign_in(
                name, password_of(form), code_of(form), address=address, agent=agent
            )
        except WRONG as error:
            return await sign_in_form(self._desk, request, wanted, error=error, name=name)
        return signed_in(session, wanted)

    async def passkey_options(self, request: Request) -> Response:
        """Return what the browser's WebAuthn interface is to be asked."""
        await self._desk.csrf.checked(request)
        try:
            return JSONResponse(self._identity.passkeys.sign_in_options(party_of(request)))
        except WRONG as error:
            return refused(error)

    async def by_passkey(self, request: Request) -> Response:
        """Begin a session with the answer of a passkey."""
        form = await self._desk.csrf.checked(request)
        wanted = addresses.safe_next(forms.text(form, "next", 2000))
        address, agent = seen(request)
        try:
            session = await self._identity.passkeys.sign_in(
                answer_of(form), party_of(request), address=address, agent=agent
            )
        except WRONG as error:
            return refused(error)
        return signed_in(session, wanted, script=True)

    async def sign_out(self, request: Request) -> Response:
        """End the session here and on the server."""
        await self._desk.csrf.checked(request)
        caller = caller_of(request.scope)
        provider = await self._end(caller, caller.session_id) if caller.session_id else ""
        answer = see_other(f"/sign-in?out={provider}" if provider else "/sign-in?out")
        answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        answer.headers["clear-site-data"] = '"cache"'
        return answer

    async def account(self, request: Request) -> Response:
        """Show the sessions of the caller, and the ways in which they sign in."""
        if caller_of(request.scope).session_id is None:
            return see_other("/sign-in?next=/account")
        return await self._account(request)

    async def change_password(self, request: Request) -> Response:
        """Change one's own password with the current one and a code; one's other sessions end."""
        form = await self._desk.csrf.checked(request)
        caller = caller_of(request.scope)
        if caller.session_id is None:
            return see_other("/sign-in?next=/account")
        try:
            await self._identity.people.change_password(
                caller, password_of(form), code_of(form), password_of(form, "wanted"), address=seen(request)[0]
            )
        except WRONG as error:
            return await self._account(request, error=error)
        return await self._account(request, said="The password is changed. Your other sessions have ended.")

    async def adding_options(self, request: Request) -> Response:
        """Return what the browser is to be asked for a further passkey of the caller."""
        await self._desk.csrf.checked(request)
        caller = caller_of(request.scope)
        if caller.session_id is None:
            return refused(Unauthenticated("Sign in first."))
        try:
            return JSONResponse(await self._identity.passkeys.adding_options(caller, party_of(request)))
        except WRONG as error:
            return refused(error)

    async def add_passkey(self, request: Request) -> Response:
        """Keep a further passkey of the caller."""
        form = await self._desk.csrf.checked(request)
        caller = caller_of(request.scope)
        if caller.session_id is None:
            return refused(Unauthenticated("Sign in first."))
        label = forms.text(form, "label", 100)
        try:
            await self._identity.passkeys.add(caller, answer_of(form), party_of(request), label=label)
        except (*WRONG, Conflict) as error:
            return refused(error)
        return JSONResponse({"next": "/account"})

    async def remove_passkey(self, request: Request) -> Response:
        """Remove one of one's own passkeys; one's other sessions end."""
        await self._desk.csrf.checked(request)
        caller, passkey = caller_of(request.scope), request.path_params["id"]
        if caller.session_id is None:
            return see_other("/sign-in?next=/account")
        try:
            await self._identity.database.write_async(
                lambda tx: self._identity.passkeys.remove(tx, caller, caller.principal_id, passkey)
            )
        except Conflict as error:
            return await self._account(request, error=error)
        return await self._account(request, said="The passkey is removed.")

    async def _account(self, request: Request, *, said: str = "", error: PratiqueError | None = None) -> Response:
        caller = caller_of(request.scope)
        own = caller.principal_id

        def read(tx: Transaction) -> dict[str, Any]:
            return {
                "rows": self._identity.sessions.list(tx, principal_id=own).items,
                "passkeys": self._identity.passkeys.list(tx, own),
                "recent": self._identity.passkeys.is_recent(tx, caller),
                "password": self._identity.people.has_password(tx, own),
            }

        values = await self._identity.database.read_async(read)
        status = error.status if error else 200
        return self._desk.pages.page(request, "sign_in/account.html", status, said=said, error=error, **values)

    async def end_session(self, request: Request) -> Response:
        """End one of the caller's own sessions."""
        await self._desk.csrf.checked(request)
        caller = caller_of(request.scope)
        if caller.session_id is None:
            return see_other("/sign-in")
        await self._end(caller, request.path_params["id"])
        return see_other("/account")

    async def _end(self, caller: Caller, session_id: str) -> str:
        """End one's own session; return the provider through which it was begun, or ''."""
        sessions = self._identity.sessions

        def body(tx: Transaction) -> str:
            session = sessions.get(tx, session_id)
            if session.principal_id != caller.principal_id:
                raise Denied("That is a session of somebody else.", remedy="Only its owner ends it here.")
            sessions.end(tx, caller, session)
            return session.method.removeprefix(METHOD) if session.method.startswith(METHOD) else ""

        return await self._identity.database.write_async(body)


class WelcomePages:
    """The one-time link: how a person comes in first, or again.

    The secret stands after # in the link, so no server, proxy or log sees it before the person goes on: a small script
    puts it into the form, and without scripts the person pastes the link.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._identity = desk.parts.identity

    def routes(self) -> list[Route]:
        return [
            Route(LINK_PATH, self.show),
            Route(LINK_PATH, self.open, methods=["POST"]),
            Route("/sign-in/password", self.set_password, methods=["POST"]),
            Route("/sign-in/new-passkey/options", self.passkey_options, methods=["POST"]),
            Route("/sign-in/new-passkey", self.create_passkey, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Say what the link does. Nothing is used up: mail scanners and previews open links too."""
        return self._landing(request)

    async def open(self, request: Request) -> Response:
        """Use the link up, and show both ways to go on."""
        form = await self._desk.csrf.checked(request)
        secret = forms.text(form, "link", 600).rpartition("#")[2]
        try:
            ticket = await self._identity.database.write_async(lambda tx: self._identity.links.open(tx, secret))
            setup = await self._identity.people.start_code(ticket.value)
        except WRONG as error:
            return self._landing(request, error)
        return self._choose(request, ticket.value, ticket.name, setup)

    async def set_password(self, request: Request) -> Response:
        """Set password and code, and begin a session."""
        form = await self._desk.csrf.checked(request)
        ticket, address_agent = forms.text(form, "ticket", 200), seen(request)
        try:
            session = await self._identity.people.set_password(
                ticket, password_of(form), code_of(form), address=address_agent[0], agent=address_agent[1]
            )
        except Gone as error:
            return self._landing(request, error)
        except WRONG as error:
            setup = setup_of(forms.text(form, "uri", 700))
            return self._choose(request, ticket, forms.text(form, "name", 128), setup, error)
        return signed_in(session, addresses.START)

    async def passkey_options(self, request: Request) -> Response:
        """Return what the browser's WebAuthn interface is to be asked."""
        form = await self._desk.csrf.checked(request)
        try:
            ticket = forms.text(form, "ticket", 200)
            return JSONResponse(await self._identity.passkeys.registration_options(ticket, party_of(request)))
        except WRONG as error:
            return refused(error)

    async def create_passkey(self, request: Request) -> Response:
        """Keep the passkey, and begin a session."""
        form = await self._desk.csrf.checked(request)
        address, agent = seen(request)
        try:
            session = await self._identity.passkeys.register(
                forms.text(form, "ticket", 200),
                answer_of(form),
                party_of(request),
                label="first passkey",
                address=address,
                agent=agent,
            )
        except WRONG as error:
            return refused(error)
        return signed_in(session, addresses.START, script=True)

    def _landing(self, request: Request, error: PratiqueError | None = None) -> Response:
        answer = self._desk.pages.page(request, "sign_in/link.html", error.status if error else 200, error=error)
        answer.headers["referrer-policy"] = "no-referrer"
        return answer

    def _choose(
        self, request: Request, ticket: str, name: str, setup: CodeSetup, error: PratiqueError | None = None
    ) -> Response:
        return self._desk.pages.page(
            request,
            "sign_in/choose.html",
            error.status if error else 200,
            ticket=ticket,
            name=name,
            setup=setup,
            qr=qr_of(setup.uri),
            error=error,
        )


async def sign_in_form(
    desk: Desk,
    request: Request,
    wanted: str,
    *,
    said: str = "",
    error: PratiqueError | None = None,
    name: str = "",
    leaving: str = "",
) -> Response:
    """Show every way to sign in, with what was wrong; `leaving` is where one signs out at a provider too."""
    identity = desk.parts.identity
    providers = await identity.database.read_async(identity.providers.list)
    status = error.status if error else 200
    answer = desk.pages.page(
        request,
        "sign_in/sign_in.html",
        status,
        next=wanted,
        said=said,
        error=error,
        name=name,
        leaving=leaving,
        providers=[provider for provider in providers if provider.enabled],
    )
    if isinstance(error, TooManyRequests):
        answer.headers["retry-after"] = str(max(1, round(error.retry_after)))
    return answer


def signed_in(session: NewSession, wanted: str, *, script: bool = False) -> Response:
    """Give the browser its cookie, and lead on."""
    answer: Response = JSONResponse({"next": wanted}) if script else RedirectResponse(wanted, 303)
    seconds = (session.session.expires_at - session.session.created_at) // 1_000_000
    answer.set_cookie(COOKIE, session.cookie, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def refused(error: PratiqueError) -> Response:
    return JSONResponse({"message": str(error)}, error.status)


def seen(request: Request) -> tuple[str, str]:
    """Return address and browser of a request, as the list of sessions shows them."""
    return request.client.host if request.client else "", request.headers.get("user-agent", "")[:255]


def party_of(request: Request) -> RelyingParty:
    return RelyingParty.of(request.headers.get("host", ""))


def password_of(form: FormData, name: str = "password") -> str:
    """Return the password as it was typed: spaces are part of it."""
    given = form.get(name)
    return given[:1024] if isinstance(given, str) else ""


def code_of(form: FormData) -> str:
    return forms.text(form, "code", 7).replace(" ", "")


def answer_of(form: FormData) -> dict[str, Any]:
    """Read what the browser's WebAuthn interface said; its meaning is checked by identity."""
    try:
        value = json.loads(forms.text(form, "answer", ANSWER))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Invalid("The answer of the passkey cannot be read.", remedy="Try once more.")
    return value


def setup_of(uri: str) -> CodeSetup:
    """Return the set-up that a form brought back, to be shown again; what is checked is what the server kept."""
    if not _AUTHENTICATOR.fullmatch(uri):
        raise Invalid("The form was changed on its way.", remedy="Begin again with a new link.")
    return CodeSetup(parse_qs(urlsplit(uri).query).get("secret", [""])[0], uri)


def qr_of(uri: str) -> Markup:
    """Draw the address for authenticator apps. The drawing holds numbers only, so it needs no escaping."""
    drawing = segno.make(uri, error="m").svg_inline(border=2, omitsize=True, svgclass=None, lineclass=None)
    return Markup(drawing.replace("<svg ", '<svg role="img" aria-label="QR code with the key" ', 1))  # noqa: S704
