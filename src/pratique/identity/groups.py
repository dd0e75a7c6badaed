"""Groups: principals that others belong to, and whose roles act on all that do.

A group holds people, service principals and agents, and no groups: so who holds what through which group is one step,
no circle can be made, and a change reaches exactly those whose names stand in it. Putting somebody into a group gives
them all that the group holds, and taking somebody out lifts all that it denies: both ask for those rights.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.database import Page, Transaction
from pratique.core.database.paging import after, check_limit, page
from pratique.core.errors import Conflict, Invalid
from pratique.core.permissions import SYSTEM, Caller, Permission, Scope
from pratique.identity.access_tables import activations, eligibilities, group_members
from pratique.identity.errors import GroupNotFound
from pratique.identity.ground import Ground
from pratique.identity.owners import require_other_owner
from pratique.identity.principals import PrincipalService, principal_of
from pratique.identity.rights_reading import all_that_is_given, assignment_of, roles_by_id
from pratique.identity.tables import assignments, principals
from pratique.identity.types import Assignment, Principal, PrincipalName

DIRECT = "direct"
_MAX_MEMBERS = 20_000


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a group, and who says so: `direct`, or the id of a provider."""

    principal: Principal
    source: str
    created_at: int


class GroupService:
    """Use cases on groups; each acts at once."""

    def __init__(self, ground: Ground, service: PrincipalService) -> None:
        self._memory = ground.memory
        self._authorizer = ground.authorizer
        self._growth = ground.growth
        self._audit = ground.audit
        self._cursors = ground.cursors
        self._principals = service

    def create(self, tx: Transaction, caller: Caller, name: PrincipalName, description: str = "") -> Principal:
        """Make a group without members and roles; names are shared with principals, so that each means one thing."""
        self._require_write(caller)
        return self._principals.create(tx, caller, name, "group", description)

    def get(self, tx: Transaction, name_or_id: str) -> Principal:
        """Return a group by id or by name in any case, or raise GroupNotFound."""
        key = name_or_id.lower() if name_or_id.isascii() else ""
        row = tx.execute(
            sa.select(principals).where(
                sa.or_(principals.c.id == key, principals.c.name == key), principals.c.kind == "group"
            )
        ).first()
        if row is None:
            raise GroupNotFound(f"There is no group {name_or_id[:80]!r}.", remedy="See pratique group list.")
        return principal_of(row)

    def delete(self, tx: Transaction, caller: Caller, group: Principal) -> None:
        """Delete a group with its roles; what it denies must be lifted before."""
        self._require_write(caller)
        for denial in self._denials(tx, group):
            raise Conflict(
                f"{group.name} is denied something at {denial.scope}.",
                remedy=f"Lift that first: pratique assignment delete {denial.id}",
            )
        require_other_owner(tx, group.id)
        tx.execute(sa.delete(principals).where(principals.c.id == group.id))
        self._memory.changed(tx)
        self._audit.with_change(tx, "identity.group.delete", caller, group.id, {"name": group.name})

    def add(self, tx: Transaction, caller: Caller, group: Principal, principal: Principal) -> None:
        """Put somebody into a group; doing so twice is doing it once."""
        self._require_write(caller)
        if principal.kind == "group":
            raise Invalid("Groups hold no groups.", remedy="Add its members, or give the role to both groups.")
        if self._is_direct(tx, group, principal):
            return
        self._growth.require_all(caller, all_that_is_given(tx, group.id), what=group.name)
        count = sa.select(sa.func.count()).where(group_members.c.group_id == group.id)
        if tx.execute(count).scalar_one() >= _MAX_MEMBERS:
            raise Conflict(f"{group.name} has {_MAX_MEMBERS} members.", remedy="Make a second group.")
        self._insert(tx, caller, group.id, principal.id, DIRECT)
        self._told(tx, "add", caller, group, member=principal.name, source=DIRECT)

    def remove(self, tx: Transaction, caller: Caller, group: Principal, principal: Principal) -> None:
        """Take somebody out of a group who was put in here; what a provider says ends where the provider says so."""
        self._require_write(caller)
        for denial in self._denials(tx, group):
            if principal.id == caller.principal_id:
                self._growth.require_not_bound(caller, principal.id)
            role = roles_by_id(tx, [denial.role_id]).get(denial.role_id)
            if role is not None:
                self._growth.require(caller, role.permissions, denial.scope, what=f"What {group.name} is denied")
        self._require_owner_stays(tx, group, principal)
        done = tx.execute(
            sa.delete(group_members).where(
                group_members.c.group_id == group.id,
                group_members.c.principal_id == principal.id,
                group_members.c.source == DIRECT,
            )
        )
        if not done.rowcount:
            raise Conflict(f"{principal.name} was not put into {group.name} here.", remedy="See pratique group show.")
        self._left(tx, group.id, principal.id)
        self._told(tx, "remove", caller, group, member=principal.name, source=DIRECT)

    def follow(self, tx: Transaction, principal: Principal, source: str, wanted: Collection[str]) -> None:
        """Make `wanted` the groups, by id, that a provider says somebody belongs to; others stay as they are."""
        mine = sa.and_(group_members.c.principal_id == principal.id, group_members.c.source == source)
        known = set(tx.execute(sa.select(group_members.c.group_id).where(mine)).scalars())
        for group_id in sorted(known - set(wanted)):
            tx.execute(sa.delete(group_members).where(mine, group_members.c.group_id == group_id))
            self._left(tx, group_id, principal.id)
            self._told(tx, "remove", SYSTEM, self.get(tx, group_id), member=principal.name, source=source)
        for group_id in sorted(set(wanted) - known):
            self._insert(tx, SYSTEM, group_id, principal.id, source)
            self._told(tx, "add", SYSTEM, self.get(tx, group_id), member=principal.name, source=source)

    def members(
        self, tx: Transaction, group: Principal, *, limit: int = 100, cursor: str | None = None
    ) -> Page[Member]:
        """Return who belongs to a group, by name."""
        statement = (
            sa.select(principals, group_members.c.source, group_members.c.created_at.label("added_at"))
            .join(group_members, group_members.c.principal_id == principals.c.id)
            .where(group_members.c.group_id == group.id)
            .order_by(principals.c.name, group_members.c.source)
            .limit(check_limit(limit) + 1)
        )
        if cursor:
            position = self._cursors.decode("members", cursor)
            columns = [principals.c.name, group_members.c.source]
            statement = statement.where(after(columns, position, descending=[False, False]))
        return page(
            tx.execute(statement).all(),
            limit,
            lambda row: Member(principal_of(row), row.source, row.added_at),
            lambda row: self._cursors.encode("members", [row.name, row.source]),
        )

    def of(self, tx: Transaction, principal: Principal) -> Sequence[tuple[Principal, str]]:
        """Return the groups that a principal belongs to, each with who says so."""
        statement = (
            sa.select(principals, group_members.c.source)
            .join(group_members, group_members.c.group_id == principals.c.id)
            .where(group_members.c.principal_id == principal.id)
            .order_by(principals.c.name, group_members.c.source)
        )
        return [(principal_of(row), row.source) for row in tx.execute(statement).all()]

    def sizes(self, tx: Transaction, groups: Collection[str]) -> dict[str, int]:
        """Return how many belong to each of these groups."""
        counted = sa.func.count(sa.distinct(group_members.c.principal_id)).label("size")
        statement = sa.select(group_members.c.group_id, counted).where(group_members.c.group_id.in_(groups))
        return {row.group_id: row.size for row in tx.execute(statement.group_by(group_members.c.group_id)).all()}

    def _require_write(self, caller: Caller) -> None:
        self._authorizer.require(caller, Permission.IDENTITY_GROUPS_WRITE, Scope.root())

    def _denials(self, tx: Transaction, group: Principal) -> Sequence[Assignment]:
        statement = sa.select(assignments).where(assignments.c.principal_id == group.id, assignments.c.effect == "deny")
        return [assignment_of(row) for row in tx.execute(statement).all()]

    def _is_direct(self, tx: Transaction, group: Principal, principal: Principal) -> bool:
        statement = sa.select(group_members.c.source).where(
            group_members.c.group_id == group.id,
            group_members.c.principal_id == principal.id,
            group_members.c.source == DIRECT,
        )
        return tx.execute(statement).first() is not None

    def _insert(self, tx: Transaction, caller: Caller, group_id: str, principal_id: str, source: str) -> None:
        tx.execute(
            sa.insert(group_members).values(
                group_id=group_id,
                principal_id=principal_id,
                source=source,
                created_at=tx.now,
                created_by=caller.principal_id,
            )
        )

    def _left(self, tx: Transaction, group_id: str, principal_id: str) -> None:
        """End what somebody activated through a group that they do not belong to any more."""
        stays = sa.select(group_members.c.source).where(
            group_members.c.group_id == group_id, group_members.c.principal_id == principal_id
        )
        if tx.execute(stays).first() is not None:
            return
        through = (
            sa.select(activations.c.id)
            .join(eligibilities, eligibilities.c.id == activations.c.eligibility_id)
            .where(eligibilities.c.principal_id == group_id, activations.c.principal_id == principal_id)
        )
        tx.execute(sa.delete(assignments).where(assignments.c.activation_id.in_(through)))
        open_ones = sa.and_(activations.c.id.in_(through), activations.c.state.in_(["waiting", "active"]))
        tx.execute(sa.update(activations).where(open_ones).values(state="ended", expires_at=tx.now))

    def _told(self, tx: Transaction, verb: str, caller: Caller, group: Principal, **detail: str) -> None:
        self._memory.changed(tx)
        self._audit.with_change(tx, f"identity.group.{verb}-member", caller, group.id, detail)

    def _require_owner_stays(self, tx: Transaction, group: Principal, principal: Principal) -> None:
        require_other_owner(tx, principal.id, without_group=group.id)
