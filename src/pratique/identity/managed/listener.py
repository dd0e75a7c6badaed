"""Tokens of one managed identity for programs on this machine, in the two forms that Azure's clients know.

- Safe by default: only whoever has the header's secret (`IDENTITY_HEADER`, App Service form) gets a token. The metadata
  form, which every program of the machine could use, must be asked for.
- Loopback only, and only under a loopback name: a page in a browser that lets a name lead here is refused, and so is
  whatever came through a proxy (`X-Forwarded-For`) or from a browser (`Origin`, `Sec-Fetch-Site`).
- It keeps tokens in memory until five minutes before their end, and has no credential of the identity: it asks anew.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from anyio import to_thread

from pratique.core.errors import Denied, Invalid, Unauthenticated
from pratique.core.http.answers import answer_json, problem_json
from pratique.core.http.hosts import HostRules
from pratique.core.http.pipeline import Pipeline
from pratique.core.http.plane import HttpScope, Plane, Receive, Send
from pratique.identity.token_requests import header

METADATA_PATH = "/metadata/identity/oauth2/token"
SECRET_PATH = "/msi/token"  # noqa: S105  a path
_EARLY = 300
_KEPT = 50
_FOREIGN = (b"x-forwarded-for", b"forwarded", b"origin", b"sec-fetch-site")

Fetch = Callable[[str], Mapping[str, Any]]
"""Asks the server for a token of the identity for a resource; may block, raises the server's errors."""


class Listener:
    """The ASGI application of one managed identity."""

    def __init__(self, fetch: Fetch, *, client_ids: frozenset[str], secret: str, metadata: bool = False) -> None:
        self._fetch = fetch
        self._client_ids = client_ids
        self._secret = secret.encode()
        self._metadata = metadata
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    async def __call__(self, scope: HttpScope, _: Receive, send: Send) -> None:
        headers: Mapping[bytes, bytes] = scope["pratique.headers"]
        self._check(scope, headers)
        resource = self._resource(scope["query_string"])
        await answer_json(send, 200, await self._token(resource), headers={"cache-control": "no-store"})

    def _check(self, scope: HttpScope, headers: Mapping[bytes, bytes]) -> None:
        if scope["method"] != "GET":
            raise Invalid("Tokens are asked for with GET.")
        if any(name in headers for name in _FOREIGN):
            raise Denied("The request comes from a browser or through a proxy.", remedy="Ask from this very machine.")
        if scope["raw_path"] == METADATA_PATH.encode():
            if not self._metadata:
                raise Denied(
                    "Tokens are given to whoever knows the header's secret alone.",
                    remedy="Set IDENTITY_ENDPOINT and IDENTITY_HEADER, or start the listener with --metadata.",
                )
            if header(headers, b"metadata") != "true":
                raise Invalid("The header Metadata: true is missing.")
        elif not hmac.compare_digest(headers.get(b"x-identity-header", b""), self._secret):
            raise Unauthenticated("The header's secret is not right.", remedy="Set IDENTITY_HEADER.")

    def _resource(self, query: bytes) -> str:
        try:
            fields = parse_qs(query.decode("ascii"), max_num_fields=10, strict_parsing=True)
        except ValueError:
            raise Invalid("The query cannot be read.") from None
        if len(fields.get("resource", [])) != 1 or any(len(values) != 1 for values in fields.values()):
            raise Invalid("One resource is asked for.", remedy="Send resource= once.")
        wanted = fields.get("client_id", fields.get("object_id", fields.get("principal_id", [""])))[0]
        if (wanted and wanted not in self._client_ids) or "mi_res_id" in fields:
            raise Invalid("This listener serves another identity.", remedy="Leave the client id out.")
        return fields["resource"][0].removesuffix("/.default")

    async def _token(self, resource: str) -> dict[str, Any]:
        ends, kept = self._kept.get(resource, (0.0, {}))
        if ends - _EARLY <= time.time():
            given = await to_thread.run_sync(self._fetch, resource)
            ends = time.time() + int(given["expires_in"])
            kept = {"access_token": given["access_token"], "token_type": "Bearer", "resource": resource}
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[resource] = (ends, kept)
        left = str(int(ends - time.time()))
        return {**kept, "expires_in": left, "expires_on": str(int(ends)), "ext_expires_in": left}


def listener_pipeline(listener: Listener) -> Pipeline:
    """Return the application with limits and errors around it; unknown hosts are refused."""
    plane = Plane("managed-identity", ("*",), (METADATA_PATH, SECRET_PATH), listener, problem_json)
    return Pipeline([plane], HostRules("localhost"), log_requests=False)
