"""Who holds which role where: give, take, list."""

from typing import Any

import sqlalchemy as sa

from pratique.core.clock import SECOND
from pratique.core.database import Page, Transaction
from pratique.core.database.paging import after, check_limit, page
from pratique.core.errors import Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import Caller, Extent, Permission, Scope
from pratique.identity import conditions
from pratique.identity.errors import AssignmentNotFound
from pratique.identity.ground import Ground
from pratique.identity.owners import is_ownership, require_other_owner
from pratique.identity.rights_reading import assignment_of, roles_by_id
from pratique.identity.tables import assignments
from pratique.identity.types import Assignment, Effect, Principal, Role


class AssignmentService:
    """Use cases on assignments.

    - Whoever gives or takes a role holds the right to do so at that very scope.
    - Nobody gives what they do not hold, or for longer than they hold it; nobody lifts a denial that binds them.
    """

    def __init__(self, ground: Ground) -> None:
        self._memory = ground.memory
        self._authorizer = ground.authorizer
        self._growth = ground.growth
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
        condition: str = "",
    ) -> Assignment:
        """Give a role at a scope, at once; given a second time, the end and the condition of this time count."""
        self._authorizer.require(caller, Permission.IDENTITY_ASSIGNMENTS_WRITE, scope)
        expires_at = None if lifetime is None else tx.now + int(lifetime * SECOND)
        condition = check_condition(condition, scope)
        existing = self.find(tx, principal, role, scope, effect)
        if existing is not None and (existing.expires_at, existing.condition) == (expires_at, condition):
            return existing
        if effect == "allow":
            self._growth.require(caller, role.permissions, scope, until=expires_at, condition=condition, what=role.name)
        if existing is not None:
            self._replace(tx, caller, existing, role)
        made = Assignment(
            new_id(), principal.id, role.id, scope, effect, tx.now, caller.principal_id, expires_at, condition
        )
        self.insert(tx, caller, made, role)
        return made

    def insert(self, tx: Transaction, caller: Caller, made: Assignment, role: Role) -> None:
        """Store an assignment that was found to be right, and audit it."""
        tx.execute(sa.insert(assignments).values(**_row(made)))
        self._memory.changed(tx)
        detail = {
            "role": role.name,
            "scope": str(made.scope),
            "effect": made.effect,
            "expires_at": made.expires_at,
            **({"condition": made.condition} if made.condition else {}),
            **({"activation": made.activation_id} if made.activation_id else {}),
        }
        self._audit.with_change(tx, "identity.assignment.create", caller, made.principal_id, detail)

    def get(self, tx: Transaction, assignment_id: str) -> Assignment:
        """Return an assignment by id, or raise AssignmentNotFound."""
        row = tx.execute(sa.select(assignments).where(assignments.c.id == assignment_id)).one_or_none()
        if row is None:
            raise AssignmentNotFound(
                f"There is no assignment {assignment_id[:80]!r}.", remedy="See pratique assignment list."
            )
        return assignment_of(row)

    def find(
        self, tx: Transaction, principal: Principal, role: Role, scope: Scope, effect: Effect
    ) -> Assignment | None:
        """Return the assignment of this role to this principal at this very scope, or None."""
        row = tx.execute(
            sa.select(assignments).where(
                assignments.c.principal_id == principal.id,
                assignments.c.role_id == role.id,
                assignments.c.scope == str(scope),
                assignments.c.effect == effect,
            )
        ).one_or_none()
        return None if row is None else assignment_of(row)

    def delete(self, tx: Transaction, caller: Caller, assignment: Assignment) -> None:
        """Take a role away, or lift a denial, at once."""
        self._authorizer.require(caller, Permission.IDENTITY_ASSIGNMENTS_WRITE, assignment.scope)
        if assignment.effect == "deny":
            self.require_may_lift(tx, caller, assignment)
        if is_ownership(assignment):
            require_other_owner(tx, assignment.principal_id)
        self.remove(tx, caller, assignment)

    def remove(self, tx: Transaction, caller: Caller, assignment: Assignment) -> None:
        """Delete an assignment and audit it; its caller has checked that this may be done."""
        tx.execute(sa.delete(assignments).where(assignments.c.id == assignment.id))
        self._memory.changed(tx)
        detail = {"role": assignment.role_id, "scope": str(assignment.scope), "effect": assignment.effect}
        self._audit.with_change(tx, "identity.assignment.delete", caller, assignment.principal_id, detail)

    def require_may_lift(self, tx: Transaction, caller: Caller, denial: Assignment) -> None:
        """Return, or raise BeyondOwnRights: to lift a denial is to give what it took."""
        self._growth.require_not_bound(caller, denial.principal_id)
        role = roles_by_id(tx, [denial.role_id]).get(denial.role_id)
        if role is not None:
            self._growth.require(caller, role.permissions, denial.scope, what=f"What a denial of {role.name} took")

    def list(
        self,
        tx: Transaction,
        caller: Caller,
        *,
        limit: int = 100,
        cursor: str | None = None,
        principal_id: str | None = None,
        role_id: str | None = None,
        scope: Scope | None = None,
    ) -> Page[Assignment]:
        """Return assignments that the caller may see, oldest first; `scope` keeps those at it and below."""
        extent = self._authorizer.extent(caller, Permission.IDENTITY_ASSIGNMENTS_READ)
        statement = sa.select(assignments).order_by(assignments.c.id).limit(check_limit(limit) + 1)
        statement = statement.where(*visible(assignments.c.scope, extent))
        if principal_id:
            statement = statement.where(assignments.c.principal_id == principal_id)
        if role_id:
            statement = statement.where(assignments.c.role_id == role_id)
        if scope is not None:
            statement = statement.where(below(assignments.c.scope, scope))
        if cursor:
            position = self._cursors.decode("assignments", cursor)
            statement = statement.where(after([assignments.c.id], position, descending=[False]))
        rows = tx.execute(statement).all()
        return page(rows, limit, assignment_of, lambda row: self._cursors.encode("assignments", [row.id]))

    def _replace(self, tx: Transaction, caller: Caller, existing: Assignment, role: Role) -> None:
        if existing.effect == "deny":
            self.require_may_lift(tx, caller, existing)
        if is_ownership(existing):
            require_other_owner(tx, existing.principal_id)
        tx.execute(sa.delete(assignments).where(assignments.c.id == existing.id))
        detail = {"role": role.name, "scope": str(existing.scope), "effect": existing.effect}
        self._audit.with_change(tx, "identity.assignment.replace", caller, existing.principal_id, detail)


def check_condition(text: str, scope: Scope) -> str:
    """Return a condition that can be read and can matter at a scope, or raise Invalid."""
    text = text.strip()
    if not text:
        return ""
    conditions.parse(text)
    if scope.segments and scope.segments[0] != "registry":
        raise Invalid(
            f"A condition says something about repositories, and {scope} has none.",
            remedy="Leave it out, or give the role at / or below /registry.",
        )
    return text


def parse_effect(text: str) -> Effect:
    """Read `allow` or `deny`."""
    if text == "allow":
        return "allow"
    if text == "deny":
        return "deny"
    raise Invalid(f"{text[:20]!r} is not an effect.", remedy="Write allow or deny.")


def visible(column: sa.ColumnElement[str], extent: Extent) -> list[sa.ColumnElement[bool]]:
    """The conditions that a scope lies in an extent; ones on names of repositories hide what they do not say."""
    allowed = sa.or_(*(below(column, scope) for scope in extent.allowed), sa.false())
    return [allowed, *(sa.not_(below(column, denied)) for denied in extent.denied)]


def below(column: sa.ColumnElement[str], scope: Scope) -> sa.ColumnElement[bool]:
    """The condition that a column holds a scope or one below it, as ranges that an index serves."""
    if scope == Scope.root():
        return sa.true()
    path = str(scope)
    # '0' is the character after '/', so this is every text that starts with `path/`.
    return sa.or_(column == path, sa.and_(column >= f"{path}/", column < f"{path}0"))


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
        "condition": assignment.condition or None,
        "activation_id": assignment.activation_id or None,
    }
