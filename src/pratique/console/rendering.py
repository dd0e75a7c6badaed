"""Templates to answers. Everything is escaped unless a template says otherwise, and only icons and QR codes do."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pratique.console.assets import Assets
from pratique.console.forms import VISITOR, Csrf
from pratique.console.navigation import menu
from pratique.console.packing import pack
from pratique.console.wording import FILTERS
from pratique.core.clock import Clock
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Authorizer
from pratique.recommendations.actions import KIND_NAMES
from pratique.recommendations.risk import LIKELY, SCALE
from pratique.recommendations.types import SEVERITIES

THEME = "__Host-theme"
THEMES = ("system", "light", "dark")
PART = "HX-Request"
YEAR = 365 * 86400


class Pages:
    """Renders templates with what every page needs: who, where, when, theme, menu, form token."""

    def __init__(self, assets: Assets, csrf: Csrf, authorizer: Authorizer, clock: Clock, registry_host: str) -> None:
        self._csrf = csrf
        self._authorizer = authorizer
        self._clock = clock
        self._environment = Environment(
            loader=PackageLoader("pratique.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(FILTERS)
        self._environment.globals.update(
            asset=assets.address,
            severities=SEVERITIES,
            kinds={kind.value: name for kind, name in KIND_NAMES.items()},
            likely_from=LIKELY,
            scale=f"{SCALE:g}",
            registry_host=registry_host,
        )

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """Return the answer for a template; the cookie of a new visitor goes with it."""
        text = self._environment.get_template(template).render(**self._context(request), **values)
        answer = HTMLResponse(text, status, headers={"vary": f"accept-encoding, cookie, {PART}"})
        pack(request, answer)
        remember_visitor(request, answer)
        return answer

    def _context(self, request: Request) -> dict[str, Any]:
        caller = caller_of(request.scope)
        return {
            "caller": caller,
            "csrf": self._csrf.token(request),
            "here": here(request),
            "navigation": menu(self._authorizer, caller, request.url.path),
            "now": self._clock.now(),
            "theme": theme_of(request),
        }


def here(request: Request) -> str:
    """Return path and query of the page that is shown."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def theme_of(request: Request) -> str:
    chosen = request.cookies.get(THEME, "")
    return chosen if chosen in THEMES else "system"


def is_part(request: Request) -> bool:
    """Whether htmx asks for a part of the page, not for the page."""
    return PART in request.headers and request.headers.get("HX-Request-Type") == "partial"


def remember_visitor(request: Request, answer: Response) -> None:
    visitor = request.scope.get("pratique.new_visitor")
    if visitor:
        answer.set_cookie(VISITOR, visitor, max_age=YEAR, path="/", secure=True, httponly=True, samesite="lax")
