"""The answer to "may they?": from memory, against the assignments of now, with the reason when asked for it."""

from pratique.core.errors import Denied
from pratique.core.permissions import Caller, Extent, Permission, Scope
from pratique.identity import roles
from pratique.identity.rights import RightsMemory
from pratique.identity.types import Explanation


class RightsAuthorizer:
    """The `Authorizer` of the product.

    - What no assignment allows is refused; a deny assignment at or above the scope wins over any that allows.
    - The token's bound narrows what assignments give and never adds to it.
    - It never waits: at most one short indexed read, when something has changed.
    """

    def __init__(self, memory: RightsMemory) -> None:
        self._memory = memory

    def allowed(self, caller: Caller, permission: Permission, scope: Scope) -> bool:
        """True when bound and assignments both permit it."""
        if not caller.admits(permission, scope):
            return False
        rights = self._memory.of(caller.principal_id)
        return rights is not None and rights.allowed(permission, scope, self._memory.clock.now())

    def require(self, caller: Caller, permission: Permission, scope: Scope) -> None:
        """Return, or raise `Denied` with the missing right and the smallest role that grants it."""
        if not self.allowed(caller, permission, scope):
            raise _denied(caller, permission, scope)

    def extent(self, caller: Caller, permission: Permission) -> Extent:
        """Where the caller holds the permission now."""
        rights = self._memory.of(caller.principal_id)
        if rights is None or not rights.active:
            return Extent()
        now = self._memory.clock.now()
        bound = caller.bound
        if bound is not None:
            bound = tuple(one for one in bound if permission in one.permissions)
            if not bound:
                return Extent()
        allowed, denied = (
            tuple(sorted({a.scope for a in held.get(permission, ()) if a.expires_at is None or a.expires_at > now}))
            for held in (rights.allows, rights.denies)
        )
        return Extent(allowed, denied, bound)

    def explain(self, principal_id: str, permission: Permission, scope: Scope) -> Explanation:
        """Say which assignment allows it, which denies it, or which role would grant it."""
        rights = self._memory.of(principal_id)
        now = self._memory.clock.now()
        if rights is None or not rights.active:
            state = "disabled" if rights else "unknown"
            return Explanation(principal_id, permission, scope, allowed=False, summary=f"The principal is {state}.")
        denying = tuple(rights.denying(permission, scope, now))
        if denying:
            summary = f"Denied by an assignment at {denying[0].scope}; deny wins."
            return Explanation(principal_id, permission, scope, allowed=False, summary=summary, by=denying)
        allowing = tuple(rights.allowing(permission, scope, now))
        if allowing:
            role = roles.BY_ID.get(allowing[0].role_id)
            summary = f"Allowed by {role.name if role else 'a custom role'} at {allowing[0].scope}."
            return Explanation(principal_id, permission, scope, allowed=True, summary=summary, by=allowing)
        granting = roles.granting(permission)
        summary = f"No assignment allows it; {granting[0].name} at {scope} would."
        return Explanation(principal_id, permission, scope, allowed=False, summary=summary, roles=granting)


def _denied(caller: Caller, permission: Permission, scope: Scope) -> Denied:
    role = roles.granting(permission)[0].name
    if caller.is_anonymous:
        return Denied(
            f"Signing in is needed: {permission} at {scope} is not open to everybody.",
            remedy="Sign in with a principal that has the right.",
            permission=permission.value,
            scope=str(scope),
            role=role,
        )
    return Denied(
        f"{caller.name} lacks the right {permission} at {scope}.",
        remedy=f"An administrator can grant it: pratique assignment create {caller.name} --role {role} --scope {scope}",
        permission=permission.value,
        scope=str(scope),
        role=role,
    )
