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

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the permission of this name, in any case; raises Invalid."""
        found = next((one for one in cls if one.value == text.lower()), None)
        if found is None:
            raise Invalid(f"There is no permission {text[:80]!r}.", remedy="See docs/reference/permissions.md.")
        return found

    ADVISORIES_FEEDS_READ = "advisories/feeds/read", "See the advisory feeds, their age and what is missing."
    ADVISORIES_FEEDS_SYNC = "advisories/feeds/sync", "Fetch or import advisory data."
    IDENTITY_ACTIVATIONS_APPROVE = (
        "identity/activations/approve",
        "Approve that somebody activates a role that they are eligible for.",
    )
    IDENTITY_ASSIGNMENTS_DELEGATE = "identity/assignments/delegate", "Give roles with rights that one does not hold."
    IDENTITY_ASSIGNMENTS_READ = "identity/assignments/read", "See who holds which role at a scope."
    IDENTITY_ASSIGNMENTS_WRITE = "identity/assignments/write", "Give and take roles at a scope."
    IDENTITY_GROUPS_READ = "identity/groups/read", "See groups and who belongs to them."
    IDENTITY_GROUPS_WRITE = "identity/groups/write", "Create groups, change who belongs to them, delete them."
    IDENTITY_PRINCIPALS_READ = "identity/principals/read", "See principals and the state of their credentials."
    IDENTITY_PRINCIPALS_WRITE = "identity/principals/write", "Create, change and delete principals and credentials."
    IDENTITY_PROVIDERS_READ = (
        "identity/providers/read",
        "See the OpenID Connect providers through which people sign in.",
    )
    IDENTITY_PROVIDERS_WRITE = (
        "identity/providers/write",
        "Add, change and remove OpenID Connect providers, and what their groups mean here.",
    )
    IDENTITY_ROLES_WRITE = "identity/roles/write", "Create, change and delete custom roles."
    IDENTITY_SESSIONS_READ = "identity/sessions/read", "See the sessions of other people."
    IDENTITY_SESSIONS_WRITE = "identity/sessions/write", "End the sessions of other people."
    RECOMMENDATIONS_ITEMS_READ = "recommendations/items/read", "See recommendations and the score."
    RECOMMENDATIONS_ITEMS_WRITE = "recommendations/items/write", "Set owners and due dates of recommendations."
    REGISTRY_CACHES_READ = "registry/caches/read", "See cache rules for other registries and their state."
    REGISTRY_CACHES_WRITE = "registry/caches/write", "Create, change and delete cache rules for other registries."
    REGISTRY_CATALOG_LIST = "registry/catalog/list", "List the names of repositories."
    REGISTRY_CONTENT_DELETE = "registry/content/delete", "Delete manifests, tags and blobs."
    REGISTRY_CONTENT_IMPORT = "registry/content/import", "Import images from other registries."
    REGISTRY_CONTENT_READ = "registry/content/read", "Pull what has an open gate."
    REGISTRY_CONTENT_SIGN = "registry/content/sign", "Attach signatures and attestations."
    REGISTRY_CONTENT_WRITE = "registry/content/write", "Push manifests and blobs."
    REGISTRY_DELETED_PURGE = "registry/deleted/purge", "Delete for good, before its time, what can still be restored."
    REGISTRY_DELETED_READ = "registry/deleted/read", "See deleted manifests and tags that can still be restored."
    REGISTRY_DELETED_RESTORE = "registry/deleted/restore", "Restore deleted manifests and tags."
    REGISTRY_EVENTS_READ = "registry/events/read", "See events of the registry and their delivery."
    REGISTRY_METADATA_READ = "registry/metadata/read", "See tags, referrers and attributes."
    REGISTRY_METADATA_WRITE = "registry/metadata/write", "Change attributes of repositories, lock tags."
    REGISTRY_QUARANTINE_READ = "registry/quarantine/read", "Pull what is held or refused."
    REGISTRY_QUARANTINE_WRITE = "registry/quarantine/write", "Move content out of quarantine and back."
    REGISTRY_REPLICATIONS_READ = "registry/replications/read", "See replications and how far they are."
    REGISTRY_REPLICATIONS_WRITE = "registry/replications/write", "Create, change and delete replications."
    REGISTRY_RETENTION_READ = "registry/retention/read", "See retention policies and what they would delete."
    REGISTRY_RETENTION_WRITE = "registry/retention/write", "Set retention policies, and run them."
    REGISTRY_STORAGE_COLLECT = "registry/storage/collect", "Run garbage collection."
    REGISTRY_STORAGE_READ = "registry/storage/read", "See what storage is used for."
    REGISTRY_WEBHOOKS_READ = "registry/webhooks/read", "See webhooks and their deliveries."
    REGISTRY_WEBHOOKS_WRITE = "registry/webhooks/write", "Create, change, try and delete webhooks."
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
    VAULT_CERTIFICATES_BACKUP = "vault/certificates/backup", "Take backups of certificates."
    VAULT_CERTIFICATES_CREATE = (
        "vault/certificates/create",
        "Create certificates, and complete those that wait for a signature.",
    )
    VAULT_CERTIFICATES_DELETE = (
        "vault/certificates/delete",
        "Delete certificates; until they are purged they can be recovered.",
    )
    VAULT_CERTIFICATES_GET = (
        "vault/certificates/get",
        "Read certificates, their policies and operations, without private keys.",
    )
    VAULT_CERTIFICATES_IMPORT = "vault/certificates/import", "Import certificates with their private keys."
    VAULT_CERTIFICATES_LIST = "vault/certificates/list", "List certificates and their versions."
    VAULT_CERTIFICATES_PURGE = "vault/certificates/purge", "Delete certificates for good; nobody can recover them."
    VAULT_CERTIFICATES_RECOVER = "vault/certificates/recover", "Recover deleted certificates."
    VAULT_CERTIFICATES_RESTORE = "vault/certificates/restore", "Restore certificates from a backup."
    VAULT_CERTIFICATES_UPDATE = "vault/certificates/update", "Change attributes and policies of certificates."
    VAULT_CONTACTS_WRITE = "vault/contacts/write", "Change who is told before certificates end."
    VAULT_ISSUERS_READ = "vault/issuers/read", "See issuers of certificates."
    VAULT_ISSUERS_WRITE = "vault/issuers/write", "Create, change and delete issuers of certificates."
    VAULT_KEYS_BACKUP = "vault/keys/backup", "Take backups of keys, readable by this installation only."
    VAULT_KEYS_CREATE = "vault/keys/create", "Create keys."
    VAULT_KEYS_DECRYPT = "vault/keys/decrypt", "Decrypt with keys."
    VAULT_KEYS_DELETE = "vault/keys/delete", "Delete keys; until they are purged they can be recovered."
    VAULT_KEYS_ENCRYPT = "vault/keys/encrypt", "Encrypt with keys."
    VAULT_KEYS_GET = "vault/keys/get", "Read keys: attributes and the public part."
    VAULT_KEYS_IMPORT = "vault/keys/import", "Import keys."
    VAULT_KEYS_LIST = "vault/keys/list", "List keys and their versions."
    VAULT_KEYS_PURGE = "vault/keys/purge", "Delete keys for good; nobody can recover them."
    VAULT_KEYS_RECOVER = "vault/keys/recover", "Recover deleted keys."
    VAULT_KEYS_RELEASE = "vault/keys/release", "Release exportable keys to an attested environment."
    VAULT_KEYS_RESTORE = "vault/keys/restore", "Restore keys from a backup."
    VAULT_KEYS_ROTATE = "vault/keys/rotate", "Make a new version of a key now."
    VAULT_KEYS_SIGN = "vault/keys/sign", "Sign with keys."
    VAULT_KEYS_UNWRAP = "vault/keys/unwrap", "Unwrap keys with keys."
    VAULT_KEYS_UPDATE = "vault/keys/update", "Change attributes of keys."
    VAULT_KEYS_VERIFY = "vault/keys/verify", "Verify signatures with keys."
    VAULT_KEYS_WRAP = "vault/keys/wrap", "Wrap keys with keys."
    VAULT_ROTATION_READ = "vault/rotation/read", "See rotation policies of keys."
    VAULT_ROTATION_WRITE = "vault/rotation/write", "Change rotation policies of keys."
    VAULT_SECRETS_BACKUP = "vault/secrets/backup", "Take backups of secrets, readable by this installation only."
    VAULT_SECRETS_DELETE = "vault/secrets/delete", "Delete secrets; until they are purged they can be recovered."
    VAULT_SECRETS_GET = "vault/secrets/get", "Read values of secrets."
    VAULT_SECRETS_LIST = "vault/secrets/list", "List secrets and their versions, without values."
    VAULT_SECRETS_PURGE = "vault/secrets/purge", "Delete secrets for good; nobody can recover them."
    VAULT_SECRETS_RECOVER = "vault/secrets/recover", "Recover deleted secrets."
    VAULT_SECRETS_RESTORE = "vault/secrets/restore", "Restore secrets from a backup."
    VAULT_SECRETS_SET = "vault/secrets/set", "Write values of secrets."
    VAULT_SECRETS_UPDATE = "vault/secrets/update", "Change attributes of secrets."
    VAULT_VAULTS_DELETE = "vault/vaults/delete", "Delete vaults; until they are purged they can be recovered."
    VAULT_VAULTS_PURGE = (
        "vault/vaults/purge",
        "Delete vaults for good with all that they hold; nobody can recover them.",
    )
    VAULT_VAULTS_READ = "vault/vaults/read", "See vaults and their properties, not what they hold."
    VAULT_VAULTS_RECOVER = "vault/vaults/recover", "Recover deleted vaults."
    VAULT_VAULTS_WRITE = "vault/vaults/write", "Create vaults and change their properties."


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


CallerKind = Literal["user", "service", "agent", "managed", "operator", "anonymous", "group"]


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


@dataclass(frozen=True, slots=True, order=True)
class NamePattern:
    """Repositories below a scope with one name, or with names that begin so."""

    scope: Scope
    text: str
    exact: bool

    def covers(self, scope: Scope) -> bool:
        if scope.segments[:1] != ("registry",) or not self.scope.covers(scope):
            return False
        name = "/".join(scope.segments[1:])
        return name == self.text if self.exact else name.startswith(self.text)


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a caller holds a permission, for SQL filters: below any of `allowed` or named so, and below no `denied`."""

    allowed: tuple[Scope, ...] = ()
    denied: tuple[Scope, ...] = ()
    bound: tuple[Bound, ...] | None = field(default=None)
    names: tuple[NamePattern, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.allowed and not self.names

    @property
    def is_everything(self) -> bool:
        return _ROOT in self.allowed and not self.denied and self.bound is None

    def covers(self, scope: Scope) -> bool:
        if any(denied.covers(scope) for denied in self.denied):
            return False
        if not any(allowed.covers(scope) for allowed in self.allowed) and not any(
            pattern.covers(scope) for pattern in self.names
        ):
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
