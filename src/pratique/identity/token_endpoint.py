"""Where clients of the registry get tokens: Docker's GET, OAuth2's POST, and the exchange of Azure's clients."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from pratique.core.clock import SECOND
from pratique.core.errors import NotFound, PratiqueError
from pratique.core.http.bodies import read_all
from pratique.core.http.plane import AsgiApp, ErrorAnswer, HttpScope, Receive, Send
from pratique.core.keys.types import KeyClient, Purpose
from pratique.identity.token_requests import MAX_BODY, TokenRequest, from_exchange, from_form, from_query, header
from pratique.identity.token_service import IssuedTokens, TokenService

PATHS = ("/oauth2/token", "/token")
PREFIXES = ("/oauth2/", "/token")
EXCHANGE_PATH = "/oauth2/exchange"
KEYS_PATH = "/oauth2/keys"

_OCI = {401: "UNAUTHORIZED", 403: "DENIED", 404: "UNSUPPORTED", 429: "TOOMANYREQUESTS"}
_OAUTH = {400: "invalid_request", 401: "invalid_client", 429: "temporarily_unavailable", 503: "temporarily_unavailable"}


def token_app(service: TokenService, keys: KeyClient) -> AsgiApp:
    """The ASGI application of the token endpoint; errors are raised and shaped by `token_error`."""

    async def app(scope: HttpScope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"].decode("ascii", "replace")
        if path == KEYS_PATH and scope["method"] in ("GET", "HEAD"):
            jwks = {"keys": [key.jwk for key in keys.public_keys(Purpose.TOKEN)]}
            await _answer(send, jwks, cache=True)
        elif path in PATHS and scope["method"] in ("GET", "POST"):
            request = await _request(scope, receive)
            issued = await service.issue(request, _address(scope))
            await _answer(send, _docker(issued) if scope["method"] == "GET" else _oauth(issued))
        elif path == EXCHANGE_PATH and scope["method"] == "POST":
            token = await service.exchange(from_exchange(await read_all(receive, MAX_BODY)))
            await _answer(send, {"refresh_token": token})
        else:
            raise NotFound("There is no such endpoint.", remedy="Tokens are given at /oauth2/token.")

    return app


def token_error(error: PratiqueError, scope: HttpScope) -> ErrorAnswer:
    """An error in the words of both Docker's and OAuth2's clients."""
    status = error.status
    message = f"{error.message} {error.remedy}".strip()
    body = {
        "errors": [{"code": _OCI.get(status, "UNKNOWN"), "message": message, "detail": {"code": error.code}}],
        "error": _OAUTH.get(status, "server_error"),
        "error_description": message,
    }
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if status == 401:
        host = header(scope.get("pratique.headers", {}), b"host")
        realm = "".join(c for c in host if c.isalnum() or c in ".:-[]")
        headers["www-authenticate"] = f'Basic realm="{realm}",charset="UTF-8"'
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["retry-after"] = str(max(1, round(retry_after)))
    return ErrorAnswer(status, headers, msgspec.json.encode(body))


async def _request(scope: HttpScope, receive: Receive) -> TokenRequest:
    authorization = header(scope["pratique.headers"], b"authorization")
    if scope["method"] == "GET":
        return from_query(scope["query_string"], authorization)
    return from_form(await read_all(receive, MAX_BODY), authorization)


def _docker(issued: IssuedTokens) -> dict[str, Any]:
    issued_at = dt.datetime.fromtimestamp(issued.issued_at // SECOND, tz=dt.UTC)
    answer = {
        "token": issued.access_token,
        "access_token": issued.access_token,
        "expires_in": issued.expires_in,
        "issued_at": issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return answer | ({"refresh_token": issued.refresh_token} if issued.refresh_token else {})


def _oauth(issued: IssuedTokens) -> dict[str, Any]:
    scope = " ".join(f"{one.kind}:{one.name}:{','.join(one.actions)}" for one in issued.access)
    answer = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": scope,
    }
    return answer | ({"refresh_token": issued.refresh_token} if issued.refresh_token else {})


async def _answer(send: Send, body: Mapping[str, Any], *, cache: bool = False) -> None:
    data = msgspec.json.encode(body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"public, max-age=300" if cache else b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": data})


def _address(scope: HttpScope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""
