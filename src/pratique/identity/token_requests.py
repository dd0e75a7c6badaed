"""What clients send to the token endpoint, read into one shape: Docker's GET, OAuth2's POST, and Azure's habits.

A field may stand once, but for `scope` in a query, which Docker's clients repeat: of two values nobody can tell which
one another reader of the same request has taken.

Sources: distribution/distribution, docs/content/spec/auth/{token,oauth}.md; Azure/acr, docs/Token-BasicAuth.md and
docs/AAD-OAuth.md.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl

from pratique.core.errors import Invalid
from pratique.identity.errors import SignInRefused

MAX_BODY = 64 * 1024
_MAX_FIELDS = 64
_MAX_BASIC = 24 * 1024
REFRESH_USER = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Who says they are who, with what proof, and what the token is for."""

    proof: Literal["secret", "refresh", "none"]
    name: str = ""
    secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    service: str = ""
    offline: bool = False
    """A refresh token is asked for too."""


def from_query(query: bytes, authorization: str) -> TokenRequest:
    """Read a GET with its query and Basic authentication."""
    fields = fields_of(query, repeated=("scope",))
    name, secret = basic(authorization) if authorization else ("", "")
    return TokenRequest(
        proof=_proof(name, secret, given=bool(authorization)),
        name=name,
        secret=secret,
        scopes=tuple(value for key, value in fields if key == "scope"),
        service=one_of(fields, "service"),
        offline=one_of(fields, "offline_token") in ("true", "1"),
    )


def from_exchange(body: bytes) -> str:
    """Read a POST to `/oauth2/exchange`, and return the access token that is offered for a refresh token."""
    fields = fields_of(body)
    grant = one_of(fields, "grant_type")
    token = one_of(fields, "access_token")
    if grant not in ("access_token", "access_token_refresh_token") or not token:
        raise Invalid("An access token is exchanged here.", remedy="Send grant_type=access_token and access_token.")
    return token


def from_form(body: bytes, authorization: str) -> TokenRequest:
    """Read a POST whose grant is password, refresh_token or client_credentials."""
    fields = fields_of(body, repeated=("scope",))
    name, secret = _client(fields, authorization)
    grant = one_of(fields, "grant_type")
    refresh = one_of(fields, "refresh_token")
    proof: Literal["secret", "refresh", "none"]
    if grant == "refresh_token":
        proof, secret = "refresh", refresh
    elif grant == "password" and one_of(fields, "username"):
        name, secret = one_of(fields, "username"), one_of(fields, "password")
        proof = _proof(name, secret, given=True)
    elif grant == "password":
        proof, secret = ("refresh", refresh) if refresh else ("none", "")  # how Azure's clients ask anonymously
    elif grant == "client_credentials":
        proof = "secret"
    else:
        raise Invalid(
            f"The grant {grant[:40]!r} is not known.", remedy="Use password, refresh_token or client_credentials."
        )
    return TokenRequest(
        proof=proof,
        name=name,
        secret=secret,
        scopes=tuple(value for key, value in fields if key == "scope"),
        service=one_of(fields, "service"),
        offline=one_of(fields, "access_type") == "offline",
    )


def basic(authorization: str) -> tuple[str, str]:
    """Read `Basic …` (RFC 7617, UTF-8), or raise SignInRefused."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic" or len(value) > _MAX_BASIC:
        raise SignInRefused("The token endpoint takes Basic authentication.")
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:  # of base64, of UTF-8, and for what is not ASCII
        raise SignInRefused("The Basic authentication cannot be read.") from None
    if not colon:
        raise SignInRefused("The Basic authentication has no secret.")
    return name, secret


def header(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """One request header as text."""
    return headers.get(name, b"").decode("latin-1")


def _proof(name: str, secret: str, *, given: bool) -> Literal["secret", "refresh", "none"]:
    if not given:
        return "none"
    return "refresh" if name in (REFRESH_USER, "<token>") and secret.count(".") == 2 else "secret"


def _client(fields: Iterable[tuple[str, str]], authorization: str) -> tuple[str, str]:
    if authorization:
        return basic(authorization)
    fields = list(fields)
    return one_of(fields, "client_id"), one_of(fields, "client_secret")


def fields_of(data: bytes, *, repeated: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Return the fields of a form or query, each once but for those that may be repeated; or raise Invalid."""
    try:
        fields = parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise Invalid("The request cannot be read.", remedy="Send a form in UTF-8 with fewer fields.") from None
    names = [name for name, _ in fields if name not in repeated]
    if len(names) != len(set(names)):
        raise Invalid("A field stands twice in the request.", remedy="Send each field once.")
    return fields


def one_of(fields: Iterable[tuple[str, str]], name: str) -> str:
    """The value of a field, or ''."""
    return next((value for key, value in fields if key == name), "")
