"""The plane of the management API: for known callers only, and built when the server serves already.

FastAPI and the models of all routes are a third of what the product imports; nothing needs them before the first call.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from anyio import to_thread

from pratique.core.errors import Unauthenticated
from pratique.core.http.answers import problem_json
from pratique.core.http.plane import Authenticator, ErrorShape, HttpScope, Plane, Receive, Send, caller_of

if TYPE_CHECKING:
    from fastapi import FastAPI

PREFIX = "/api/v1"
OPENAPI = f"{PREFIX}/openapi.json"
THREADS = 8


class ManagementApi:
    """An application that is built once, when it is first needed or by `load`, and that strangers do not reach.

    No route is for strangers, whatever it forgets to ask; only the description of the routes is public.
    """

    def __init__(self, build: "Callable[[], FastAPI]") -> None:
        self._build = build
        self._lock = threading.Lock()
        self._app: FastAPI | None = None

    def load(self) -> "FastAPI":
        """Return the application; the first call builds it and takes a moment."""
        with self._lock:
            if self._app is None:
                self._app = self._build()
            return self._app

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        if caller_of(scope).is_anonymous and scope["path"] != OPENAPI:
            raise Unauthenticated("Sign in first.", remedy="Send a management token, or open the console.")
        app = self._app if self._app is not None else await to_thread.run_sync(self.load)
        await app(scope, receive, send)


def management_plane(
    build: "Callable[[], FastAPI]", authenticator: Authenticator, error_shape: ErrorShape = problem_json
) -> Plane:
    """Return the plane of the management API; it is served on the console's host."""
    return Plane(
        "api",
        ("console",),
        (f"{PREFIX}/",),
        ManagementApi(build),
        error_shape,
        authenticator,
        threads=THREADS,
        headers={"cache-control": "no-store"},
    )
