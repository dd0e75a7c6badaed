"""Built-in roles: Azure's names and ids where Azure has one, and what each permits here.

Source of the names and ids: MicrosoftDocs/azure-docs, articles/role-based-access-control/built-in-roles.
"""

from collections.abc import Iterable

from pratique.core.permissions import Permission
from pratique.identity.errors import RoleNotFound
from pratique.identity.types import Role

_ALL = frozenset(Permission)
_READ = frozenset(p for p in Permission if p.value.endswith(("/read", "/list")))
_IDENTITY_WRITES = frozenset(
    {
        Permission.IDENTITY_ASSIGNMENTS_DELEGATE,
        Permission.IDENTITY_ASSIGNMENTS_WRITE,
        Permission.IDENTITY_PRINCIPALS_WRITE,
        Permission.IDENTITY_SESSIONS_WRITE,
    }
)
# Azure keeps quarantined content and exemptions out of the general roles; so does this list.
_NOT_FOR_CONTRIBUTORS = _IDENTITY_WRITES | {
    Permission.REGISTRY_QUARANTINE_WRITE,
    Permission.TRUST_EXEMPTIONS_WRITE,
    Permission.TRUST_POLICIES_WRITE,
}
_SECRETIVE = frozenset({Permission.REGISTRY_QUARANTINE_READ, Permission.SYSTEM_AUDIT_READ})
_SECURITY_DOMAINS = ("advisories/", "recommendations/", "scan/", "trust/")
_SECURITY_READ = frozenset(p for p in _READ if p.value.startswith(_SECURITY_DOMAINS)) | {
    Permission.REGISTRY_CATALOG_LIST,
    Permission.REGISTRY_METADATA_READ,
    Permission.SYSTEM_AUDIT_READ,
    Permission.SYSTEM_JOBS_READ,
}
_PULL = frozenset({Permission.REGISTRY_CONTENT_READ, Permission.REGISTRY_METADATA_READ})
_QUARANTINE_READ = frozenset({Permission.REGISTRY_METADATA_READ, Permission.REGISTRY_QUARANTINE_READ})


def _role(role_id: str, name: str, description: str, permissions: Iterable[Permission]) -> Role:
    return Role(role_id, name, description, frozenset(permissions))


BUILT_IN: tuple[Role, ...] = (
    _role("7f951dda-4ed3-4680-a7ca-43fe172d538d", "AcrPull", "Pull images whose gate is open.", _PULL),
    _role(
        "8311e382-0749-4cb8-b61a-304f252e45ec",
        "AcrPush",
        "Push images, and pull them.",
        _PULL | {Permission.REGISTRY_CONTENT_WRITE},
    ),
    _role(
        "c2f4ef07-c644-48eb-af81-4b1b4947fb11",
        "AcrDelete",
        "Delete images, tags and blobs.",
        {Permission.REGISTRY_CONTENT_DELETE, Permission.REGISTRY_METADATA_READ},
    ),
    _role(
        "6cef56e8-d556-48e5-a04f-b8e64114680f",
        "AcrImageSigner",
        "Attach signatures and attestations to images.",
        {Permission.REGISTRY_CONTENT_SIGN, Permission.REGISTRY_METADATA_READ},
    ),
    _role(
        "cdda3590-29a3-44f6-95f2-9f980659eb04",
        "AcrQuarantineReader",
        "Pull images that are held or refused.",
        _QUARANTINE_READ,
    ),
    _role(
        "c8d4ff99-41c3-41a8-9f60-21dfdad59608",
        "AcrQuarantineWriter",
        "Pull images that are held or refused, and move them in and out of quarantine.",
        _QUARANTINE_READ | {Permission.REGISTRY_QUARANTINE_WRITE},
    ),
    _role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", "Everything, including who may do what.", _ALL),
    _role(
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        "Everything but access, policies, exemptions and quarantine.",
        _ALL - _NOT_FOR_CONTRIBUTORS,
    ),
    _role(
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "Reader",
        "See everything but quarantined content and the audit log.",
        _READ - _SECRETIVE,
    ),
    _role(
        "fb1c8493-542b-48eb-b624-b4c8fea62acd",
        "SecurityAdmin",
        "See all that concerns security; change policies, exemptions, recommendations and advisory data.",
        _SECURITY_READ | {p for p in Permission if p.value.startswith(_SECURITY_DOMAINS)},
    ),
    _role("39bc4728-0917-49c7-9d2c-d95423bc2eb4", "SecurityReader", "See all that concerns security.", _SECURITY_READ),
    _role(
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "UserAccessAdministrator",
        "Manage principals, and who holds which role, any role.",
        _IDENTITY_WRITES | {p for p in _READ if p.value.startswith("identity/")},
    ),
)

BY_ID = {role.id: role for role in BUILT_IN}
_BY_NAME = {role.name.lower(): role for role in BUILT_IN} | {
    "administrator": BY_ID["8e3af657-a8ff-443c-a75c-2fe8c4bcb635"]
}


def find(name_or_id: str) -> Role:
    """Return the role with this id or this name in any case, or raise RoleNotFound listing what there is."""
    key = name_or_id.lower()
    role = BY_ID.get(key) or _BY_NAME.get(key)
    if role is None:
        raise RoleNotFound(
            f"There is no role {name_or_id[:80]!r}.",
            remedy="Roles: " + ", ".join(role.name for role in BUILT_IN) + ".",
        )
    return role


def granting(permission: Permission) -> tuple[Role, ...]:
    """Built-in roles with a permission, the one with the fewest others first."""
    return tuple(sorted((r for r in BUILT_IN if permission in r.permissions), key=lambda r: len(r.permissions)))
