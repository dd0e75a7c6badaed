"""The answer to "may they?": from memory, against the assignments of now, with the reason when asked for it."""

from pratique.core.errors import Denied
from pratique.core.permissions import Caller, Extent, NamePattern, Permission, Scope
from pratique.identity import roles
from pratique.identity.holdings import Held
from pratique.identity.rights import RightsMemory
from pratique.identity.types import Explanation, Through
from pratique.identity.uses import Uses


class RightsAuthorizer:
    """The `Authorizer` of the product.

    - What no assignment allows is refused; a deny assignment at or above the scope wins over any that allows.
    - The token's bound narrows what assignments give and never adds to it.
    - It never waits: at most one short indexed read, when something has changed.
    - That a right was used is noted in memory, for reviews; nothing is written while somebody waits.
    """

    def __init__(self, memory: RightsMemory, uses: Uses | None = None) -> None:
        self._memory = memory
        self._uses = uses

    def allowed(self, caller: Caller, permission: Permission, scope: Scope) -> bool:
        """True when bound and assignments both permit it."""
        if not caller.admits(permission, scope):
            return False
        rights = self._memory.of(caller.principal_id)
        if rights is None:
            return False
        now = self._memory.clock.now()
        held = rights.decisive(permission, scope, now)
        if held is not None and self._uses is not None:
            self._uses.note(rights.principal_id, permission, held.assignment.scope, now)
        return held is not None

    def require(self, caller: Caller, permission: Permission, scope: Scope) -> None:
        """Return, or raise `Denied` with the missing right and the smallest role that grants it."""
        if not self.allowed(caller, permission, scope):
            raise _denied(caller, permission, scope)

    def extent(self, caller: Caller, permission: Permission) -> Extent:
        """Where the caller holds the permission now; a conditional denial hides its whole scope from lists."""
        rights = self._memory.of(caller.principal_id)
        if rights is None or not rights.active:
            return Extent()
        bound = caller.bound
        if bound is not None:
            bound = tuple(one for one in bound if permission in one.permissions)
            if not bound:
                return Extent()
        now = self._memory.clock.now()
        live = [held for held in rights.held if permission in held.permissions and held.live(now)]
        denied = {held.assignment.scope for held in live if held.assignment.effect == "deny"}
        allowed, names = _reach([held for held in live if held.assignment.effect == "allow"], permission)
        return Extent(tuple(sorted(allowed)), tuple(sorted(denied)), bound, tuple(sorted(names)))

    def explain(self, principal_id: str, permission: Permission, scope: Scope) -> Explanation:
        """Say which assignment allows it, which denies it, or which role would grant it."""
        rights = self._memory.of(principal_id)
        now = self._memory.clock.now()
        if rights is None or not rights.active:
            state = "disabled" if rights else "unknown"
            return Explanation(principal_id, permission, scope, allowed=False, summary=f"The principal is {state}.")
        denying = tuple(rights.denying(permission, scope, now))
        if denying:
            summary = f"Denied by an assignment at {denying[0].assignment.scope}{_through(denying[0])}; deny wins."
            return _explained(principal_id, permission, scope, denying, allowed=False, summary=summary)
        allowing = tuple(rights.allowing(permission, scope, now))
        if allowing:
            first = allowing[0]
            summary = f"Allowed by {first.role_name} at {first.assignment.scope}{_through(first)}."
            return _explained(principal_id, permission, scope, allowing, allowed=True, summary=summary)
        missed = tuple(_missed(rights.held, permission, scope, now))
        granting = roles.granting(permission)
        summary = f"No assignment allows it; {granting[0].name} at {scope} would."
        if missed:
            summary = f"{missed[0].role_name} at {missed[0].assignment.scope} has a condition that does not hold here."
        return _explained(principal_id, permission, scope, missed, allowed=False, summary=summary, granting=True)


def _reach(live: list[Held], permission: Permission) -> tuple[set[Scope], set[NamePattern]]:
    allowed: set[Scope] = set()
    names: set[NamePattern] = set()
    for held in live:
        scope = held.assignment.scope
        found = None if held.condition is None else held.condition.names(permission, scope)
        if found is None:
            allowed.add(scope)
        else:
            names.update(found)
    return allowed, names


def _missed(held: tuple[Held, ...], permission: Permission, scope: Scope, now: int) -> list[Held]:
    """What would allow it, were it not for a condition."""
    return [
        one
        for one in held
        if one.condition is not None
        and one.assignment.effect == "allow"
        and permission in one.permissions
        and one.live(now)
        and one.assignment.scope.covers(scope)
    ]


def _explained(
    principal_id: str,
    permission: Permission,
    scope: Scope,
    by: tuple[Held, ...],
    *,
    allowed: bool,
    summary: str,
    granting: bool = False,
) -> Explanation:
    return Explanation(
        principal_id,
        permission,
        scope,
        allowed=allowed,
        summary=summary,
        by=tuple(held.assignment for held in by),
        roles=roles.granting(permission) if granting else (),
        through=tuple(Through(held.assignment, held.role_name, held.group) for held in by),
    )


def _through(held: Held) -> str:
    return f", through the group {held.group}" if held.group else ""


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
    quoted = f"'{role}'" if " " in role else role
    return Denied(
        f"{caller.name} lacks the right {permission} at {scope}.",
        remedy=f"An administrator can grant it: pratique assignment create {caller.name} --role {quoted} "
        f"--scope {scope}",
        permission=permission.value,
        scope=str(scope),
        role=role,
    )
