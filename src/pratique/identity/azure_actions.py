"""What Azure's action strings mean here: the one table, from which built-in roles, conditions and a docs page follow.

Sources: MicrosoftDocs/azure-docs, articles/role-based-access-control/built-in-roles/{containers,security}.md and
permissions/{containers,security}.md. Where an action has no counterpart here it permits nothing.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from pratique.core.permissions import Permission
from pratique.identity.wildcards import fits

REGISTRY = "Microsoft.ContainerRegistry/registries"
VAULT = "Microsoft.KeyVault/vaults"
REPOSITORY_NAME = f"{REGISTRY}/repositories:name"
"""The attribute of a request that conditions on repositories look at."""

_SEE = Permission.REGISTRY_METADATA_READ
_BY_VALUE = {permission.value: permission for permission in Permission}

_REGISTRY: Mapping[str, frozenset[Permission]] = {
    "artifacts/delete": frozenset({Permission.REGISTRY_CONTENT_DELETE, _SEE}),
    "cacheRules/delete": frozenset({Permission.REGISTRY_CACHES_WRITE}),
    "cacheRules/read": frozenset({Permission.REGISTRY_CACHES_READ}),
    "cacheRules/write": frozenset({Permission.REGISTRY_CACHES_WRITE}),
    "catalog/read": frozenset({Permission.REGISTRY_CATALOG_LIST}),
    "deleted/read": frozenset({Permission.REGISTRY_DELETED_READ}),
    "deleted/restore/action": frozenset({Permission.REGISTRY_DELETED_RESTORE}),
    "importImage/action": frozenset({Permission.REGISTRY_CONTENT_IMPORT}),
    "listUsages/read": frozenset({Permission.REGISTRY_STORAGE_READ}),
    "metadata/read": frozenset({_SEE}),
    "metadata/write": frozenset({Permission.REGISTRY_METADATA_WRITE}),
    "pull/read": frozenset({Permission.REGISTRY_CONTENT_READ, _SEE}),
    "push/write": frozenset({Permission.REGISTRY_CONTENT_WRITE}),
    "quarantine/read": frozenset({Permission.REGISTRY_QUARANTINE_READ, _SEE}),
    "quarantine/write": frozenset({Permission.REGISTRY_QUARANTINE_WRITE}),
    "quarantinedArtifacts/read": frozenset({Permission.REGISTRY_QUARANTINE_READ, _SEE}),
    "quarantinedArtifacts/write": frozenset({Permission.REGISTRY_QUARANTINE_WRITE}),
    "read": frozenset({Permission.REGISTRY_CATALOG_LIST, Permission.REGISTRY_STORAGE_READ}),
    "replications/delete": frozenset({Permission.REGISTRY_REPLICATIONS_WRITE}),
    "replications/read": frozenset({Permission.REGISTRY_REPLICATIONS_READ}),
    "replications/write": frozenset({Permission.REGISTRY_REPLICATIONS_WRITE}),
    "repositories/content/delete": frozenset({Permission.REGISTRY_CONTENT_DELETE}),
    "repositories/content/read": frozenset({Permission.REGISTRY_CONTENT_READ}),
    "repositories/content/write": frozenset({Permission.REGISTRY_CONTENT_WRITE, Permission.REGISTRY_CONTENT_SIGN}),
    "repositories/metadata/delete": frozenset(),
    "repositories/metadata/read": frozenset({_SEE}),
    "repositories/metadata/write": frozenset({Permission.REGISTRY_METADATA_WRITE}),
    "sign/write": frozenset({Permission.REGISTRY_CONTENT_SIGN, _SEE}),
    "trustedCollections/write": frozenset({Permission.REGISTRY_CONTENT_SIGN, _SEE}),
    "updatePolicies/write": frozenset({Permission.REGISTRY_RETENTION_WRITE}),
    "webhooks/delete": frozenset({Permission.REGISTRY_WEBHOOKS_WRITE}),
    "webhooks/listEvents/action": frozenset({Permission.REGISTRY_EVENTS_READ}),
    "webhooks/ping/action": frozenset({Permission.REGISTRY_WEBHOOKS_WRITE}),
    "webhooks/read": frozenset({Permission.REGISTRY_WEBHOOKS_READ}),
    "webhooks/write": frozenset({Permission.REGISTRY_WEBHOOKS_WRITE}),
}


def _objects(kind: str, verbs: Iterable[str]) -> dict[str, frozenset[Permission]]:
    """The actions whose last word is also the last word of the permission."""
    return {
        f"{kind}/{verb}" if verb == "delete" else f"{kind}/{verb}/action": frozenset(
            {_BY_VALUE[f"vault/{kind}/{verb}"]}
        )
        for verb in verbs
    }


_COMMON = ("backup", "delete", "purge", "recover", "restore", "update")
_KEY_VERBS = (
    *_COMMON, "create", "decrypt", "encrypt", "import", "release", "rotate", "sign", "unwrap", "verify", "wrap",
)  # fmt: skip

_VAULT: Mapping[str, frozenset[Permission]] = {
    "read": frozenset({Permission.VAULT_VAULTS_READ}),
    "write": frozenset({Permission.VAULT_VAULTS_WRITE}),
    "delete": frozenset({Permission.VAULT_VAULTS_DELETE}),
    "certificatecas/delete": frozenset({Permission.VAULT_ISSUERS_WRITE}),
    "certificatecas/read": frozenset({Permission.VAULT_ISSUERS_READ}),
    "certificatecas/write": frozenset({Permission.VAULT_ISSUERS_WRITE}),
    "certificatecontacts/write": frozenset({Permission.VAULT_CONTACTS_WRITE}),
    "certificates/read": frozenset({Permission.VAULT_CERTIFICATES_GET, Permission.VAULT_CERTIFICATES_LIST}),
    **_objects("certificates", (*_COMMON, "create", "import")),
    "keyrotationpolicies/read": frozenset({Permission.VAULT_ROTATION_READ}),
    "keyrotationpolicies/write": frozenset({Permission.VAULT_ROTATION_WRITE}),
    "keys/read": frozenset({Permission.VAULT_KEYS_GET, Permission.VAULT_KEYS_LIST}),
    **_objects("keys", _KEY_VERBS),
    "secrets/getSecret/action": frozenset({Permission.VAULT_SECRETS_GET}),
    "secrets/readMetadata/action": frozenset({Permission.VAULT_SECRETS_LIST}),
    "secrets/setSecret/action": frozenset({Permission.VAULT_SECRETS_SET}),
    **_objects("secrets", _COMMON),
}

ACTIONS: Mapping[str, frozenset[Permission]] = {
    **{f"{REGISTRY}/{action}": permissions for action, permissions in _REGISTRY.items()},
    **{f"{VAULT}/{action}": permissions for action, permissions in _VAULT.items()},
    "Microsoft.KeyVault/deletedVaults/read": frozenset({Permission.VAULT_VAULTS_READ}),
    "Microsoft.KeyVault/locations/deletedVaults/read": frozenset({Permission.VAULT_VAULTS_READ}),
    "Microsoft.KeyVault/locations/deletedVaults/purge/action": frozenset({Permission.VAULT_VAULTS_PURGE}),
}
"""Every action that is known here, in Azure's spelling, and what it permits; compared without regard to case."""

_DATA = (
    f"{REGISTRY}/catalog/", f"{REGISTRY}/quarantinedArtifacts/", f"{REGISTRY}/repositories/",
    f"{REGISTRY}/trustedCollections/", f"{VAULT}/certificatecas/", f"{VAULT}/certificatecontacts/",
    f"{VAULT}/certificates/", f"{VAULT}/keyrotationpolicies/", f"{VAULT}/keys/", f"{VAULT}/secrets/",
)  # fmt: skip
_BY_FOLDED = {action.lower(): permissions for action, permissions in ACTIONS.items()}
_FOLDED_DATA = frozenset(action.lower() for action in ACTIONS if action.startswith(_DATA))
_PURGE = "/purge/action"


@lru_cache(maxsize=1024)
def permissions_of(pattern: str, *, data: bool) -> frozenset[Permission]:
    """What an action, or a pattern with `*` that crosses slashes, permits; among data actions, or among the others.

    Purging cannot be undone, so no `*` reaches it: it is named in full or not given.
    """
    folded = pattern.lower()
    if "*" not in folded:
        return _BY_FOLDED.get(folded, frozenset()) if (folded in _FOLDED_DATA) == data else frozenset()
    found = (
        permissions
        for action, permissions in _BY_FOLDED.items()
        if (action in _FOLDED_DATA) == data and not action.endswith(_PURGE) and matches(folded, action)
    )
    return frozenset[Permission]().union(*found)


def is_data(action: str) -> bool:
    """Whether Azure counts a known action among data actions."""
    return action.lower() in _FOLDED_DATA


def matches(pattern: str, action: str) -> bool:
    """Whether a pattern of a condition names an action; `*` crosses slashes, case does not count."""
    return fits(pattern.lower(), action.lower())


def is_known(pattern: str, *, data: bool) -> bool:
    """Whether an action, or a pattern, names anything that is known here."""
    return any(is_data(action) == data and matches(pattern, action) for action in ACTIONS)


def repository_actions(permission: Permission) -> tuple[str, ...]:
    """The repository data actions that stand for a permission when a condition asks which action is requested."""
    return _REPOSITORY_ACTIONS.get(permission, ())


_REPOSITORY_ACTIONS: Mapping[Permission, tuple[str, ...]] = {
    permission: tuple(
        action
        for action, permissions in ACTIONS.items()
        if action.startswith(f"{REGISTRY}/repositories/") and permission in permissions
    )
    for permission in Permission
}
