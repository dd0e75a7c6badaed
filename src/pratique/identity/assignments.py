"""Who holds which role where: give, take, list."""

from typing import Any

import sqlalchemy as sa

from pratique.core.clock import SECOND
from pratique.core.database import Page, Transaction
from pratique.core.database.paging import after, check_limit, page
from pratique.core.errors import Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import Caller, Permission, Scope
from pratique.identity.errors import AssignmentNotFound, BeyondOwnRights
from pratique.identity.ground import Ground
from pratique.identity.owners import is_ownership, require_other_owner
from pratique.identity.rights import assignment_of
from pratique.identity.tables import assignments
from pratique.identity.types import Assignment, Effect, Principal, Role


class AssignmentService:
    """Use cases on assignments; whoever gives or takes a role must hold the right to do so at that very scope."""

    def __init__(self, ground: Ground) -> None:
        self._memory = ground.memory
        self._authorizer = ground.authorizer
        self._audit = ground.audit
        self._cursors = ground.cursors

    def create(
        self,
        tx: Transaction,
        caller: Caller,
        principal: Principal,
        role: Role,
        scope: Scope,
        *,
        effect: Effect = "allow",
        lifetime: float | None = None,
    ) -> Assignment:
        """Give a role at a scope, at once; giving it a second time returns the first."""
        self._authorizer.require(caller, Permission.IDENTITY_ASSIGNMENTS_WRITE, scope)
        if effect == "allow":
            self._require_no_more_than_own(caller, role, scope)
        expires_at = None if lifetime is None else tx.now + int(lifetime * SECOND)
        existing = tx.execute(
            sa.select(assignments).where(
                assignments.c.principal_id == principal.id,
                assignments.c.role_id == role.id,
                assignments.c.scope == str(scope),
                assignments.c.effect == effect,
            )
        ).one_or_none()
        if existing is not None and existing.expires_at == expires_at:
            return assignment_of(existing)
        if existing is not None:
            tx.execute(sa.delete(assignments).where(assignments.c.id == existing.id))
        made = Assignment(new_id(), principal.id, role.id, scope, effect, tx.now, caller.principal_id, expires_at)
        tx.execute(sa.insert(assignments).values(**_row(made)))
        self._memory.changed(tx)
        detail = {"role": role.name, "scope": str(scope), "effect": effect, "expires_at": expires_at}
        self._audit.with_change(tx, "identity.assignment.create", caller, principal.id, detail)
        return made

    def _require_no_more_than_own(self, caller: Caller, role: Role, scope: Scope) -> None:
        if self._authorizer.allowed(caller, Permission.IDENTITY_ASSIGNMENTS_DELEGATE, scope):
            return
        for permission in sorted(role.permissions):
            if not self._authorizer.allowed(caller, permission, scope):
                raise BeyondOwnRights(
                    f"{role.name} holds {permission} at {scope}, which you do not.",
                    remedy="Somebody with UserAccessAdministrator there can give it.",
                )

    def get(self, tx: Transaction, assignment_id: str) -> Assignment:
        """Return an assignment by id, or raise AssignmentNotFound."""
        row = tx.execute(sa.select(assignments).where(assignments.c.id == assignment_id)).one_or_none()
        if row is None:
            raise AssignmentNotFound(
                f"There is no assignment {assignment_id[:80]!r}.", remedy="See pratique assignment list."
            )
        return assignment_of(row)

    def delete(self, tx: Transaction, caller: Caller, assignment: Assignment) -> None:
        """Take a role away, at once."""
        self._authorizer.require(caller, Permission.IDENTITY_ASSIGNMENTS_WRITE, assignment.scope)
        if is_ownership(assignment):
            require_other_owner(tx, assignment.principal_id)
        tx.execute(sa.delete(assignments).where(assignments.c.id == assignment.id))
        self._memory.changed(tx)
        detail = {"role": assignment.role_id, "scope": str(assignment.scope), "effect": assignment.effect}
        self._audit.with_change(tx, "identity.assignment.delete", caller, assignment.principal_id, detail)

    def list(
        self,
        tx: Transaction,
        caller: Caller,
        *,
        limit: int = 100,
        cursor: str | None = None,
        principal_id: str | None = None,
        scope: Scope | None = None,
    ) -> Page[Assignment]:
        """Return assignments that the caller may see, oldest first; `scope` keeps those at it and below."""
        extent = self._authorizer.extent(caller, Permission.IDENTITY_ASSIGNMENTS_READ)
        statement = sa.select(assignments).order_by(assignments.c.id).limit(check_limit(limit) + 1)
        statement = statement.where(sa.or_(*(_below(allowed) for allowed in extent.allowed), sa.false()))
        statement = statement.where(*(sa.not_(_below(denied)) for denied in extent.denied))
        if principal_id:
            statement = statement.where(assignments.c.principal_id == principal_id)
        if scope is not None:
            statement = statement.where(_below(scope))
        if cursor:
            position = self._cursors.decode("assignments", cursor)
            statement = statement.where(after([assignments.c.id], position, descending=[False]))
        rows = tx.execute(statement).all()
        return page(rows, limit, assignment_of, lambda row: self._cursors.encode("assignments", [row.id]))


def parse_effect(text: str) -> Effect:
    """Read `allow` or `deny`."""
    if text == "allow":
        return "allow"
    if text == "deny":
        return "deny"
    raise Invalid(f"{text[:20]!r} is not an effect.", remedy="Write allow or deny.")


def _below(scope: Scope) -> sa.ColumnElement[bool]:
    if scope == Scope.root():
        return sa.true()
    path = str(scope)
    return sa.or_(assignments.c.scope == path, assignments.c.scope.startswith(path + "/", autoescape=True))


def _row(assignment: Assignment) -> dict[str, Any]:
    return {
        "id": assignment.id,
        "principal_id": assignment.principal_id,
        "role_id": assignment.role_id,
        "scope": str(assignment.scope),
        "effect": assignment.effect,
        "created_at": assignment.created_at,
        "created_by": assignment.created_by,
        "expires_at": assignment.expires_at,
    }
