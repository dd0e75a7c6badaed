"""Built-in roles: Azure's names, ids and actions where Azure has one, and what each permits here.

Source of names, ids and actions: MicrosoftDocs/azure-docs, articles/role-based-access-control/built-in-roles. What an
action means here stands in `azure_actions`; no `*` reaches purging, which is a right of its own.
"""

from collections.abc import Iterable

from pratique.core.permissions import Permission
from pratique.identity.azure_actions import REGISTRY, VAULT, permissions_of
from pratique.identity.errors import RoleNotFound
from pratique.identity.types import Role

_ALL = frozenset(Permission)
_VAULT_DATA = frozenset(
    p
    for p in Permission
    if p.value.startswith(("vault/certificates/", "vault/contacts/", "vault/issuers/", "vault/keys/"))
    or p.value.startswith(("vault/rotation/", "vault/secrets/"))
)
_READ = frozenset(p for p in Permission if p.value.endswith(("/read", "/list"))) - _VAULT_DATA
_PURGE = frozenset(p for p in Permission if p.value.startswith("vault/") and p.value.endswith("/purge"))
_IDENTITY_WRITES = frozenset(
    p for p in Permission if p.value.startswith("identity/") and p.value.endswith(("/write", "/delegate", "/approve"))
)
# Azure keeps quarantined content, exemptions and what vaults hold out of the general roles; so does this list.
_NOT_FOR_CONTRIBUTORS = (
    _IDENTITY_WRITES
    | _VAULT_DATA
    | _PURGE
    | {
        Permission.REGISTRY_DELETED_PURGE,
        Permission.REGISTRY_QUARANTINE_WRITE,
        Permission.TRUST_EXEMPTIONS_WRITE,
        Permission.TRUST_POLICIES_WRITE,
    }
)
_SECRETIVE = frozenset({Permission.REGISTRY_QUARANTINE_READ, Permission.SYSTEM_AUDIT_READ})
_SECURITY_DOMAINS = ("advisories/", "recommendations/", "scan/", "trust/")
_SECURITY_READ = frozenset(p for p in _READ if p.value.startswith(_SECURITY_DOMAINS)) | {
    Permission.REGISTRY_CATALOG_LIST,
    Permission.REGISTRY_METADATA_READ,
    Permission.SYSTEM_AUDIT_READ,
    Permission.SYSTEM_JOBS_READ,
}


def _role(role_id: str, name: str, description: str, permissions: Iterable[Permission]) -> Role:
    return Role(role_id, name, description, frozenset(permissions))


def _azure(
    role_id: str,
    name: str,
    description: str,
    *,
    root: str = REGISTRY,
    actions: tuple[str, ...] = (),
    data: tuple[str, ...] = (),
) -> Role:
    """A role that is what its actions permit."""
    full, full_data = tuple(f"{root}/{one}" for one in actions), tuple(f"{root}/{one}" for one in data)
    permissions = frozenset[Permission]().union(
        *(permissions_of(one, data=False) for one in full), *(permissions_of(one, data=True) for one in full_data)
    )
    return Role(role_id, name, description, permissions, actions=full, data_actions=full_data)


_REPOSITORY_READ = ("repositories/content/read", "repositories/metadata/read")
_REPOSITORY_WRITE = (*_REPOSITORY_READ, "repositories/content/write", "repositories/metadata/write")
_REPOSITORY_DELETE = (*_REPOSITORY_WRITE, "repositories/content/delete", "repositories/metadata/delete")

REGISTRY_ROLES: tuple[Role, ...] = (
    _azure(
        "7f951dda-4ed3-4680-a7ca-43fe172d538d", "AcrPull", "Pull images whose gate is open.", actions=("pull/read",)
    ),
    _azure(
        "8311e382-0749-4cb8-b61a-304f252e45ec",
        "AcrPush",
        "Push images, and pull them.",
        actions=("pull/read", "push/write"),
    ),
    _azure(
        "c2f4ef07-c644-48eb-af81-4b1b4947fb11",
        "AcrDelete",
        "Delete images, tags and blobs.",
        actions=("artifacts/delete",),
    ),
    _azure(
        "6cef56e8-d556-48e5-a04f-b8e64114680f",
        "AcrImageSigner",
        "Attach signatures and attestations to images.",
        actions=("sign/write",),
        data=("trustedCollections/write",),
    ),
    _azure(
        "cdda3590-29a3-44f6-95f2-9f980659eb04",
        "AcrQuarantineReader",
        "Pull images that are held or refused.",
        actions=("quarantine/read",),
        data=("quarantinedArtifacts/read",),
    ),
    _azure(
        "c8d4ff99-41c3-41a8-9f60-21dfdad59608",
        "AcrQuarantineWriter",
        "Pull images that are held or refused, and move them in and out of quarantine.",
        actions=("quarantine/read", "quarantine/write"),
        data=("quarantinedArtifacts/read", "quarantinedArtifacts/write"),
    ),
    _azure(
        "b93aa761-3e63-49ed-ac28-beffa264f7ac",
        "Container Registry Repository Reader",
        "Pull images and see their tags and attributes.",
        data=_REPOSITORY_READ,
    ),
    _azure(
        "2a1e307c-b015-4ebd-883e-5b7698a07328",
        "Container Registry Repository Writer",
        "Pull, push and sign images, and change their attributes.",
        data=_REPOSITORY_WRITE,
    ),
    _azure(
        "2efddaa5-3f1f-4df3-97df-af3f13818f4c",
        "Container Registry Repository Contributor",
        "Pull, push, sign and delete images, and change their attributes.",
        data=_REPOSITORY_DELETE,
    ),
    _azure(
        "bfdb9389-c9a5-478a-bb2f-ba9ca092c3c7",
        "Container Registry Repository Catalog Lister",
        "List the names of repositories.",
        data=("catalog/read",),
    ),
    _azure(
        "577a9874-89fd-4f24-9dbd-b5034d0ad23a",
        "Container Registry Data Importer and Data Reader",
        "Import images from other registries, and pull them.",
        actions=("importImage/action", "pull/read", "read"),
    ),
)

_SEE_VAULTS = ("read",)
_CRYPTO_USE = ("backup", "decrypt", "encrypt", "sign", "unwrap", "update", "verify", "wrap")

VAULT_ROLES: tuple[Role, ...] = (
    _azure(
        "00482a5a-887f-4fb3-b363-3b7fe8e74483",
        "Key Vault Administrator",
        "Everything with keys, secrets and certificates, but to purge them.",
        root=VAULT,
        actions=_SEE_VAULTS,
        data=("*",),
    ),
    _azure(
        "21090545-7ca7-4776-b22c-e363652d74d2",
        "Key Vault Reader",
        "See vaults, and what they hold without values.",
        root=VAULT,
        actions=_SEE_VAULTS,
        data=("*/read", "secrets/readMetadata/action"),
    ),
    _azure(
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        "Key Vault Secrets Officer",
        "Everything with secrets, but to purge them.",
        root=VAULT,
        actions=_SEE_VAULTS,
        data=("secrets/*",),
    ),
    _azure(
        "4633458b-17de-408a-b874-0445c86b69e6",
        "Key Vault Secrets User",
        "Read the values of secrets.",
        root=VAULT,
        data=("secrets/getSecret/action", "secrets/readMetadata/action"),
    ),
    _azure(
        "a4417e6f-fecd-4de8-b567-7b0420556985",
        "Key Vault Certificates Officer",
        "Everything with certificates, but to purge them.",
        root=VAULT,
        actions=_SEE_VAULTS,
        data=("certificatecas/*", "certificates/*", "certificatecontacts/write"),
    ),
    _azure(
        "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
        "Key Vault Certificate User",
        "Read certificates with their private keys.",
        root=VAULT,
        data=("certificates/read", "secrets/getSecret/action", "secrets/readMetadata/action", "keys/read"),
    ),
    _azure(
        "14b46e9e-c2b7-41b4-b07b-48a6ebf60603",
        "Key Vault Crypto Officer",
        "Everything with keys, but to purge them.",
        root=VAULT,
        actions=_SEE_VAULTS,
        data=("keys/*", "keyrotationpolicies/*"),
    ),
    _azure(
        "12338af0-0e69-4776-bea7-57ae8d297424",
        "Key Vault Crypto User",
        "Use keys.",
        root=VAULT,
        data=("keys/read", *(f"keys/{verb}/action" for verb in _CRYPTO_USE)),
    ),
    _azure(
        "e147488a-f6f5-4113-8e2d-b22465e65bf6",
        "Key Vault Crypto Service Encryption User",
        "Wrap and unwrap keys with keys.",
        root=VAULT,
        data=("keys/read", "keys/wrap/action", "keys/unwrap/action"),
    ),
    _azure(
        "08bbd89e-9f13-488c-ac41-acfcb10c90ab",
        "Key Vault Crypto Service Release User",
        "Release exportable keys to an attested environment.",
        root=VAULT,
        data=("keys/release/action",),
    ),
    Role(
        "f25e0fa2-a7c8-4377-a976-54943a77a395",
        "Key Vault Contributor",
        "Manage vaults, but neither what they hold nor who may use it.",
        frozenset(
            {
                Permission.VAULT_VAULTS_DELETE,
                Permission.VAULT_VAULTS_READ,
                Permission.VAULT_VAULTS_RECOVER,
                Permission.VAULT_VAULTS_WRITE,
            }
        ),
        actions=("Microsoft.KeyVault/*",),
        not_actions=("Microsoft.KeyVault/locations/deletedVaults/purge/action",),
    ),
    Role(
        "a68e7c17-0ab2-4c09-9a58-125dae29748c",
        "Key Vault Purge Operator",
        "Delete for good what vaults keep as deleted, and deleted vaults.",
        _PURGE | {Permission.VAULT_VAULTS_READ},
        actions=(
            "Microsoft.KeyVault/locations/deletedVaults/read",
            "Microsoft.KeyVault/locations/deletedVaults/purge/action",
        ),
    ),
    Role(
        "8b54135c-b56d-4d72-a534-26097cfdc8d8",
        "Key Vault Data Access Administrator",
        "Give and take roles on vaults, of those that one holds.",
        frozenset(
            {
                Permission.IDENTITY_ASSIGNMENTS_READ,
                Permission.IDENTITY_ASSIGNMENTS_WRITE,
                Permission.VAULT_VAULTS_READ,
            }
        ),
        actions=("Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete"),
    ),
)

GENERAL_ROLES: tuple[Role, ...] = (
    _role("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", "Everything, including who may do what.", _ALL),
    _role(
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        "Everything but access, policies, exemptions, quarantine and what vaults hold.",
        _ALL - _NOT_FOR_CONTRIBUTORS,
    ),
    _role(
        "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        "Reader",
        "See everything but quarantined content, what vaults hold and the audit log.",
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
        "Manage principals, groups and who holds which role, any role.",
        _IDENTITY_WRITES | {p for p in _READ if p.value.startswith("identity/")},
    ),
)

BUILT_IN: tuple[Role, ...] = (*REGISTRY_ROLES, *GENERAL_ROLES, *VAULT_ROLES)

BY_ID = {role.id: role for role in BUILT_IN}
_BY_NAME = {role.name.lower(): role for role in BUILT_IN} | {
    "administrator": BY_ID["8e3af657-a8ff-443c-a75c-2fe8c4bcb635"]
}


def find(name_or_id: str) -> Role:
    """Return the built-in role with this id or this name in any case, or raise RoleNotFound listing what there is."""
    role = built_in(name_or_id)
    if role is None:
        raise not_found(name_or_id)
    return role


def built_in(name_or_id: str) -> Role | None:
    """Return the built-in role with this id or this name in any case, or None."""
    key = name_or_id.lower()
    return BY_ID.get(key) or _BY_NAME.get(key)


def not_found(name_or_id: str) -> RoleNotFound:
    """The error that names the built-in roles."""
    return RoleNotFound(
        f"There is no role {name_or_id[:80]!r}.",
        remedy="Roles: " + ", ".join(role.name for role in BUILT_IN) + "; others: pratique role list.",
    )


def granting(permission: Permission) -> tuple[Role, ...]:
    """Built-in roles with a permission, the one with the fewest others first."""
    return tuple(sorted((r for r in BUILT_IN if permission in r.permissions), key=lambda r: len(r.permissions)))
