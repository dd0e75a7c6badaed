"""Turns a scope map into assignments of a principal, and back: the rights themselves are those of everybody else."""

from pratique.core.database import Transaction
from pratique.core.permissions import Caller, Permission
from pratique.identity.assignments import AssignmentService
from pratique.identity.custom_roles import Definition, RoleService
from pratique.identity.ground import Ground
from pratique.identity.scope_maps.types import Grant
from pratique.identity.types import Principal, Role

Grants = tuple[Grant, ...]
_WRITE = Permission.IDENTITY_ASSIGNMENTS_WRITE


class Giving:
    """Gives and takes what scope maps say.

    - Whoever writes a map or hands it out may give roles at each of its places, and holds what is added there.
    - Of a principal's assignments only those are touched that the map gave before.
    """

    def __init__(self, ground: Ground, assignments: AssignmentService, roles: RoleService) -> None:
        self._authorizer = ground.authorizer
        self._growth = ground.growth
        self._assignments = assignments
        self._roles = roles

    def check(self, caller: Caller, before: Grants, after: Grants, *, what: str) -> None:
        """Return if the caller may turn one list of grants into the other, or raise Denied or BeyondOwnRights."""
        for grant in {*before, *after}:
            self._authorizer.require(caller, _WRITE, grant.scope)
        for grant in sorted(set(after) - set(before)):
            self._growth.require(caller, grant.permissions, grant.scope, condition=grant.condition, what=what)

    def move(self, tx: Transaction, caller: Caller, principal: Principal, before: Grants, after: Grants) -> None:
        """Let a principal hold what `after` says in place of what `before` said, at once."""
        kept = {(grant.scope, grant.actions) for grant in after}
        for grant in before:
            if (grant.scope, grant.actions) not in kept:
                self._take(tx, caller, principal, grant)
        for grant in after:
            self._assignments.create(
                tx, caller, principal, self._role(tx, grant), grant.scope, condition=grant.condition
            )

    def _take(self, tx: Transaction, caller: Caller, principal: Principal, grant: Grant) -> None:
        given = self._assignments.find(tx, principal, self._role(tx, grant), grant.scope, "allow")
        if given is not None:
            self._assignments.delete(tx, caller, given)

    def _role(self, tx: Transaction, grant: Grant) -> Role:
        name = "Scope map " + " ".join(action.replace("/", "-") for action in grant.actions)
        definition = Definition(data_actions=grant.data_actions)
        return self._roles.kept(tx, name, definition, description="What scope maps give; see pratique registry.")
