"""The registry's words on the wire: errors of the OCI distribution specification, challenges, headers."""

import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from pratique.core.errors import (
    Busy,
    Denied,
    Invalid,
    NotFound,
    PratiqueError,
    RangeInvalid,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
)
from pratique.core.http.answers import retry_header
from pratique.core.http.plane import ErrorAnswer, HttpScope
from pratique.identity.oauth.challenges import claims_parts
from pratique.registry.acr.addresses import AcrAddress, parse_acr_address
from pratique.registry.addresses import parse_address
from pratique.registry.errors import Held

_CODES: tuple[tuple[type[PratiqueError], str], ...] = (
    (Unauthenticated, "UNAUTHORIZED"),
    (Denied, "DENIED"),
    (TooManyRequests, "TOOMANYREQUESTS"),
    (TooLarge, "SIZE_INVALID"),
    (NotFound, "NAME_UNKNOWN"),
    (Invalid, "UNSUPPORTED"),
    (Busy, "TOOMANYREQUESTS"),
)
_ACTIONS = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}
_HOST = re.compile(r"[A-Za-z0-9.\-\[\]:]{1,260}")
HELD_RETRY = 10
_SOURCES = "pratique.registry.sources"


def oci_error(error: PratiqueError, scope: HttpScope) -> ErrorAnswer:
    """The error body of the distribution specification; clients print its message, so what to do stands in it."""
    message = sentence(error)
    entry: dict[str, Any] = {"code": _code(error), "message": message}
    if error.detail:
        entry["detail"] = {
            key: value if isinstance(value, str | int) else str(value) for key, value in error.detail.items()
        }
    headers = retry_header(error, "application/json")
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = challenge(scope, error)
    if isinstance(error, Held):
        headers["retry-after"] = str(HELD_RETRY)
    if isinstance(error, RangeInvalid) and "size" in error.detail and scope["method"] in {"GET", "HEAD"}:
        headers["content-range"] = f"bytes */{error.detail['size']}"
    return ErrorAnswer(error.status, headers, msgspec.json.encode({"errors": [entry]}))


def sentence(error: PratiqueError) -> str:
    """Message and remedy as one line for a terminal."""
    if not error.remedy:
        return error.message
    return f"{error.message}{' ' if error.message.endswith(('.', '!', '?')) else ': '}{error.remedy}"


def challenge(scope: HttpScope, error: PratiqueError | None = None) -> str:
    """Return the Bearer challenge of this request (no blank after a comma: some clients split at blanks)."""
    host = host_of(scope)
    parts = [f'realm="{scope["scheme"]}://{host}/oauth2/token"', f'service="{host}"']
    wanted = _token_scope(scope)
    if wanted:
        parts.append(f'scope="{wanted}"')
    parts += claims_parts(error)
    return f"Bearer {','.join(parts)}"


def token_too_narrow(scope: HttpScope, source: str) -> Unauthenticated:
    """Return the error whose challenge also asks for the right to pull from another repository."""
    scope[_SOURCES] = (source,)
    return Unauthenticated(
        "the token was not issued for the source of the mount", remedy="ask for one with both scopes"
    )


def host_of(scope: HttpScope) -> str:
    """Return the host and port by which the client knows this server."""
    host = scope["pratique.headers"].get(b"host", b"").decode("latin-1")
    return host if _HOST.fullmatch(host) else "localhost"


def page_link(scope: HttpScope, repository: str, digest: str) -> str:
    """Return the address of the page that explains a manifest: the console host that belongs to this host."""
    host = host_of(scope)
    if host.startswith("registry."):
        host = "console." + host.removeprefix("registry.")
    return f"{scope['scheme']}://{host}/r/{repository}/-/{digest}"


def query_of(scope: HttpScope) -> dict[str, list[str]]:
    """Return the query parameters; raises Invalid for more than 50 or for bytes outside ASCII."""
    raw: bytes = scope["query_string"]
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError as error:
        raise Invalid("the query cannot be read", remedy=str(error)) from error
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def warning(text: str) -> str:
    """Return a Warning header that clients print (OCI distribution-spec, "Warnings")."""
    plain = "".join(character if " " <= character <= "~" else "?" for character in text)
    return f'299 - "{plain[:200].replace(chr(92), "/").replace(chr(34), chr(39))}"'


def _code(error: PratiqueError) -> str:
    own = getattr(error, "oci", None)
    if own is not None:
        return str(own)
    return next((code for kind, code in _CODES if isinstance(error, kind)), "UNKNOWN")


def _token_scope(scope: HttpScope) -> str:
    try:
        if scope["raw_path"].startswith(b"/acr/"):
            return _acr_scope(parse_acr_address(scope["raw_path"]), scope["method"])
        address = parse_address(scope["raw_path"])
    except PratiqueError:
        return ""
    if address.kind == "catalog":
        return "registry:catalog:*"
    if address.name is None:
        return ""
    # To look at an upload, or to end it, is part of a push.
    action = "pull,push" if address.kind == "uploads" else _ACTIONS.get(scope["method"], "pull,push")
    sources = "".join(f" repository:{source}:pull" for source in scope.get(_SOURCES, ()))
    return f"repository:{address.name}:{action}{sources}"


def _acr_scope(address: AcrAddress, method: str) -> str:
    if address.name is None:
        return "registry:catalog:*"
    action = {"GET": "metadata_read", "DELETE": "delete"}.get(method, "metadata_read,metadata_write")
    if address.kind == "manifest" and method == "PATCH":
        action = "metadata_read,metadata_write,quarantine_write"
    return f"repository:{address.name}:{action}"
