"""The event stream over HTTP: pages, long polling and server-sent events, from any position that is still kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from pratique.core.cloudevents.log import EventLog
from pratique.core.cloudevents.types import Filter, LoggedEvent
from pratique.core.database import Database, Transaction
from pratique.core.errors import Denied, Invalid, PratiqueError, TooManyRequests
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Authorizer, Permission, Scope

LOOK: Final = 0.5
BEAT: Final = 15.0
LONGEST: Final = 600.0
AT_ONCE: Final = 100
"""Long polls and streams that one process holds open."""
_PATTERNS: Final = 20

Position = Annotated[str, Query(pattern="^([0-9]{1,18}|now)$", description="Position to go on after; `now` for none.")]
Wait = Annotated[float, Query(ge=0, le=30, description="Seconds to wait while there is nothing new.")]
Limit = Annotated[int, Query(ge=1, le=500)]
Patterns = Annotated[list[str] | None, Query(max_length=_PATTERNS, description="Patterns with `*`; may be repeated.")]


def router(database: Database, log: EventLog, authorizer: Authorizer, source: str) -> APIRouter:
    """Routes below /api/v1; a reader sees the events of repositories where it may read events."""
    routes = APIRouter(tags=["events"])
    reader = _Reader(database, log, authorizer, source)

    @routes.get("/events")
    async def list_events(  # noqa: PLR0917  what may stand in the query
        request: Request,
        after: Position = "0",
        type: Patterns = None,  # noqa: A002  CloudEvents' own word
        subject: Patterns = None,
        scope: Annotated[str, Query(max_length=512)] = "/",
        wait: Wait = 0.0,
        limit: Limit = 100,
    ) -> Response:
        """List events in order, or follow them as a stream (`Accept: text/event-stream`)."""
        wanted = reader.filter(request, type, subject, scope)
        if "text/event-stream" in request.headers.get("accept", ""):
            start = await reader.start(request.headers.get("last-event-id", after))
            headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
            return StreamingResponse(reader.stream(start, wanted), media_type="text/event-stream", headers=headers)
        page = await reader.page(await reader.start(after), wanted, wait, limit)
        return Response(msgspec.json.encode(page), media_type="application/json")

    @routes.get("/events/types")
    async def list_types(request: Request) -> dict[str, Any]:
        """List the types of events and the fields of their data."""
        if authorizer.extent(caller_of(request.scope), Permission.REGISTRY_EVENTS_READ).is_empty:
            raise _denied()
        return {
            "items": [
                {"type": each.name, "sentence": each.sentence, "fields": dict(each.fields)}
                for each in log.types.values()
            ]
        }

    return routes


_Wanted = Callable[[], Filter]


class _Reader:
    """The reads behind the routes: no thread and no transaction is held while nothing happens."""

    def __init__(self, database: Database, log: EventLog, authorizer: Authorizer, source: str) -> None:
        self._database = database
        self._log = log
        self._authorizer = authorizer
        self._source = source
        self._open = 0

    def filter(self, request: Request, types: list[str] | None, subjects: list[str] | None, scope: str) -> _Wanted:
        """Return what makes the filter: anew for each question, so that a right that is taken ends a stream."""
        caller, place = caller_of(request.scope), str(Scope.parse(scope))

        def make() -> Filter:
            extent = self._authorizer.extent(caller, Permission.REGISTRY_EVENTS_READ)
            if extent.is_empty:
                raise _denied()
            return Filter(tuple(types or ()), tuple(subjects or ()), place, extent)

        make()
        return make

    async def start(self, text: str) -> int:
        if text == "now":
            await self._place()
            return (await self._database.read_async(self._log.head)).last
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise Invalid("This is no position.", remedy="Give the `next` of an earlier page, or `now`.")
        return int(text)

    async def page(self, after: int, wanted: _Wanted, wait: float, limit: int) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        with self._seat(needed=wait > 0):
            while True:
                found, reached = await self._read(after, wanted, limit)
                if found or loop.time() >= end:
                    return {"items": [event.as_json(self._source) for event in found], "next": str(reached)}
                after = reached
                await asyncio.sleep(min(LOOK, max(0.0, end - loop.time())))

    async def stream(self, after: int, wanted: _Wanted) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end, spoke = loop.time() + LONGEST, loop.time()
        with self._seat(needed=True):
            while loop.time() < end:
                try:
                    found, after = await self._read(after, wanted, 100)
                except PratiqueError as error:  # the head of the answer is gone: the reason is the last event
                    yield b"event: error\ndata: %s\n\n" % msgspec.json.encode({"title": error.message})
                    return
                if found:
                    spoke = loop.time()
                    yield b"".join(self._line(event) for event in found)
                    continue
                if loop.time() - spoke >= BEAT:
                    spoke = loop.time()
                    yield b": still here\nid: %d\n\n" % after
                await asyncio.sleep(LOOK)

    async def _read(self, after: int, wanted: _Wanted, limit: int) -> tuple[list[LoggedEvent], int]:
        await self._place()
        narrowed = wanted()

        def body(tx: Transaction) -> tuple[list[LoggedEvent], int]:
            return self._log.read(tx, after, narrowed, limit=limit)

        return await self._database.read_async(body)

    async def _place(self) -> None:
        from anyio import to_thread

        await to_thread.run_sync(self._log.place, self._database)

    def _line(self, event: LoggedEvent) -> bytes:
        data = msgspec.json.encode(event.as_json(self._source))
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.position, event.type.encode(), data)

    @contextmanager
    def _seat(self, *, needed: bool) -> Iterator[None]:
        if needed and self._open >= AT_ONCE:
            raise TooManyRequests("Too many clients wait for events.", remedy="Ask without `wait`.", retry_after=5.0)
        self._open += needed
        try:
            yield
        finally:
            self._open -= needed


def _denied() -> Denied:
    return Denied(
        f"You may not {Permission.REGISTRY_EVENTS_READ} anywhere.", remedy="Ask for a role that has this right."
    )
