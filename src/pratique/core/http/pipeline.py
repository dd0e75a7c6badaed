"""The one way in: each request gets an id, limits, a plane, a caller, an answer in its words, and one log line."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from pratique.core.errors import Invalid, NotFound, PratiqueError, TooLarge
from pratique.core.http.answers import plain_error
from pratique.core.http.bodies import Body, ClientGone, expects_continue, too_large
from pratique.core.http.headers import data_plane_headers, safe_media_type
from pratique.core.http.hosts import SHARED, HostRules
from pratique.core.http.plane import AsgiApp, ErrorAnswer, HttpScope, Plane, Receive, Send
from pratique.core.http.threads import ThreadLimiter
from pratique.core.metrics import METRICS, Series
from pratique.core.permissions import ANONYMOUS
from pratique.core.telemetry import access_log, error_log, request_span

MAX_HEADER_BYTES = 32 * 1024
MAX_TARGET_BYTES = 8 * 1024
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_HIDDEN_PATH = re.compile(rb"%(?:2[ef]|5c|00)|[^!-~]|//|/\.{1,2}(?:/|$)", re.IGNORECASE)
_ENCODED_SLASH = re.compile(rb"%2f", re.IGNORECASE)
_ONCE = frozenset({b"authorization", b"content-length", b"content-type", b"host", b"transfer-encoding"})
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_requests = METRICS.counter(
    "pratique_http_requests_total", "Requests answered.", unit="requests", labels=("plane", "method", "status")
)
_seconds = METRICS.histogram(
    "pratique_http_request_seconds",
    "Time from the first byte of a request to the last of its answer.",
    labels=("plane",),
)
_received = METRICS.counter(
    "pratique_http_received_bytes_total", "Bytes of request bodies.", unit="bytes", labels=("plane",)
)
_sent = METRICS.counter(
    "pratique_http_sent_bytes_total",
    "Bytes of answer bodies; files handed to the kernel count when they are begun.",
    unit="bytes",
    labels=("plane",),
)
_active = METRICS.gauge("pratique_http_requests_active", "Requests under way.", unit="requests")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class PlaneMeters:
    """The series of one plane, looked up once."""

    def __init__(self, plane: str) -> None:
        self._plane = plane
        self._seconds = _seconds.series(plane=plane)
        self._received = _received.series(plane=plane)
        self._sent = _sent.series(plane=plane)
        self._requests: dict[tuple[str, int], Series] = {}

    def account(self, method: str, status: int, seconds: float, received: int, sent: int) -> None:
        """Count one request that has ended."""
        self._seconds.observe(seconds)
        if received:
            self._received.add(received)
        if sent:
            self._sent.add(sent)
        key = (method if method in _METHODS else "other", status)
        series = self._requests.get(key)
        if series is None:
            series = self._requests[key] = _requests.series(plane=self._plane, method=key[0], status=str(status))
        series.add()


class PlaneRoutes:
    """Finds the plane of a host role and a raw path: longest prefix first."""

    def __init__(self, planes: Sequence[Plane]) -> None:
        self._planes = sorted(
            ((prefix.encode(), plane) for plane in planes for prefix in plane.prefixes),
            key=lambda item: len(item[0]),
            reverse=True,
        )

    def find(self, role: str, path: bytes) -> Plane:
        for prefix, plane in self._planes:
            if (role == SHARED or role in plane.roles or SHARED in plane.roles) and _matches(prefix, path):
                return plane
        raise NotFound("nothing is served under this path", remedy="see /healthz and the documentation of routes")


class Pipeline:
    """The ASGI application that the server runs; every plane is behind it."""

    def __init__(self, planes: Sequence[Plane], hosts: HostRules, *, log_requests: bool = True) -> None:
        self.planes = tuple(planes)
        self._routes = PlaneRoutes(planes)
        self._hosts = hosts
        self._limiters = {plane.name: ThreadLimiter(plane.name, plane.threads) for plane in planes}
        self._fixed = {plane.name: _fixed_headers(plane) for plane in planes}
        self._log_requests = log_requests
        self._streams: set[asyncio.Task[Any]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._meters: dict[str, PlaneMeters] = {}
        _active.watch(lambda: float(len(self._tasks)))
        self.stopping = False
        self.lifespan: list[Callable[[], None]] = []
        """Called when the server has stopped, in order."""

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        try:
            await Exchange(self, scope, receive, send).run()
        finally:
            if task is not None:
                self._tasks.discard(task)
                self._streams.discard(task)

    def begin_stop(self) -> None:
        """End event streams at once; other requests go on until `abandon`."""
        self.stopping = True
        for task in list(self._streams):
            task.cancel()

    async def abandon(self, seconds: float) -> None:
        """Cancel what still runs: the drain is over. Uploads get some time to save what came."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=seconds)

    def close(self) -> None:
        """Let go of threads, and of what `lifespan` names; called when the server has stopped."""
        for limiter in self._limiters.values():
            limiter.close()
        for action in self.lifespan:
            action()

    def plane_of(self, scope: HttpScope, headers: dict[bytes, bytes]) -> Plane:
        """Return the plane that serves this host and path."""
        path: bytes = scope["raw_path"]
        if len(path) + len(scope["query_string"]) > MAX_TARGET_BYTES:
            raise TooLarge("the request target is too long", remedy=f"stay below {MAX_TARGET_BYTES} bytes")
        plain = _ENCODED_SLASH.sub(b"/", path) if b"%" in path else path
        if _HIDDEN_PATH.search(plain):
            raise _hidden()
        plane = self._routes.find(self._hosts.role(headers.get(b"host", b"")), plain)
        if plain != path:
            if not plane.encoded_slashes:
                raise _hidden()
            scope["raw_path"] = plain
        return plane

    def meters(self, name: str) -> PlaneMeters:
        found = self._meters.get(name)
        if found is None:
            found = self._meters[name] = PlaneMeters(name)
        return found

    def limiter(self, plane: Plane) -> ThreadLimiter:
        return self._limiters[plane.name]

    def fixed_headers(self, plane: Plane) -> list[tuple[bytes, bytes]]:
        return self._fixed[plane.name]

    def is_stream(self) -> None:
        """Remember the running request as an event stream, which ends when the server stops."""
        task = asyncio.current_task()
        if task is not None:
            self._streams.add(task)

    def logs(self, plane: Plane | None) -> bool:
        return self._log_requests and (plane is None or plane.log)


def _hidden() -> Invalid:
    return Invalid("the path has hidden parts", remedy="send it without encoded slashes, dots or empty segments")


class Exchange:
    """One request and its answer."""

    __slots__ = (
        "_began",
        "_body",
        "_ended",
        "_headers",
        "_pipeline",
        "_plane",
        "_scope",
        "_send",
        "_sent",
        "_status",
        "_stream",
    )

    def __init__(self, pipeline: Pipeline, scope: HttpScope, receive: Receive, send: Send) -> None:
        self._pipeline = pipeline
        self._scope = scope
        self._send = send
        self._plane: Plane | None = None
        self._headers = _headers_of(scope["headers"])
        self._body = Body(receive, None, complete=_has_no_body(scope, self._headers))
        self._began = time.perf_counter()
        self._status = 0
        self._sent = 0
        self._stream = False
        self._ended = False

    async def run(self) -> None:
        scope = self._scope
        scope["pratique.request_id"] = _request_id(self._headers)
        scope["pratique.headers"] = self._headers
        scope["pratique.caller"] = ANONYMOUS
        try:
            with request_span(scope):
                await self._serve()
        except asyncio.CancelledError:
            await self._end_cancelled()
        except ClientGone:
            self._status = self._status or ClientGone.status
        except PratiqueError as error:
            await self._refuse(error)
        except Exception as error:  # noqa: BLE001  the last resort: logged, answered 500
            await self._fail(error)
        finally:
            self._account()

    async def _serve(self) -> None:
        scope, headers = self._scope, self._headers
        _check_headers(scope["headers"])
        self._plane = plane = self._pipeline.plane_of(scope, headers)
        self._body.limit(plane.max_body)
        _check_length(headers, plane.max_body)
        scope["pratique.threads"] = self._pipeline.limiter(plane)
        if plane.authenticator is not None:
            scope["pratique.caller"] = await plane.authenticator.authenticate(scope)
        await plane.app(scope, self._body.receive, self.send)

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """ASGI send: adds the fixed headers and lets the client finish its body before an early answer."""
        kind = message["type"]
        if kind == "http.response.start":
            await self._start(message)
            return
        if kind == "http.response.body":
            self._sent += len(message.get("body", b""))
            self._ended = not message.get("more_body", False)
        else:
            self._ended = True
        await self._send(message)

    async def _start(self, message: MutableMapping[str, Any]) -> None:
        headers: list[tuple[bytes, bytes]] = [*message.get("headers", ())]
        headers.append((b"x-request-id", self._scope["pratique.request_id"].encode()))
        if self._plane is not None:
            self._prepare(headers)
        if not self._body.complete and not self._may_answer_now() and not await self._body.drain():
            self._close_after(headers)
        self._status = message["status"]
        await self._send({"type": "http.response.start", "status": message["status"], "headers": headers})

    def _prepare(self, headers: list[tuple[bytes, bytes]]) -> None:
        plane = self._plane
        assert plane is not None  # noqa: S101  the caller has looked
        if plane.data_plane:
            safe_media_type(headers)
        headers.extend(self._pipeline.fixed_headers(plane))
        self._stream = any(
            name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers
        )
        if self._stream:
            self._pipeline.is_stream()

    def _may_answer_now(self) -> bool:
        return not self._body.touched and expects_continue(self._scope, self._headers)

    def _close_after(self, headers: list[tuple[bytes, bytes]]) -> None:
        if self._scope["http_version"].startswith("1"):
            headers.append((b"connection", b"close"))

    async def _refuse(self, error: PratiqueError) -> None:
        if self._status:
            raise error
        shape = plain_error if self._plane is None else self._plane.error_shape
        await self._answer(shape(error, self._scope))

    async def _fail(self, error: Exception) -> None:
        error_log("request failed", error, request_id=self._scope["pratique.request_id"])
        if self._status:
            raise error
        unexpected = PratiqueError(
            "the server met an error that it did not expect",
            remedy=f"the log has the details under request {self._scope['pratique.request_id']}",
        )
        await self._refuse(unexpected)

    async def _answer(self, answer: ErrorAnswer) -> None:
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers.items()]
        body = b"" if self._scope["method"] == "HEAD" else answer.body
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await self.send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def _end_cancelled(self) -> None:
        if self._stream and not self._ended and self._pipeline.stopping:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        raise asyncio.CancelledError

    def _account(self) -> None:
        elapsed = time.perf_counter() - self._began
        name = "none" if self._plane is None else self._plane.name
        self._pipeline.meters(name).account(
            self._scope["method"], self._status, elapsed, self._body.received, self._sent
        )
        if self._pipeline.logs(self._plane):
            access_log(self._scope, name, self._status, elapsed, self._body.received, self._sent)


def as_app(pipeline: Pipeline) -> AsgiApp:
    """Return the pipeline in the type that the server takes."""
    return pipeline


def _matches(prefix: bytes, path: bytes) -> bool:
    return path == prefix or not prefix or (prefix.endswith(b"/") and path.startswith(prefix))


def _fixed_headers(plane: Plane) -> list[tuple[bytes, bytes]]:
    base = data_plane_headers() if plane.data_plane else []
    return base + [(name.lower().encode(), value.encode()) for name, value in plane.headers.items()]


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _has_no_body(scope: HttpScope, headers: dict[bytes, bytes]) -> bool:
    if headers.get(b"content-length") == b"0":
        return True
    announced = b"content-length" in headers or b"transfer-encoding" in headers
    # HTTP/1 announces every body; HTTP/2 may send one without a length.
    return not announced and (scope["http_version"].startswith("1") or scope["method"] in _BODILESS)


def _headers_of(lines: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers by name; the crumbs of a cookie, which HTTP/2 sends one by one, as one (RFC 9113, 8.2.3)."""
    headers = dict(lines)
    if b"cookie" in headers:
        headers[b"cookie"] = b"; ".join(value for name, value in lines if name == b"cookie")
    return headers


def _check_headers(headers: Sequence[tuple[bytes, bytes]]) -> None:
    size = 0
    seen: set[bytes] = set()
    for name, value in headers:
        size += len(name) + len(value) + 4
        if name in _ONCE:
            if name in seen:
                raise Invalid(f"the header {name.decode()} stands twice", remedy="send it once")
            seen.add(name)
    if size > MAX_HEADER_BYTES:
        raise HeadersTooLarge("the request headers are too large", remedy=f"stay below {MAX_HEADER_BYTES} bytes")
    if b"content-length" in seen and b"transfer-encoding" in seen:
        raise Invalid("the body has two lengths", remedy="send Content-Length or Transfer-Encoding, not both")


def _check_length(headers: dict[bytes, bytes], limit: int | None) -> None:
    length = headers.get(b"content-length")
    if length is None:
        return
    if not length.isdigit():
        raise Invalid("the header content-length is no number", remedy="send the length in decimal digits")
    if limit is not None and int(length) > limit:
        raise too_large(limit)


class HeadersTooLarge(TooLarge):
    code = "headers-too-large"
    status = 431
