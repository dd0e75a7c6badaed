"""Which right each request of the registry needs, and what a caller hears who lacks it."""

from dataclasses import replace

from pratique.core.errors import Unauthenticated
from pratique.core.permissions import Authorizer, Caller, Extent, Permission, Scope
from pratique.registry.types import RepositoryName

PULL = Permission.REGISTRY_CONTENT_READ
PUSH = Permission.REGISTRY_CONTENT_WRITE
SIGN = Permission.REGISTRY_CONTENT_SIGN
DELETE = Permission.REGISTRY_CONTENT_DELETE
SEE = Permission.REGISTRY_METADATA_READ
CHANGE = Permission.REGISTRY_METADATA_WRITE
QUARANTINE = Permission.REGISTRY_QUARANTINE_READ
MARK = Permission.REGISTRY_QUARANTINE_WRITE
CATALOG = Permission.REGISTRY_CATALOG_LIST


class Rights:
    """Asks the authorizer in the registry's own terms. Answers from memory, on any thread."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def require(self, caller: Caller, name: RepositoryName, *permissions: Permission) -> None:
        """Return when one of the permissions is held; else raise for the first.

        A caller nobody knows, or whose token was not asked for this, hears 401 and may come back with a better token;
        one who lacks the right hears 403 with the name of what is missing.
        """
        scope = Scope.for_repository(name.value)
        if any(self._authorizer.allowed(caller, permission, scope) for permission in permissions):
            return
        if caller.is_anonymous:
            raise Unauthenticated("sign in first", remedy="use `podman login` or `docker login` for this host")
        unbounded = replace(caller, bound=None)
        if any(self._authorizer.allowed(unbounded, permission, scope) for permission in permissions):
            raise Unauthenticated("the token was not issued for this", remedy="ask for a token with this scope")
        self._authorizer.require(unbounded, permissions[0], scope)

    def holds(self, caller: Caller, permission: Permission, name: RepositoryName) -> bool:
        return self._authorizer.allowed(caller, permission, Scope.for_repository(name.value))

    def extent(self, caller: Caller, permission: Permission) -> Extent:
        """Where the caller holds the permission."""
        return self._authorizer.extent(caller, permission)

    def sees_held(self, caller: Caller, name: RepositoryName) -> bool:
        """True for callers whom gates do not stop: those who may push here or read quarantine.

        A client that pulls asks for a token to pull, so the right to push is looked for behind such a token too.
        """
        scope = Scope.for_repository(name.value)
        if not caller.admits(QUARANTINE, scope):
            return False
        unbounded = replace(caller, bound=None) if caller.bound is not None else caller
        allowed = self._authorizer.allowed
        return allowed(unbounded, PUSH, scope) or allowed(unbounded, QUARANTINE, scope)

    def may_know(self, caller: Caller, name: RepositoryName, *permissions: Permission) -> bool:
        """False for a known caller who holds none of the permissions, whatever the token: tell such a one nothing."""
        scope, unbounded = Scope.for_repository(name.value), replace(caller, bound=None)
        return caller.is_anonymous or any(self._authorizer.allowed(unbounded, each, scope) for each in permissions)
