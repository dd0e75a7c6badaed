"""Values of identity: principals and what proves them, roles and where they hold, sessions and tokens."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pratique.core.errors import Invalid
from pratique.core.permissions import Permission, Scope

PrincipalKind = Literal["user", "service", "agent", "managed", "operator", "anonymous", "group"]
PrincipalState = Literal["active", "disabled"]
CredentialKind = Literal["client-secret", "certificate", "federated", "holder", "sign-in"]
Effect = Literal["allow", "deny"]

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._@+-]{0,126}[a-z0-9])?")


@dataclass(frozen=True, slots=True, order=True)
class PrincipalName:
    """A canonical name of a principal: ASCII, lower case, safe in a shell, a URL and a file name."""

    text: str

    @classmethod
    def parse(cls, text: str) -> "PrincipalName":
        """Read a name in any case; refuse spaces, controls, other alphabets and look-alikes instead of mapping them."""
        lowered = text.lower() if text.isascii() else ""
        if not _NAME.fullmatch(lowered) or ".." in lowered:
            raise Invalid(
                f"{text[:80]!r} is not a name for a principal.",
                remedy="Use 1 to 128 of a-z, 0-9 and . _ @ + - ; start and end with a letter or digit.",
            )
        return cls(lowered)

    def __str__(self) -> str:
        return self.text


class Audience(StrEnum):
    """What a token is for; a token for one is refused by all others."""

    EXCHANGE = "exchange"
    """Proof for `/oauth2/exchange`, which gives a refresh token of the registry for it; no good anywhere else."""
    MANAGEMENT = "management"
    REFRESH = "refresh"
    """Gives tokens for the registry and for nothing else."""
    REGISTRY = "registry"
    SIGN_IN = "sign-in"
    """The refresh token of a person's sign-in at a terminal; gives tokens for every resource that was consented to."""
    VAULT = "vault"


@dataclass(frozen=True, slots=True)
class Principal:
    """Someone or something that can hold roles."""

    id: str
    name: str
    kind: PrincipalKind
    state: PrincipalState
    display_name: str
    created_at: int
    created_by: str


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves a principal, as it may be shown: never the value of a secret."""

    id: str
    principal_id: str
    kind: CredentialKind
    label: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A client secret at the only moment at which its value is known."""

    credential: Credential
    value: str

    def __repr__(self) -> str:
        return f"NewSecret(credential={self.credential.id!r})"


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions; built-in ones carry Azure's name and id where Azure has one."""

    id: str
    name: str
    description: str
    permissions: frozenset[Permission]
    builtin: bool = True
    actions: tuple[str, ...] = ()
    """Azure's management actions that it was made from, in Azure's spelling."""
    data_actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role that a principal holds, or is denied, at a scope and below."""

    id: str
    principal_id: str
    role_id: str
    scope: Scope
    effect: Effect
    created_at: int
    created_by: str
    expires_at: int | None = None
    condition: str = ""
    """On which repositories it holds (`identity.conditions`); empty: on all at the scope."""
    activation_id: str = ""
    """The activation that it came from, if somebody activated an eligible role for a time."""


@dataclass(frozen=True, slots=True)
class Session:
    """A person's sign-in at the console."""

    id: str
    principal_id: str
    method: str
    address: str
    agent: str
    created_at: int
    seen_at: int
    expires_at: int

    @property
    def means(self) -> str:
        """How somebody signed in: password, passkey, or the short name of a provider."""
        if self.method == "password":
            return "password"
        return self.method.removeprefix("oidc/") if self.method.startswith("oidc/") else "passkey"


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session at its start: `cookie` is the value that the browser keeps, and is known only now."""

    session: Session
    cookie: str

    def __repr__(self) -> str:
        return f"NewSession(session={self.session.id!r})"


@dataclass(frozen=True, slots=True)
class Through:
    """An assignment as it acts on somebody: with the name of its role, and of the group that holds it, if one does."""

    assignment: Assignment
    role: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a principal may or may not do something at a scope, and what it would take."""

    principal_id: str
    permission: Permission
    scope: Scope
    allowed: bool
    summary: str
    by: tuple[Assignment, ...] = ()
    """Assignments that allow it; or, when it is refused, those that deny it."""
    roles: tuple[Role, ...] = ()
    """When it is refused for want of an assignment: built-in roles that would grant it, the smallest first."""
    through: tuple[Through, ...] = ()
    """The same as `by`, with names; when it is refused by a condition, the assignments that have it."""
