"""Live pages: one stream per page says that something changed, and pages fetch what they show.

All streams of a process share one question to the database a second (`Epochs`). A stream says nothing but a number, so
it needs no filter by rights. Streams end when the server stops, when the session ends and after `LONGEST` seconds, and
browsers come back by themselves.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from pratique.core.errors import TooManyRequests, Unauthenticated
from pratique.core.http.plane import caller_of

PERIOD = 1.0
BEAT = 15.0
LONGEST = 600.0
PER_SESSION = 6
"""Browsers allow six connections over HTTP/1: a session with more tabs would starve its own pages."""

IN_ALL = 500


class Live:
    """Hands changes to streams. `close` ends all of them, so that a stop never waits for an open page."""

    def __init__(self, epoch: Callable[[], int]) -> None:
        self._epoch = epoch
        self._open: Counter[str] = Counter()
        self._closed = False

    def routes(self) -> list[Route]:
        return [Route("/live", self.stream)]

    def close(self) -> None:
        self._closed = True

    @property
    def streams(self) -> int:
        return self._open.total()

    async def stream(self, request: Request) -> StreamingResponse:
        """Open a stream of the caller's session."""
        session = caller_of(request.scope).session_id
        if session is None:
            raise Unauthenticated("Streams are for people who are signed in.", remedy="Sign in first.")
        if self._open[session] >= PER_SESSION or self.streams >= IN_ALL:
            raise TooManyRequests("Too many pages listen already.", remedy="Close some of them.", retry_after=30.0)
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._events(session), media_type="text/event-stream", headers=headers)

    async def _events(self, session: str) -> AsyncIterator[str]:
        self._open[session] += 1
        loop = asyncio.get_running_loop()
        end = loop.time() + LONGEST
        try:
            last, silent = None, 0.0
            while not self._closed and loop.time() < end:
                now = self._epoch()
                if now != last:
                    last, silent = now, 0.0
                    yield f"event: findings\ndata: {now}\n\n"
                elif silent >= BEAT:
                    silent = 0.0
                    yield ": still here\n\n"
                await asyncio.sleep(PERIOD)
                silent += PERIOD
            yield "event: end\ndata: \n\n"
        finally:
            self._open[session] -= 1
            self._open += Counter()
