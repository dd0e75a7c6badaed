"""Somebody stays who may do everything: the last owner is neither removed, nor disabled, nor stripped of the role."""

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.errors import Conflict
from pratique.core.permissions import Scope
from pratique.identity import roles
from pratique.identity.tables import assignments, principals
from pratique.identity.types import Assignment

_OWNER = roles.find("Owner").id


def is_ownership(assignment: Assignment) -> bool:
    """True for the role Owner over everything."""
    return (assignment.role_id, assignment.scope, assignment.effect) == (_OWNER, Scope.root(), "allow")


def require_other_owner(tx: Transaction, principal_id: str) -> None:
    """Return, or raise Conflict when this principal owns everything and no other active one does."""
    owning = sa.and_(
        assignments.c.role_id == _OWNER,
        assignments.c.scope == str(Scope.root()),
        assignments.c.effect == "allow",
        sa.or_(assignments.c.expires_at.is_(None), assignments.c.expires_at > tx.now),
        principals.c.state == "active",
    )
    found = tx.execute(
        sa.select(assignments.c.principal_id)
        .join(principals, principals.c.id == assignments.c.principal_id)
        .where(owning)
        .order_by(assignments.c.principal_id == principal_id)
        .limit(1)
    ).scalar_one_or_none()
    if found == principal_id:
        raise Conflict("This is the last owner of everything.", remedy="Make somebody else Owner at / first.")
