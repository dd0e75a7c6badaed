"""What goes wrong, as a page: what happened, what to do, and for whoever is not signed in, where to do that."""

from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pratique.console.rendering import Pages, here
from pratique.core.errors import Denied, PratiqueError
from pratique.core.http.plane import caller_of, request_id_of

_TITLES = {
    400: "That cannot be read",
    401: "Please sign in",
    403: "You may not do that",
    404: "There is nothing here",
    409: "Something was faster",
    410: "This is over",
    429: "Too many requests",
    503: "Just now this cannot be answered",
}


class ErrorPages:
    """Answers for errors; the handlers that Starlette calls."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def on_error(self, request: Request, error: Exception) -> Response:
        """Answer an error of the product; a page that needs a person leads to the sign-in."""
        if not isinstance(error, PratiqueError):
            raise error
        anonymous = caller_of(request.scope).is_anonymous
        sign_in = f"/sign-in?next={quote(here(request), safe='')}" if anonymous else ""
        if sign_in and isinstance(error, Denied) and error.code == Denied.code and request.method == "GET":
            return RedirectResponse(sign_in, 303)
        answer = self._page(request, error.status, error.message, error.remedy, sign_in)
        retry = getattr(error, "retry_after", None)
        if retry is not None:
            answer.headers["retry-after"] = str(max(1, round(retry)))
        return answer

    async def on_http_error(self, request: Request, error: Exception) -> Response:
        """Answer a path that no page has, or a method that a page does not take."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        message = "No page has this address." if status == 404 else "This page cannot be used in that way."
        return self._page(request, status, message, "", "")

    def _page(self, request: Request, status: int, message: str, remedy: str, sign_in: str) -> Response:
        return self._pages.page(
            request,
            "error.html",
            status,
            title=_TITLES.get(status, "That went wrong"),
            message=message,
            remedy=remedy,
            sign_in=sign_in,
            request_id=request_id_of(request.scope) if status >= 500 else "",
        )
