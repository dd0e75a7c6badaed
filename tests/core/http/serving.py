"""A pipeline with a small application, listening in a thread."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pratique.core.errors import Busy, Denied
from pratique.core.http.answers import answer, answer_json, html_error, problem_json
from pratique.core.http.bodies import chunks, read_json
from pratique.core.http.health import health_plane
from pratique.core.http.hosts import HostRules
from pratique.core.http.pipeline import Pipeline
from pratique.core.http.plane import HttpScope, Plane, Receive, Send, threads_of
from pratique.core.http.server import Server, TlsFiles


@dataclass
class Running:
    port: int
    tls: TlsFiles | None
    server: Server
    pipeline: Pipeline

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://localhost:{self.port}"


class Application:
    """What tests ask for by path."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.stopped: list[str] = []
        self.blocked = threading.Event()

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        self.started.append(scope["raw_path"].decode().rpartition("/")[2])
        handler = getattr(self, scope["raw_path"].decode().rpartition("/")[2])
        await handler(scope, receive, send)

    async def echo(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        size = 0
        async for piece in chunks(receive):
            size += len(piece)
        await answer_json(send, 200, {"size": size, "http": scope["http_version"]})

    async def json(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        await answer_json(send, 200, await read_json(receive))

    async def refuse(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        msg = "you may not do this"
        raise Denied(msg, remedy="ask for the role AcrPush")

    async def page(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        await answer(send, 200, b"<script>alert(1)</script>", media_type="text/html")

    async def boom(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        msg = "planted-secret"
        raise RuntimeError(msg)

    async def busy(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        msg = "try later"
        raise Busy(msg, retry_after=3)

    async def slow(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(1)
        await answer(send, 200, b"done", media_type="text/plain")

    async def forever(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.stopped.append("forever")
            raise

    async def events(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})
                await asyncio.sleep(0.05)
        finally:
            self.stopped.append("events")

    async def block(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        await threads_of(scope).run(self.blocked.wait, 5)
        await answer(send, 200, b"freed", media_type="text/plain")


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Return when it is true; a busy machine may take its time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def serving(*, tls: TlsFiles | None = None, drain: float = 2.0, rules: HostRules | None = None) -> Iterator[Running]:
    app = Application()
    planes = [
        Plane("data", ("registry",), ("/data/",), app, problem_json, max_body=64 * 1024 * 1024, threads=1),
        Plane("small", ("registry",), ("/small/",), app, problem_json, max_body=1024),
        Plane("console", ("console",), ("",), app, html_error, data_plane=False),
        health_plane({}),
    ]
    pipeline = Pipeline(planes, rules or HostRules("pratique.example"), log_requests=False)
    ready = threading.Event()
    server = Server(pipeline, port=0, tls=tls, drain=drain, started=ready.set)
    server.bind()
    running = Running(server.port, tls, server, pipeline)
    running.app = app  # type: ignore[attr-defined]  # for the tests that look inside
    thread = threading.Thread(target=server.run, name="test-server")
    thread.start()
    try:
        assert ready.wait(10)
        yield running
    finally:
        app.blocked.set()
        server.stop()
        thread.join(20)
        assert not thread.is_alive()
