"""The Entra-shaped endpoints as one ASGI application, below `/{tenant}/`, and its errors in OAuth's words."""

import datetime as dt
import uuid
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl

import msgspec

from pratique.core.errors import Invalid, NotFound, PratiqueError
from pratique.core.http.answers import answer, answer_json
from pratique.core.http.bodies import read_all
from pratique.core.http.plane import AsgiApp, ErrorAnswer, HttpScope, Plane, Receive, Send, request_id_of
from pratique.core.keys.types import KeyClient, Purpose
from pratique.identity.audiences import Audiences
from pratique.identity.oauth import discovery
from pratique.identity.oauth.devices import INTERVAL, LIFE, DeviceCodes, readable
from pratique.identity.oauth.errors import GrantRefused, TenantUnknown
from pratique.identity.oauth.grants import Grants
from pratique.identity.oauth.requests import GrantRequest, Place, grant_request
from pratique.identity.oauth.resources import wanted
from pratique.identity.token_requests import MAX_BODY, header

WORDS = ("adfs", "common", "organizations")
"""What clients write in place of the tenant when they do not know it; there is only one."""

_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}
_PUBLIC = {"cache-control": "public, max-age=300"}
_V2 = "/v2.0/.well-known/openid-configuration"
_V1 = "/.well-known/openid-configuration"

Handler = Callable[[HttpScope, Receive, Send, Place], Awaitable[None]]


class Endpoint:
    """Routes of one tenant: this installation."""

    def __init__(
        self,
        grants: Grants,
        devices: DeviceCodes,
        audiences: Audiences,
        keys: KeyClient,
        *,
        console: Callable[[str], str],
    ) -> None:
        self._grants = grants
        self._devices = devices
        self._audiences = audiences
        self._keys = keys
        self._console = console
        self.tenants = (keys.installation(), *WORDS)
        self._routes: Mapping[tuple[str, str], Handler] = {
            ("GET", _V2): self._configuration,
            ("GET", _V1): self._configuration,
            ("GET", "/discovery/v2.0/keys"): self._public_keys,
            ("GET", "/discovery/keys"): self._public_keys,
            ("GET", "/discovery/instance"): self._instance,
            ("GET", "/oauth2/v2.0/authorize"): self._authorize,
            ("GET", "/oauth2/authorize"): self._authorize,
            ("POST", "/oauth2/v2.0/token"): self._token,
            ("POST", "/oauth2/token"): self._token,
            ("POST", "/oauth2/v2.0/devicecode"): self._device_code,
            ("POST", "/oauth2/devicecode"): self._device_code,
        }

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"].decode("ascii", "replace")
        tenant, slash, rest = path.removeprefix("/").partition("/")
        if tenant not in self.tenants:
            raise TenantUnknown("There is no such tenant here.", remedy=f"The tenant is {self.tenants[0]}.")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        handler = self._routes.get((method, slash + rest))
        if handler is None:
            raise NotFound("There is no such endpoint.", remedy=f"See /{tenant}{_V2}")
        origin = f"https://{header(scope['pratique.headers'], b'host')}"
        await handler(scope, receive, send, Place(origin, tenant))

    async def _configuration(self, scope: HttpScope, _: Receive, send: Send, place: Place) -> None:
        version = "/v2.0" if scope["raw_path"].endswith(_V2.encode()) else ""
        await answer_json(send, 200, discovery.configuration(place, version=version), headers=_PUBLIC)

    async def _public_keys(self, _: HttpScope, __: Receive, send: Send, ___: Place) -> None:
        keys = [key.jwk for key in self._keys.public_keys(Purpose.TOKEN)]
        await answer_json(send, 200, {"keys": keys}, headers=_PUBLIC)

    async def _instance(self, scope: HttpScope, _: Receive, send: Send, place: Place) -> None:
        query = _query(scope)
        found = discovery.instance(place, query.get("authorization_endpoint", ""))
        await answer_json(send, 400 if "error" in found else 200, found, headers=_PUBLIC)

    async def _authorize(self, scope: HttpScope, _: Receive, send: Send, place: Place) -> None:
        """Send the browser to the console, the only host that knows who is signed in; the query goes along unread."""
        target = f"{self._console(place.origin)}/authorize"
        query = scope["query_string"].decode("ascii", "replace")
        if any(character in query for character in "\r\n"):
            raise Invalid("The query cannot be read.")
        await answer(send, 302, headers={**_NO_STORE, "location": f"{target}?{query}"})

    async def _token(self, scope: HttpScope, receive: Receive, send: Send, place: Place) -> None:
        request = await _form(scope, receive, place)
        await answer_json(send, 200, await self._grants.answer(request), headers=_NO_STORE)

    async def _device_code(self, scope: HttpScope, receive: Receive, send: Send, place: Place) -> None:
        request = await _form(scope, receive, place)
        made = await self._devices.begin(request, wanted(request, self._audiences))
        where, code = f"{self._console(place.origin)}/device", readable(made.user_code)
        body = {
            "device_code": made.device_code,
            "user_code": code,
            "verification_uri": where,
            "verification_url": where,
            "expires_in": LIFE // 1_000_000,
            "interval": INTERVAL // 1_000_000,
            "message": f"To sign in, open {where} in a browser and type the code {code}.",
        }
        await answer_json(send, 200, body, headers=_NO_STORE)


def sign_in_plane(endpoint: Endpoint) -> Plane:
    """Return the plane of the Entra-shaped endpoints: on the login host, and by path where one host serves all."""
    app: AsgiApp = endpoint
    return Plane("sign-in", ("login",), tuple(f"/{tenant}/" for tenant in endpoint.tenants), app, oauth_error)


def oauth_error(error: PratiqueError, scope: HttpScope) -> ErrorAnswer:
    """An error as OAuth's clients read it, with the number that Azure's print; and with what to do."""
    word, number = _words(error)
    text = f"{error.message} {error.remedy}".strip()
    trace = request_id_of(scope)
    body = {
        "error": word,
        "error_description": f"AADSTS{number}: {text} Trace ID: {trace}",
        "error_codes": [number],
        "timestamp": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ"),
        "trace_id": trace,
        "correlation_id": str(uuid.uuid5(uuid.NAMESPACE_OID, trace)),
    }
    headers = {"content-type": "application/json", **_NO_STORE}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["retry-after"] = str(max(1, round(retry_after)))
    return ErrorAnswer(error.status, headers, msgspec.json.encode(body))


def _words(error: PratiqueError) -> tuple[str, int]:
    if isinstance(error, GrantRefused):
        return error.oauth, error.number
    if error.status == 401:
        return "invalid_client", 7000215
    if error.status in (429, 503):
        return "temporarily_unavailable", 90033
    return ("invalid_request", 900144) if error.status < 500 else ("server_error", 90000)


async def _form(scope: HttpScope, receive: Receive, place: Place) -> GrantRequest:
    media_type = header(scope["pratique.headers"], b"content-type").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise Invalid("Forms are taken here.", remedy="Send application/x-www-form-urlencoded.")
    body = await read_all(receive, MAX_BODY)
    first = not scope["raw_path"].startswith(f"/{place.tenant}/oauth2/v2.0/".encode())
    # AD FS knows one version, whose forms name scopes.
    return grant_request(scope, place, body, first_version=first and place.tenant != discovery.ADFS)


def _query(scope: HttpScope) -> dict[str, str]:
    try:
        return dict(parse_qsl(scope["query_string"].decode("ascii"), max_num_fields=20))
    except ValueError:
        raise Invalid("The query cannot be read.") from None
