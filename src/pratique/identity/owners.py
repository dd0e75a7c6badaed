"""Somebody stays who may do everything: the last owner is neither removed, nor disabled, nor stripped of the role.

Owners are active people and service principals that hold Owner at / for good, themselves or through a group.
"""

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.errors import Conflict
from pratique.core.permissions import Scope
from pratique.identity import roles
from pratique.identity.access_tables import group_members
from pratique.identity.tables import assignments, principals
from pratique.identity.types import Assignment

_OWNER = roles.find("Owner").id


def is_ownership(assignment: Assignment) -> bool:
    """True for the role Owner over everything."""
    return (assignment.role_id, assignment.scope, assignment.effect) == (_OWNER, Scope.root(), "allow")


def require_other_owner(tx: Transaction, principal_id: str, *, without_group: str = "") -> None:
    """Return, or raise Conflict when without this principal or group nobody would own everything any more.

    With `without_group` the principal stays, and only leaves that group.
    """
    owning = sa.select(assignments.c.principal_id).where(
        assignments.c.role_id == _OWNER,
        assignments.c.scope == str(Scope.root()),
        assignments.c.effect == "allow",
        assignments.c.condition.is_(None),
        sa.or_(assignments.c.expires_at.is_(None), assignments.c.expires_at > tx.now),
    )
    holders = set(tx.execute(owning).scalars())
    if not holders:
        return
    active = sa.select(principals.c.id).where(principals.c.state == "active", principals.c.kind != "group")
    own = {*tx.execute(active.where(principals.c.id.in_(holders))).scalars()}
    members = (
        sa.select(group_members.c.group_id, group_members.c.principal_id)
        .join(principals, principals.c.id == group_members.c.principal_id)
        .where(group_members.c.group_id.in_(holders), principals.c.state == "active")
    )
    through = {(row.group_id, row.principal_id) for row in tx.execute(members).all()}
    before = own | {member for _, member in through}
    if without_group:
        after = own | {member for group, member in through if (group, member) != (without_group, principal_id)}
    else:
        kept = {member for group, member in through if principal_id not in (group, member)}
        after = (own - {principal_id}) | kept
    if before and not after:
        raise Conflict("This is the last owner of everything.", remedy="Make somebody else Owner at / first.")
