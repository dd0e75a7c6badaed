"""Who can do something somewhere, and what somebody could take on to be able to: answered from assignments, by page."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.database import Page, Transaction
from pratique.core.database.paging import after, check_limit
from pratique.core.permissions import Permission, Scope
from pratique.identity import roles
from pratique.identity.access_tables import group_members
from pratique.identity.ground import Ground
from pratique.identity.holdings import Held
from pratique.identity.principals import principal_of
from pratique.identity.rights_reading import eligible_of, groups_of, role_of
from pratique.identity.tables import assignments, principals
from pratique.identity.tables import roles as custom_roles
from pratique.identity.types import Explanation, Principal


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who can, and why."""

    principal: Principal
    explanation: Explanation


class Holders:
    """Reads the other way round: from a right and a place to principals."""

    def __init__(self, ground: Ground) -> None:
        self._authorizer = ground.authorizer
        self._cursors = ground.cursors

    def who_can(
        self, tx: Transaction, permission: Permission, scope: Scope, *, limit: int = 100, cursor: str | None = None
    ) -> Page[Holder]:
        """Return who may do it there now, by name; a page can be shorter than its limit.

        The database finds who holds a role with the right at the scope or above; conditions and denials are then
        judged one by one.
        """
        statement = (
            sa.select(principals)
            .where(principals.c.kind != "group", principals.c.state == "active")
            .where(principals.c.id.in_(self._candidates(tx, permission, scope)))
            .order_by(principals.c.name)
            .limit(check_limit(limit) + 1)
        )
        if cursor:
            position = self._cursors.decode("holders", cursor)
            statement = statement.where(after([principals.c.name], position, descending=[False]))
        rows = tx.execute(statement).all()
        following = self._cursors.encode("holders", [rows[limit - 1].name]) if len(rows) > limit else None
        judged = (
            Holder(principal_of(row), self._authorizer.explain(row.id, permission, scope)) for row in rows[:limit]
        )
        return Page(tuple(one for one in judged if one.explanation.allowed), following)

    def could_activate(
        self, tx: Transaction, principal_id: str, permission: Permission, scope: Scope
    ) -> Sequence[Held]:
        """Return the eligible roles that would allow it, were they activated."""
        holders = [principal_id, *groups_of(tx, principal_id)]
        return [
            held
            for held in eligible_of(tx, holders)
            if held.live(tx.now) and held.assignment.scope.covers(scope) and held.allows(permission, scope)
        ]

    def _candidates(self, tx: Transaction, permission: Permission, scope: Scope) -> sa.Select[tuple[str]]:
        places = [str(Scope(scope.segments[:length])) for length in range(len(scope.segments) + 1)]
        live = sa.or_(assignments.c.expires_at.is_(None), assignments.c.expires_at > tx.now)
        holding = (
            sa.select(assignments.c.principal_id)
            .where(
                assignments.c.scope.in_(places),
                assignments.c.effect == "allow",
                assignments.c.role_id.in_(self._granting(tx, permission)),
                live,
            )
            .cte("holding")
        )
        through = sa.select(group_members.c.principal_id).where(
            group_members.c.group_id.in_(sa.select(holding.c.principal_id))
        )
        return sa.select(holding.c.principal_id).union(through).subquery().select()

    def _granting(self, tx: Transaction, permission: Permission) -> list[str]:
        custom = [role_of(row) for row in tx.execute(sa.select(custom_roles)).all()]
        return [role.id for role in (*roles.BUILT_IN, *custom) if permission in role.permissions]
