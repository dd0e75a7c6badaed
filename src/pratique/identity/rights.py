"""What a principal is and holds right now, remembered until anything in identity changes.

Every change of principals, credentials, roles or assignments bumps one epoch in its own transaction. A remembered
answer is used only while that epoch stands, so a revoked right stops at once in this process and within a second in
others; when the epoch cannot be read any more, nobody is allowed anything.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import Clock
from pratique.core.database import Database, Epochs, Transaction
from pratique.core.permissions import ANONYMOUS, OPERATOR, Permission, Scope
from pratique.identity import roles
from pratique.identity.tables import assignments, credentials, principals
from pratique.identity.tables import roles as custom_roles
from pratique.identity.types import Assignment, PrincipalKind

EPOCH = "identity"
_REMEMBERED = 20_000
_OWNER = roles.find("Owner")
_PULL = roles.find("AcrPull")

_BY_VALUE = {permission.value: permission for permission in Permission}

ByPermission = Mapping[Permission, tuple[Assignment, ...]]


@dataclass(frozen=True, slots=True)
class Rights:
    """One principal's state, live credentials and assignments."""

    principal_id: str
    name: str
    kind: PrincipalKind
    active: bool
    tokens_from: int
    credentials: Mapping[str, int | None]
    """Ids of credentials and when each ends."""
    proofs: tuple[tuple[str, bytes], ...]
    allows: ByPermission
    denies: ByPermission

    def holds_credential(self, credential_id: str, now: int) -> bool:
        """True while the credential exists and has not ended."""
        ends = self.credentials.get(credential_id, 0)
        return ends is None or ends > now

    def allowing(self, permission: Permission, scope: Scope, now: int) -> Iterable[Assignment]:
        return _matching(self.allows, permission, scope, now)

    def denying(self, permission: Permission, scope: Scope, now: int) -> Iterable[Assignment]:
        return _matching(self.denies, permission, scope, now)

    def allowed(self, permission: Permission, scope: Scope, now: int) -> bool:
        """Default deny, and deny wins."""
        if not self.active or any(True for _ in self.denying(permission, scope, now)):
            return False
        return any(True for _ in self.allowing(permission, scope, now))


class RightsMemory:
    """Gives `Rights` by principal id, from memory while the epoch stands; may be called on the event loop."""

    def __init__(
        self, database: Database, epochs: Epochs, clock: Clock, *, anonymous_pull: Iterable[Scope] = ()
    ) -> None:
        self._database = database
        self._epochs = epochs
        self.clock = clock
        self._epoch = -1
        self._remembered: dict[str, Rights | None] = {}
        self._names: dict[str, str | None] = {}
        operator, anonymous = OPERATOR.principal_id, ANONYMOUS.principal_id
        self._fixed = {
            operator: fixed_rights(operator, "operator", _OWNER.id, (Scope.root(),), "admin-socket"),
            anonymous: fixed_rights(anonymous, "anonymous", _PULL.id, anonymous_pull, "anonymous"),
        }

    def of(self, principal_id: str) -> Rights | None:
        """Return the rights of now, or None for an id that no principal has."""
        fixed = self._fixed.get(principal_id)
        if fixed is not None:
            return fixed
        remembered = self._current()
        try:
            return remembered[principal_id]
        except KeyError:
            rights = remembered[principal_id] = self._database.read_here(lambda tx: read_rights(tx, principal_id))
            return rights

    def named(self, name_or_id: str) -> Rights | None:
        """Return the rights of the principal with this canonical name or id, or None."""
        ids = self._current_names()
        if name_or_id not in ids:
            ids[name_or_id] = self._database.read_here(lambda tx: _id_of(tx, name_or_id))
        found = ids[name_or_id]
        return None if found is None else self.of(found)

    def _current(self) -> dict[str, Rights | None]:
        epoch = self._epochs.current(EPOCH)
        if epoch != self._epoch or len(self._remembered) + len(self._names) >= _REMEMBERED:
            self._remembered, self._names = {}, {}
            self._epoch = epoch
        return self._remembered

    def _current_names(self) -> dict[str, str | None]:
        self._current()
        return self._names

    def changed(self, tx: Transaction) -> None:
        """Make every process forget what it remembers once `tx` is committed."""
        self._epochs.bump(tx, EPOCH)


def read_rights(tx: Transaction, principal_id: str) -> Rights | None:
    """Read one principal's rights in three indexed statements."""
    row = tx.execute(sa.select(principals).where(principals.c.id == principal_id)).one_or_none()
    if row is None:
        return None
    held = tx.execute(
        sa.select(credentials.c.id, credentials.c.kind, credentials.c.expires_at, credentials.c.proof).where(
            credentials.c.principal_id == principal_id
        )
    ).all()
    given = [assignment_of(r) for r in tx.execute(_assignments_of(principal_id)).all()]
    permitted = _permissions_of(tx, {assignment.role_id for assignment in given})
    return Rights(
        principal_id=row.id,
        name=row.name,
        kind=row.kind,
        active=row.state == "active",
        tokens_from=row.tokens_from,
        credentials={r.id: r.expires_at for r in held},
        proofs=tuple((r.id, bytes(r.proof)) for r in held if r.kind == "client-secret"),
        allows=_by_permission((a for a in given if a.effect == "allow"), permitted),
        denies=_by_permission((a for a in given if a.effect == "deny"), permitted),
    )


def _id_of(tx: Transaction, name_or_id: str) -> str | None:
    wanted = sa.or_(principals.c.name == name_or_id, principals.c.id == name_or_id)
    row = tx.execute(sa.select(principals.c.id).where(wanted)).first()
    return None if row is None else str(row.id)


def assignment_of(row: Any) -> Assignment:
    """Read an assignment from its row."""
    return Assignment(
        id=row.id,
        principal_id=row.principal_id,
        role_id=row.role_id,
        scope=Scope.parse(row.scope),
        effect=row.effect,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
    )


def _assignments_of(principal_id: str) -> sa.Select[Any]:
    return sa.select(assignments).where(assignments.c.principal_id == principal_id).order_by(assignments.c.id)


def _permissions_of(tx: Transaction, role_ids: set[str]) -> dict[str, frozenset[Permission]]:
    found = {role_id: roles.BY_ID[role_id].permissions for role_id in role_ids & roles.BY_ID.keys()}
    custom = role_ids - found.keys()
    if custom:
        rows = tx.execute(sa.select(custom_roles).where(custom_roles.c.id.in_(custom))).all()
        found |= {row.id: frozenset(_BY_VALUE[p] for p in row.permissions if p in _BY_VALUE) for row in rows}
    return found


def _by_permission(given: Iterable[Assignment], permitted: Mapping[str, frozenset[Permission]]) -> ByPermission:
    found: dict[Permission, list[Assignment]] = defaultdict(list)
    for assignment in given:
        for permission in permitted.get(assignment.role_id, ()):
            found[permission].append(assignment)
    return {permission: tuple(held) for permission, held in found.items()}


def _matching(held: ByPermission, permission: Permission, scope: Scope, now: int) -> Iterable[Assignment]:
    for assignment in held.get(permission, ()):
        if (assignment.expires_at is None or assignment.expires_at > now) and assignment.scope.covers(scope):
            yield assignment


def fixed_rights(
    principal_id: str, kind: PrincipalKind, role_id: str, scopes: Iterable[Scope], credential_id: str
) -> Rights:
    """Rights of a built-in principal, which come from code or settings and not from the database."""
    given = [Assignment("built-in", principal_id, role_id, scope, "allow", 0, principal_id) for scope in scopes]
    return Rights(
        principal_id=principal_id,
        name={"operator": OPERATOR.name, "anonymous": ANONYMOUS.name}.get(kind, kind),
        kind=kind,
        active=True,
        tokens_from=0,
        credentials={credential_id: None},
        proofs=(),
        allows=_by_permission(given, {role_id: roles.BY_ID[role_id].permissions}),
        denies={},
    )
