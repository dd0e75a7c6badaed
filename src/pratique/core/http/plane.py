"""Planes: what is served under which hosts and paths, with which limits and which shape of error."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pratique.core.errors import PratiqueError
from pratique.core.http.threads import ThreadLimiter
from pratique.core.permissions import Caller

HttpScope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[HttpScope, Receive, Send], Awaitable[None]]


class Authenticator(Protocol):
    """Tells who calls. Runs on the event loop: it must not block."""

    async def authenticate(self, scope: HttpScope) -> Caller:
        """Return the caller, ANONYMOUS when nothing was presented; raise Unauthenticated for what is wrong."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """The bytes of an error in the words of one protocol."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ErrorShape(Protocol):
    """Turns an error into an answer that clients of this plane understand."""

    def __call__(self, error: PratiqueError, scope: HttpScope) -> ErrorAnswer: ...


@dataclass(frozen=True, slots=True)
class Plane:
    """One part of the server: routed by role of the host and, on a shared host, by path prefix.

    `roles` are the host labels under the configured domain that serve it ('registry', 'login', 'console',
    'admission', 'vault'; '*' is every host). `prefixes` are raw path prefixes: one that ends with '/' takes all below
    it, one that does not takes exactly that path, '' takes what no other plane of the same host takes.
    """

    name: str
    roles: tuple[str, ...]
    prefixes: tuple[str, ...]
    app: AsgiApp
    error_shape: ErrorShape
    authenticator: Authenticator | None = None
    """None: every request is anonymous to the pipeline (health, the token endpoint itself)."""
    max_body: int | None = 1024 * 1024
    """Bytes of a request body; None for planes that stream (they set their own limits)."""
    threads: int = 8
    """Blocking calls that may run at once; eight times as many may wait, more are answered 503 with Retry-After."""
    data_plane: bool = True
    """True: nosniff, sandbox CSP and a media type allow-list on each answer; False: the application sets its own."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to each answer."""
    encoded_slashes: bool = False
    """True: `%2F` in a path is read as a slash, before anything else sees it; names that hold slashes come so."""
    log: bool = True
    """False keeps its requests out of the access log (health probes)."""


def caller_of(scope: HttpScope) -> Caller:
    """Return who calls, as the pipeline found it."""
    caller: Caller = scope["pratique.caller"]
    return caller


def threads_of(scope: HttpScope) -> ThreadLimiter:
    """Return the plane's threads, for everything that blocks."""
    limiter: ThreadLimiter = scope["pratique.threads"]
    return limiter


def request_id_of(scope: HttpScope) -> str:
    """Return the request's id, as it stands in the answer and in the logs."""
    identity: str = scope["pratique.request_id"]
    return identity
