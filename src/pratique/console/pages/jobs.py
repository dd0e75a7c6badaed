"""Background work, as far as people need to see it."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console.pages.desk import Desk, in_thread
from pratique.core.permissions import Permission

STATES = frozenset({"running", "waiting", "dead"})
ROWS = 100


class JobPages:
    """The page of jobs; reads only."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        return [Route("/jobs", self.all)]

    async def all(self, request: Request) -> Response:
        self._desk.visibility(request, Permission.SYSTEM_JOBS_READ)
        state = request.query_params.get("state", "")
        state = state if state in STATES else ""
        rows = await in_thread(request, self._desk.parts.jobs.recent, state, ROWS)
        return self._desk.pages.page(request, "jobs/list.html", rows=rows, state=state)
