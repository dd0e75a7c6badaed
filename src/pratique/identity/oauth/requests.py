"""One request to the Entra-shaped endpoints, read once: who asks from where, for which tenant, with which fields."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

import msgspec

from pratique.core.errors import Invalid
from pratique.core.http.plane import HttpScope
from pratique.core.redaction import redact
from pratique.identity.oauth.errors import ClientRefused, RequestUnclear
from pratique.identity.token_requests import fields_of, header

_MAX_VALUE = 20 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request came in: what the addresses in answers and proofs are made of."""

    origin: str
    """`https://host[:port]` as the client knows this server; the pipeline knows the host."""
    tenant: str
    """The first segment of the path as it was sent."""

    def url(self, rest: str) -> str:
        return f"{self.origin}/{self.tenant}{rest}"


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """A form that asks for a token."""

    place: Place
    fields: Mapping[str, str] = field(repr=False)
    address: str = ""
    agent: str = ""
    first_version: bool = False
    """Sent to `/oauth2/token`, which names a `resource` in place of a scope."""

    def get(self, name: str) -> str:
        return self.fields.get(name, "")

    def need(self, name: str) -> str:
        """The value of a field, or raise RequestUnclear."""
        value = self.get(name)
        if not value:
            raise RequestUnclear(f"The field {name} is missing.", remedy="Client libraries send it by themselves.")
        return value

    @property
    def understands_revocation(self) -> bool:
        """The client sent the capability CP1: it asks for a new token when one ends before its time."""
        claims = self.get("claims")
        if "CP1" not in claims:
            return False
        try:
            return "CP1" in msgspec.json.decode(claims)["access_token"]["xms_cc"]["values"]
        except (msgspec.DecodeError, RecursionError, KeyError, TypeError):
            return False


def grant_request(scope: HttpScope, place: Place, body: bytes, *, first_version: bool = False) -> GrantRequest:
    """Read a form with the client's name and secret in it or in a Basic header, not in both."""
    try:
        fields = dict(fields_of(body))
    except Invalid as error:
        raise RequestUnclear(error.message, remedy=error.remedy) from None
    if any(len(value) > _MAX_VALUE for value in fields.values()):
        raise RequestUnclear("A field is too long.")
    headers = scope["pratique.headers"]
    authorization = header(headers, b"authorization")
    if authorization:
        fields = _with_basic(fields, authorization)
    client = scope.get("client")
    return GrantRequest(
        place=place,
        fields=fields,
        address=str(client[0]) if client else "",
        agent=redact(header(headers, b"user-agent"), limit=200),
        first_version=first_version,
    )


def _with_basic(fields: dict[str, str], authorization: str) -> dict[str, str]:
    """Client name and secret are form-encoded inside Basic (RFC 6749, 2.3.1)."""
    scheme, _, value = authorization.partition(" ")
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:  # of base64, of UTF-8, and for what is not ASCII
        name, colon, secret = "", "", ""
    if scheme.lower() != "basic" or not colon:
        raise ClientRefused("The authorization header cannot be read.", remedy="Send Basic, or client_secret.")
    if fields.get("client_secret") or fields.get("client_assertion"):
        raise RequestUnclear("The client proves itself twice.", remedy="Send one proof.")
    return {**fields, "client_id": unquote_plus(name), "client_secret": unquote_plus(secret)}
