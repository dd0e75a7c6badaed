"""Advisory data: how old it is, what is needed, and fetching it on one click, never unasked."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console.pages.desk import Desk, in_thread, see_other
from pratique.console.rendering import is_part
from pratique.console.sources import FeedView, Freshness
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Permission, Scope

MOST = 100


class FeedPages:
    """The page of feeds, and the form that fetches."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        return [
            Route("/advisories", self.all),
            Route("/advisories/fetch", self.fetch, methods=["POST"]),
        ]

    async def all(self, request: Request) -> Response:
        """Show every feed; while one is fetched the part with the table asks for itself again."""
        self._desk.visibility(request, Permission.ADVISORIES_FEEDS_READ)
        feeds = await in_thread(request, self._desk.parts.feeds.all)
        needed = [feed for feed in feeds if _is_wanting(feed)]
        return self._desk.pages.page(
            request,
            "feeds/table.html" if is_part(request) else "feeds/list.html",
            feeds=feeds,
            needed=needed,
            needed_size=sum(feed.size or 0 for feed in needed),
            fetching=any(feed.fetching for feed in feeds),
            may_fetch=self._desk.may(caller_of(request.scope), Permission.ADVISORIES_FEEDS_SYNC),
        )

    async def fetch(self, request: Request) -> Response:
        """Begin to fetch the named feeds."""
        form = await self._desk.csrf.checked(request)
        caller = caller_of(request.scope)
        self._desk.parts.identity.authorizer.require(caller, Permission.ADVISORIES_FEEDS_SYNC, Scope.root())
        wanted = [value for value in form.getlist("feed")[:MOST] if isinstance(value, str)]
        await in_thread(request, self._desk.parts.feeds.fetch, caller, wanted)
        return see_other("/advisories")


def _is_wanting(feed: FeedView) -> bool:
    """Whether an image was seen that this feed would say more about."""
    return bool(feed.needed) and feed.freshness is not Freshness.FRESH
