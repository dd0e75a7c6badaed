"""What may be done, where, and by whom: permissions, scopes, callers and the question that every request asks.

Permissions are one sorted list, `domain/resource/verb`. A scope is a path; an assignment at a scope holds for
everything below it. Text becomes a `Scope` once, at the edge; everything behind it trusts the type.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Literal, Protocol, Self

from pratique.core.errors import Invalid


class Permission(StrEnum):
    """Every right that the product knows, sorted; each with the sentence that documents it."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    ADVISORIES_FEEDS_READ = "advisories/feeds/read", "See the advisory feeds, their age and what is missing."
    ADVISORIES_FEEDS_SYNC = "advisories/feeds/sync", "Fetch or import advisory data."
    IDENTITY_ASSIGNMENTS_DELEGATE = "identity/assignments/delegate", "Give roles with rights that one does not hold."
    IDENTITY_ASSIGNMENTS_READ = "identity/assignments/read", "See who holds which role at a scope."
    IDENTITY_ASSIGNMENTS_WRITE = "identity/assignments/write", "Give and take roles at a scope."
    IDENTITY_PRINCIPALS_READ = "identity/principals/read", "See principals and the state of their credentials."
    IDENTITY_PRINCIPALS_WRITE = "identity/principals/write", "Create, change and delete principals and credentials."
    IDENTITY_SESSIONS_READ = "identity/sessions/read", "See the sessions of other people."
    IDENTITY_SESSIONS_WRITE = "identity/sessions/write", "End the sessions of other people."
    RECOMMENDATIONS_ITEMS_READ = "recommendations/items/read", "See recommendations and the score."
    RECOMMENDATIONS_ITEMS_WRITE = "recommendations/items/write", "Set owners and due dates of recommendations."
    REGISTRY_CATALOG_LIST = "registry/catalog/list", "List the names of repositories."
    REGISTRY_CONTENT_DELETE = "registry/content/delete", "Delete manifests, tags and blobs."
    REGISTRY_CONTENT_READ = "registry/content/read", "Pull what has an open gate."
    REGISTRY_CONTENT_SIGN = "registry/content/sign", "Attach signatures and attestations."
    REGISTRY_CONTENT_WRITE = "registry/content/write", "Push manifests and blobs."
    REGISTRY_METADATA_READ = "registry/metadata/read", "See tags, referrers and attributes."
    REGISTRY_METADATA_WRITE = "registry/metadata/write", "Change attributes of repositories, lock tags."
    REGISTRY_QUARANTINE_READ = "registry/quarantine/read", "Pull what is held or refused."
    REGISTRY_QUARANTINE_WRITE = "registry/quarantine/write", "Move content out of quarantine and back."
    SCAN_FINDINGS_READ = "scan/findings/read", "See findings and their evidence."
    SCAN_IMAGES_ASSESS = "scan/images/assess", "Ask for an image to be assessed again."
    SYSTEM_AUDIT_READ = "system/audit/read", "Read and verify the audit log."
    SYSTEM_JOBS_READ = "system/jobs/read", "See background work."
    SYSTEM_JOBS_WRITE = "system/jobs/write", "Repeat and cancel background work."
    SYSTEM_METRICS_READ = "system/metrics/read", "Read metrics."
    SYSTEM_SETTINGS_READ = "system/settings/read", "See settings and where each value comes from."
    TRUST_DECISIONS_READ = "trust/decisions/read", "See decisions and their reasons."
    TRUST_EXEMPTIONS_READ = "trust/exemptions/read", "See exemptions."
    TRUST_EXEMPTIONS_WRITE = "trust/exemptions/write", "Grant and withdraw exemptions."
    TRUST_POLICIES_READ = "trust/policies/read", "See policies."
    TRUST_POLICIES_WRITE = "trust/policies/write", "Change policies."


SCOPE_ROOTS = frozenset({"clusters", "groups", "hosts", "registry", "vaults"})
_MAX_SCOPE = 512
_SEGMENT = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """A canonical place in the product: lower-case segments, no dots-only, empty or escaped ones."""

    segments: tuple[str, ...] = ()

    @classmethod
    def root(cls) -> "Scope":
        return _ROOT

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """Read `/registry/team/` in any ASCII case, with or without the last slash; refuse everything unclear."""
        if len(text) > _MAX_SCOPE or not text.startswith("/"):
            raise _not_a_scope(text)
        body = text[1:].removesuffix("/")
        if not body:
            if text == "/":
                return _ROOT
            raise _not_a_scope(text)
        segments = tuple(_segment(part, text) for part in body.split("/"))
        if segments[0] not in SCOPE_ROOTS:
            raise _not_a_scope(text)
        return cls(segments)

    @classmethod
    def for_repository(cls, name: str) -> "Scope":
        """The scope of one repository; `name` is a valid repository name already, and is checked all the same."""
        return _repository_scope(name)

    def covers(self, other: "Scope") -> bool:
        """True for the same place and everything below it."""
        return other.segments[: len(self.segments)] == self.segments

    def __str__(self) -> str:
        return "/" + "/".join(self.segments)


_ROOT = Scope()


def _segment(part: str, whole: str) -> str:
    # ASCII first: some letters outside it become plain ones when lower-cased, and would forge a name.
    lowered = part.lower() if part.isascii() else ""
    if not _SEGMENT.fullmatch(lowered) or ".." in lowered:
        raise _not_a_scope(whole)
    return lowered


def _not_a_scope(text: str) -> Invalid:
    return Invalid(
        f"{text[:80]!r} is not a scope.",
        remedy=f"Write a path such as /registry/team; it is / or starts with one of: {', '.join(sorted(SCOPE_ROOTS))}.",
    )


@lru_cache(maxsize=4096)
def _repository_scope(name: str) -> Scope:
    return Scope.parse(f"/registry/{name}")


@dataclass(frozen=True, slots=True)
class Bound:
    """An upper bound that a token puts on its caller; it never grants anything by itself."""

    scope: Scope
    permissions: frozenset[Permission]
    exact: bool = False
    """Only this very place, as a registry token for `team` says nothing of `team/app`."""

    def admits(self, permission: Permission, scope: Scope) -> bool:
        if permission not in self.permissions:
            return False
        return self.scope == scope if self.exact else self.scope.covers(scope)


CallerKind = Literal["user", "service", "agent", "operator", "anonymous"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a proven principal, the credential that proved it, and the bound of the token it came with."""

    principal_id: str
    name: str
    kind: CallerKind
    credential_id: str = ""
    bound: tuple[Bound, ...] | None = None
    """`None` is unbounded; an empty tuple admits nothing."""
    session_id: str | None = None

    def admits(self, permission: Permission, scope: Scope) -> bool:
        """True when the token's bound does not forbid it; says nothing about assignments."""
        return self.bound is None or any(bound.admits(permission, scope) for bound in self.bound)

    @property
    def is_anonymous(self) -> bool:
        return self.kind == "anonymous"


ANONYMOUS = Caller(principal_id="00000000-0000-7000-8000-000000000000", name="anonymous", kind="anonymous")
SYSTEM = Caller(principal_id="00000000-0000-7000-8000-000000000001", name="system", kind="service")
"""The installation itself, as author of what no person or client asked for (jobs, schedules, migrations)."""

OPERATOR = Caller(principal_id="00000000-0000-7000-8000-000000000002", name="local-operator", kind="operator")
"""Whoever can open the admin socket of the key process on the machine itself: holds every permission, everywhere."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a caller holds a permission: below any of `allowed`, and not below any of `denied`; for SQL filters."""

    allowed: tuple[Scope, ...] = ()
    denied: tuple[Scope, ...] = ()
    bound: tuple[Bound, ...] | None = field(default=None)

    @property
    def is_empty(self) -> bool:
        return not self.allowed

    @property
    def is_everything(self) -> bool:
        return _ROOT in self.allowed and not self.denied and self.bound is None

    def covers(self, scope: Scope) -> bool:
        if any(denied.covers(scope) for denied in self.denied):
            return False
        if not any(allowed.covers(scope) for allowed in self.allowed):
            return False
        return self.bound is None or any(
            bound.scope == scope if bound.exact else bound.scope.covers(scope) for bound in self.bound
        )


class Authorizer(Protocol):
    """Answers from memory, on any thread, against the assignments of now; default deny, and deny wins."""

    def allowed(self, caller: Caller, permission: Permission, scope: Scope) -> bool: ...

    def require(self, caller: Caller, permission: Permission, scope: Scope) -> None:
        """Return, or raise `Denied` naming the missing right and a role that grants it."""

    def extent(self, caller: Caller, permission: Permission) -> Extent:
        """Where the caller holds the permission, for lists that filter in SQL."""


def allowed_any(authorizer: Authorizer, caller: Caller, permissions: Iterable[Permission], scope: Scope) -> bool:
    """True when one of the permissions is held."""
    return any(authorizer.allowed(caller, permission, scope) for permission in permissions)
