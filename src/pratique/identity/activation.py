"""Roles that somebody may take on for a time: with a reason, within a limit, and where it is asked for with approval.

An activation is an assignment that ends by itself at its instant; nothing has to run for that. Whoever makes somebody
eligible holds what the role permits, as if it were given at once. Nobody approves their own request, and a right that
was activated gives nothing that outlasts it (`growth`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from pratique.core.clock import DAY, MINUTE, SECOND
from pratique.core.database import Page, Transaction
from pratique.core.database.paging import after, check_limit, page
from pratique.core.errors import Conflict, Denied, Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import Caller, Permission, Scope
from pratique.core.redaction import redact
from pratique.identity.access_tables import activations, eligibilities
from pratique.identity.assignments import AssignmentService, check_condition, visible
from pratique.identity.errors import ActivationNotFound, AssignmentNotFound
from pratique.identity.ground import Ground
from pratique.identity.rights_reading import assignment_of, groups_of, roles_by_id
from pratique.identity.tables import assignments
from pratique.identity.types import Assignment, Principal, Role

SHORTEST = 5 * MINUTE
LONGEST = 30 * DAY
WAITING = DAY
"""How long a request may wait for its approval."""
_MIN_REASON = 5

ActivationState = Literal["waiting", "active", "refused", "ended"]


@dataclass(frozen=True, slots=True)
class Eligibility:
    """A role that a principal, or whoever is in a group, may activate."""

    id: str
    principal_id: str
    role_id: str
    scope: Scope
    condition: str
    longest: int
    """Microseconds that one activation may last."""
    approval: bool
    created_at: int
    created_by: str
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class Activation:
    """One request to activate a role, and what became of it."""

    id: str
    eligibility_id: str
    principal_id: str
    state: ActivationState
    reason: str
    duration: int
    created_at: int
    decided_at: int | None
    decided_by: str | None
    note: str
    expires_at: int | None


class ActivationService:
    """Use cases on eligible roles."""

    def __init__(self, ground: Ground, service: AssignmentService) -> None:
        self._authorizer = ground.authorizer
        self._growth = ground.growth
        self._memory = ground.memory
        self._audit = ground.audit
        self._cursors = ground.cursors
        self._assignments = service

    def offer(
        self,
        tx: Transaction,
        caller: Caller,
        principal: Principal,
        role: Role,
        scope: Scope,
        *,
        longest: float,
        approval: bool = False,
        lifetime: float | None = None,
        condition: str = "",
    ) -> Eligibility:
        """Make a principal or a group eligible for a role at a scope; doing so again changes the terms."""
        self._authorizer.require(caller, Permission.IDENTITY_ASSIGNMENTS_WRITE, scope)
        span = int(longest * SECOND)
        if not SHORTEST <= span <= LONGEST:
            raise Invalid("An activation lasts 5 minutes to 30 days.", remedy="Give a time such as 4h.")
        expires_at = None if lifetime is None else tx.now + int(lifetime * SECOND)
        condition = check_condition(condition, scope)
        self._growth.require(caller, role.permissions, scope, until=expires_at, condition=condition, what=role.name)
        made = Eligibility(
            new_id(), principal.id, role.id, scope, condition, span, approval, tx.now, caller.principal_id, expires_at
        )
        same = (
            eligibilities.c.principal_id == principal.id,
            eligibilities.c.role_id == role.id,
            eligibilities.c.scope == str(scope),
        )
        for row in tx.execute(sa.select(eligibilities).where(*same)).all():
            self._remove(tx, eligibility_of(row))
        tx.execute(sa.insert(eligibilities).values(**_row(made)))
        detail = {"role": role.name, "scope": str(scope), "longest": span, "approval": approval}
        self._audit.with_change(tx, "identity.eligibility.create", caller, principal.id, detail)
        return made

    def get(self, tx: Transaction, eligibility_id: str) -> Eligibility:
        """Return an eligible role by id, or raise AssignmentNotFound."""
        row = tx.execute(sa.select(eligibilities).where(eligibilities.c.id == eligibility_id)).one_or_none()
        if row is None:
            raise AssignmentNotFound(
                f"There is no eligible role {eligibility_id[:80]!r}.", remedy="See pratique assignment eligible."
            )
        return eligibility_of(row)

    def withdraw(self, tx: Transaction, caller: Caller, eligibility: Eligibility) -> None:
        """End an eligible role, and with it what was activated from it, at once."""
        self._authorizer.require(caller, Permission.IDENTITY_ASSIGNMENTS_WRITE, eligibility.scope)
        self._remove(tx, eligibility)
        detail = {"role": eligibility.role_id, "scope": str(eligibility.scope)}
        self._audit.with_change(tx, "identity.eligibility.delete", caller, eligibility.principal_id, detail)

    def list(
        self,
        tx: Transaction,
        caller: Caller,
        *,
        limit: int = 100,
        cursor: str | None = None,
        principal_id: str | None = None,
    ) -> Page[Eligibility]:
        """Return eligible roles that the caller may see, oldest first."""
        extent = self._authorizer.extent(caller, Permission.IDENTITY_ASSIGNMENTS_READ)
        statement = sa.select(eligibilities).where(*visible(eligibilities.c.scope, extent))
        if principal_id:
            statement = statement.where(eligibilities.c.principal_id == principal_id)
        if cursor:
            position = self._cursors.decode("eligibilities", cursor)
            statement = statement.where(after([eligibilities.c.id], position, descending=[False]))
        rows = tx.execute(statement.order_by(eligibilities.c.id).limit(check_limit(limit) + 1)).all()
        return page(rows, limit, eligibility_of, lambda row: self._cursors.encode("eligibilities", [row.id]))

    def mine(self, tx: Transaction, caller: Caller) -> Sequence[Eligibility]:
        """Return what the caller may activate now, through groups too."""
        holders = [caller.principal_id, *groups_of(tx, caller.principal_id)]
        live = sa.or_(eligibilities.c.expires_at.is_(None), eligibilities.c.expires_at > tx.now)
        statement = sa.select(eligibilities).where(eligibilities.c.principal_id.in_(holders), live)
        return [eligibility_of(row) for row in tx.execute(statement.order_by(eligibilities.c.id).limit(500)).all()]

    def activate(
        self, tx: Transaction, caller: Caller, eligibility_id: str, *, reason: str, duration: float
    ) -> Activation:
        """Take on a role that the caller is eligible for, or ask for approval; raises Denied, Invalid or Conflict."""
        eligibility = next((one for one in self.mine(tx, caller) if one.id == eligibility_id), None)
        if eligibility is None:
            raise Denied("You are not eligible for that role.", remedy="See pratique access eligible.")
        reason = redact(" ".join(reason.split()), limit=500)
        span = int(duration * SECOND)
        if len(reason) < _MIN_REASON:
            raise Invalid("Say why.", remedy="A few words that still help in a year, as a ticket number.")
        if not SHORTEST <= span <= eligibility.longest:
            raise Invalid(
                f"It may last 5 minutes to {eligibility.longest // MINUTE} minutes.",
                remedy="Give a time between these.",
            )
        self._require_none_open(tx, caller, eligibility)
        made = Activation(
            new_id(), eligibility.id, caller.principal_id, "waiting", reason, span, tx.now, None, None, "",
            tx.now + WAITING,
        )  # fmt: skip
        tx.execute(sa.insert(activations).values(**{name: getattr(made, name) for name in _FIELDS}))
        detail = {"activation": made.id, "role": eligibility.role_id, "scope": str(eligibility.scope)}
        self._audit.with_change(
            tx, "identity.activation.ask", caller, caller.principal_id, {**detail, "reason": reason}
        )
        return made if eligibility.approval else self._begin(tx, caller, made, eligibility, "")

    def decide(
        self, tx: Transaction, caller: Caller, activation_id: str, *, approve: bool, note: str = ""
    ) -> Activation:
        """Approve or refuse what waits; never one's own."""
        waiting = self.activation(tx, activation_id)
        eligibility = self.get(tx, waiting.eligibility_id)
        self._authorizer.require(caller, Permission.IDENTITY_ACTIVATIONS_APPROVE, eligibility.scope)
        if waiting.principal_id == caller.principal_id:
            raise Denied("Nobody approves their own request.", remedy="Ask somebody else who may.")
        if waiting.state != "waiting" or (waiting.expires_at or 0) <= tx.now:
            raise Conflict("That request does not wait any more.", remedy="It can be made again.")
        note = redact(" ".join(note.split()), limit=500)
        if not approve:
            self._set(tx, waiting, state="refused", decided_at=tx.now, decided_by=caller.principal_id, note=note)
            detail = {"activation": waiting.id}
            self._audit.with_change(tx, "identity.activation.refuse", caller, waiting.principal_id, detail)
            return self.activation(tx, waiting.id)
        self._require_still_eligible(tx, waiting, eligibility)
        return self._begin(tx, caller, waiting, eligibility, note)

    def end(self, tx: Transaction, caller: Caller, activation_id: str) -> Activation:
        """End an activation, or take a request back, at once: one's own, or with the right to take roles away."""
        found = self.activation(tx, activation_id)
        if found.principal_id != caller.principal_id:
            scope = self.get(tx, found.eligibility_id).scope
            self._authorizer.require(caller, Permission.IDENTITY_ASSIGNMENTS_WRITE, scope)
        if found.state in ("waiting", "active"):
            self._set(tx, found, state="ended", expires_at=tx.now)
            tx.execute(sa.delete(assignments).where(assignments.c.activation_id == found.id))
            self._memory.changed(tx)
            detail = {"activation": found.id}
            self._audit.with_change(tx, "identity.activation.end", caller, found.principal_id, detail)
        return self.activation(tx, found.id)

    def activation(self, tx: Transaction, activation_id: str) -> Activation:
        """Return an activation by id, or raise ActivationNotFound."""
        row = tx.execute(sa.select(activations).where(activations.c.id == activation_id)).one_or_none()
        if row is None:
            raise ActivationNotFound(
                f"There is no activation {activation_id[:80]!r}.", remedy="See pratique access activations."
            )
        return activation_of(row, tx.now)

    def history(
        self, tx: Transaction, caller: Caller, *, limit: int = 100, cursor: str | None = None, waiting: bool = False
    ) -> Page[tuple[Activation, Eligibility]]:
        """Return the caller's own activations, and those that the caller may approve or see, the youngest first."""
        extent = self._authorizer.extent(caller, Permission.IDENTITY_ASSIGNMENTS_READ)
        approving = self._authorizer.extent(caller, Permission.IDENTITY_ACTIVATIONS_APPROVE)
        scope = eligibilities.c.scope
        seen = sa.or_(
            activations.c.principal_id == caller.principal_id,
            sa.and_(*visible(scope, extent)),
            sa.and_(*visible(scope, approving)),
        )
        columns = [column.label(f"offer_{column.name}") for column in eligibilities.c]
        statement = (
            sa.select(activations, *columns)
            .join(eligibilities, eligibilities.c.id == activations.c.eligibility_id)
            .where(seen)
        )
        if waiting:
            statement = statement.where(activations.c.state == "waiting", activations.c.expires_at > tx.now)
        if cursor:
            position = self._cursors.decode("activations", cursor)
            statement = statement.where(after([activations.c.id], position, descending=[True]))
        rows = tx.execute(statement.order_by(activations.c.id.desc()).limit(check_limit(limit) + 1)).all()
        now = tx.now
        return page(
            rows,
            limit,
            lambda row: (activation_of(row, now), eligibility_of(row, "offer_")),
            lambda row: self._cursors.encode("activations", [row.id]),
        )

    def _begin(
        self, tx: Transaction, caller: Caller, asked: Activation, eligibility: Eligibility, note: str
    ) -> Activation:
        role = roles_by_id(tx, [eligibility.role_id]).get(eligibility.role_id)
        if role is None:
            raise Conflict("That role is gone.", remedy="Ask an administrator.")
        self._clear_way(tx, asked, eligibility)
        ends = tx.now + asked.duration
        ends = ends if eligibility.expires_at is None else min(ends, eligibility.expires_at)
        self._set(
            tx, asked, state="active", decided_at=tx.now, decided_by=caller.principal_id, note=note, expires_at=ends
        )
        made = Assignment(
            new_id(), asked.principal_id, role.id, eligibility.scope, "allow", tx.now, caller.principal_id, ends,
            eligibility.condition, asked.id,
        )  # fmt: skip
        self._assignments.insert(tx, caller, made, role)
        return self.activation(tx, asked.id)

    def _clear_way(self, tx: Transaction, asked: Activation, eligibility: Eligibility) -> None:
        """Make room for the assignment: one that has ended goes, one that holds makes the activation needless."""
        same = sa.and_(
            assignments.c.principal_id == asked.principal_id,
            assignments.c.role_id == eligibility.role_id,
            assignments.c.scope == str(eligibility.scope),
            assignments.c.effect == "allow",
        )
        for row in tx.execute(sa.select(assignments).where(same)).all():
            held = assignment_of(row)
            if held.expires_at is None or held.expires_at > tx.now:
                raise Conflict("That role is held there already.", remedy="See pratique access explain.")
        tx.execute(sa.delete(assignments).where(same))

    def _require_none_open(self, tx: Transaction, caller: Caller, eligibility: Eligibility) -> None:
        statement = sa.select(activations.c.id).where(
            activations.c.eligibility_id == eligibility.id,
            activations.c.principal_id == caller.principal_id,
            activations.c.state.in_(["waiting", "active"]),
            activations.c.expires_at > tx.now,
        )
        if tx.execute(statement.limit(1)).first() is not None:
            raise Conflict("That role is active, or was asked for, already.", remedy="See pratique access activations.")

    def _require_still_eligible(self, tx: Transaction, waiting: Activation, eligibility: Eligibility) -> None:
        who = Caller(waiting.principal_id, "", "user")
        if eligibility.id not in {one.id for one in self.mine(tx, who)}:
            raise Conflict("They are not eligible any more.", remedy="Refuse the request.")

    def _set(self, tx: Transaction, activation: Activation, **values: Any) -> None:
        tx.execute(sa.update(activations).where(activations.c.id == activation.id).values(**values))

    def _remove(self, tx: Transaction, eligibility: Eligibility) -> None:
        own = sa.select(activations.c.id).where(activations.c.eligibility_id == eligibility.id)
        tx.execute(sa.delete(assignments).where(assignments.c.activation_id.in_(own)))
        tx.execute(sa.delete(eligibilities).where(eligibilities.c.id == eligibility.id))
        self._memory.changed(tx)


_FIELDS = tuple(Activation.__dataclass_fields__)


def activation_of(row: Any, now: int) -> Activation:
    """Read an activation from its row; one whose time is over has ended, whatever the row still says."""
    over = row.state in ("waiting", "active") and row.expires_at is not None and row.expires_at <= now
    values = {name: getattr(row, name) for name in _FIELDS}
    return Activation(**values | ({"state": "ended"} if over else {}))


def eligibility_of(row: Any, prefix: str = "") -> Eligibility:
    """Read an eligible role from its row."""
    values = {name: getattr(row, prefix + name) for name in Eligibility.__dataclass_fields__}
    return Eligibility(**values | {"scope": Scope.parse(values["scope"])})


def sweep(tx: Transaction) -> int:
    """Take away the rows of what has ended by time; it acted no more already. Returns how many."""
    ended = sa.update(activations).where(
        activations.c.state.in_(["waiting", "active"]), activations.c.expires_at <= tx.now
    )
    gone = sa.delete(assignments).where(assignments.c.activation_id.is_not(None), assignments.c.expires_at <= tx.now)
    return tx.execute(ended.values(state="ended")).rowcount + tx.execute(gone).rowcount


def _row(eligibility: Eligibility) -> dict[str, Any]:
    values = {name: getattr(eligibility, name) for name in Eligibility.__dataclass_fields__}
    return values | {"scope": str(eligibility.scope)}
