"""The console as one ASGI application: pages that read well without scripts, under a strict policy."""

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pratique.console import addresses, assets, forms
from pratique.console.errors import ErrorPages
from pratique.console.live import Live
from pratique.console.pages.content import ContentPages
from pratique.console.pages.desk import Desk, see_other
from pratique.console.pages.exemptions import ExemptionPages
from pratique.console.pages.feeds import FeedPages
from pratique.console.pages.identity.access import AccessPages
from pratique.console.pages.identity.holders import HolderPages
from pratique.console.pages.images import ImagePages
from pratique.console.pages.jobs import JobPages
from pratique.console.pages.providers import ProviderPages
from pratique.console.pages.recommendations import RecommendationPages
from pratique.console.pages.retention import RetentionPages
from pratique.console.pages.sign_in import SignInPages, WelcomePages
from pratique.console.pages.storage import StoragePages
from pratique.console.pages.terminals import TerminalPages
from pratique.console.pages.webhooks import WebhookPages
from pratique.console.parts import Parts
from pratique.console.policy import REPORTS, SecurityHeaders
from pratique.console.rendering import THEME, THEMES, YEAR, Pages
from pratique.core.errors import PratiqueError

__all__ = ["Parts", "create_console"]

REPORT = 16_384
"""Bytes of a policy report that are looked at."""

log = logging.getLogger(__name__)


def create_console(parts: Parts) -> Starlette:
    """Return the application; it serves every path that no other plane takes."""
    built = assets.Assets()
    csrf = forms.Csrf(parts.identity.sessions)
    pages = Pages(built, csrf, parts.identity.authorizer, parts.clock, parts.registry_host)
    desk = Desk(parts, pages, csrf)
    live, wrong = Live(parts.epoch), ErrorPages(pages)
    served = (
        AccessPages,
        HolderPages,
        RecommendationPages,
        ContentPages,
        ImagePages,
        FeedPages,
        ExemptionPages,
        JobPages,
        ProviderPages,
        RetentionPages,
        SignInPages,
        StoragePages,
        TerminalPages,
        WebhookPages,
        WelcomePages,
    )
    routes = [route for kind in served for route in kind(desk).routes()]
    app = Starlette(
        routes=[*_front(desk, built), *live.routes(), *routes],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={PratiqueError: wrong.on_error, HTTPException: wrong.on_http_error},
    )
    app.state.live = live
    return app


def _front(desk: Desk, built: assets.Assets) -> list[Route]:
    async def start(_: Request) -> Response:
        return RedirectResponse(addresses.START, 307)

    async def static(request: Request) -> Response:
        found = built.file(request.path_params["name"])
        if found is None:
            return PlainTextResponse("No such file.\n", 404)
        headers = {"cache-control": assets.KEEP, "vary": "accept-encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(found.data, media_type=found.media_type, headers=headers)
        return Response(found.packed, media_type=found.media_type, headers={**headers, "content-encoding": "gzip"})

    async def appearance(request: Request) -> Response:
        form = await desk.csrf.checked(request)
        answer = see_other(addresses.safe_next(forms.text(form, "next", 2000)))
        chosen = forms.text(form, "theme")
        if chosen in THEMES:
            answer.set_cookie(THEME, chosen, max_age=YEAR, path="/", secure=True, httponly=True, samesite="lax")
        return answer

    async def report(request: Request) -> Response:
        """Log a breach of the policy that a browser saw: foreign text, so bounded and never interpreted."""
        body = b""
        async for piece in request.stream():
            body += piece[: REPORT - len(body)]
        log.warning("content policy report: %r", body[:2000])
        return Response(status_code=204)

    return [
        Route("/", start),
        Route("/static/{name:str}", static),
        Route("/appearance", appearance, methods=["POST"]),
        Route(REPORTS, report, methods=["POST"]),
    ]
