"""Values of sign-in through providers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID Connect provider that people may come from, without its secret."""

    id: str
    title: str
    issuer: str
    client_id: str
    has_secret: bool
    scopes: tuple[str, ...]
    group_claim: str
    allowed_domains: tuple[str, ...]
    """Domains of addresses that the provider has verified; whoever has one may enter."""
    allowed_groups: tuple[str, ...]
    """Values of the group claim; whoever has one may enter. With neither, only people who were linked may."""
    enabled: bool
    created_at: int
    created_by: str


@dataclass(frozen=True, slots=True)
class NewProvider:
    """What an administrator says of a provider."""

    id: str
    title: str
    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    group_claim: str = "groups"
    allowed_domains: tuple[str, ...] = ()
    allowed_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider answers, as its own configuration says."""

    authorization: str
    token: str
    userinfo: str
    end_session: str
    names_itself: bool
    """Whether it says in each answer who it is (RFC 9207)."""
    secret_in_body: bool
    """Whether it takes the client's secret in the form only."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """A sign-in that leaves for the provider: where the browser goes, and what it keeps meanwhile."""

    address: str
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """What a provider says of somebody who proved to be them; every text here is foreign."""

    subject: str
    email: str
    """Empty unless the provider says that it was verified."""
    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """That a person of a provider is a principal here."""

    provider_id: str
    subject: str
    principal_id: str
    email: str
    linked: bool
    """An administrator said so; such a person may come whatever the provider says of domain and groups."""
    created_at: int
    seen_at: int | None


Claims = Mapping[str, Any]
