"""Nobody gives more than they hold, nor for longer: the one check behind roles, groups, assignments and credentials.

To give a right at a scope, one holds it there and everywhere below, with nothing denied in between, for at least as
long as it is given; or one holds `identity/assignments/delegate` so, and is not denied that right. A denial is lifted
only by somebody whom it does not bind: taking it away is giving.
"""

from collections.abc import Iterable

from pratique.core.permissions import OPERATOR, SYSTEM, Caller, Permission, Scope
from pratique.identity.errors import BeyondOwnRights
from pratique.identity.holdings import FOREVER, Held
from pratique.identity.rights import RightsMemory

_DELEGATE = Permission.IDENTITY_ASSIGNMENTS_DELEGATE


class Growth:
    """Refuses to hand out what its giver does not hold."""

    def __init__(self, memory: RightsMemory) -> None:
        self._memory = memory

    def lasting(self, caller: Caller, permission: Permission, scope: Scope, *, condition: str = "") -> int:
        """Until when a caller may give a right at a scope; 0 for not at all."""
        if caller.principal_id == SYSTEM.principal_id:
            return FOREVER
        rights, now = self._memory.of(caller.principal_id), self._memory.clock.now()
        if rights is None or rights.denied_near(permission, scope, now):
            return 0  # nobody gives around what they are denied, however much they may delegate
        own = rights.lasting(permission, scope, now, condition=condition) if caller.admits(permission, scope) else 0
        delegated = rights.lasting(_DELEGATE, scope, now) if caller.admits(_DELEGATE, scope) else 0
        return max(own, delegated)

    def require(
        self,
        caller: Caller,
        permissions: Iterable[Permission],
        scope: Scope,
        *,
        until: int | None = None,
        condition: str = "",
        what: str = "That",
    ) -> None:
        """Return, or raise BeyondOwnRights naming the first right that the caller may not give there so long."""
        ends = FOREVER if until is None else until
        for permission in sorted(permissions):
            lasting = self.lasting(caller, permission, scope, condition=condition)
            if not lasting:
                raise BeyondOwnRights(
                    f"{what} holds {permission} at {scope}, which you do not hold there and everywhere below.",
                    remedy="Somebody with UserAccessAdministrator there can do it.",
                )
            if lasting < ends:
                raise BeyondOwnRights(
                    f"{what} holds {permission} at {scope} for longer than you do.",
                    remedy="Let it end when your own right ends, or ask somebody who holds it for longer.",
                )

    def require_all(self, caller: Caller, held: Iterable[Held], *, what: str) -> None:
        """Return, or raise BeyondOwnRights: for handing out everything that a principal or a group holds."""
        for one in held:
            given = one.assignment
            self.require(
                caller, one.permissions, given.scope, until=given.expires_at, condition=given.condition, what=what
            )

    def require_not_bound(self, caller: Caller, holder_id: str) -> None:
        """Return, or raise BeyondOwnRights: nobody lifts a denial that binds themselves."""
        rights = self._memory.of(caller.principal_id)
        own = {caller.principal_id, *(rights.groups if rights else ())}
        if holder_id in own and caller.principal_id != OPERATOR.principal_id:
            raise BeyondOwnRights("That denial binds you.", remedy="Somebody else has to lift it.")
