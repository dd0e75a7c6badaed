"""What a principal is and holds right now, remembered until anything in identity changes.

Every change of principals, credentials, groups, roles or assignments bumps one epoch in its own transaction. A
remembered answer is used only while that epoch stands, so a revoked right stops at once in this process and within a
second in others; when the epoch cannot be read any more, nobody is allowed anything. Principals are read when they
are asked for and one at a time, so what an answer costs depends on neither their number nor that of all assignments.
"""

from collections.abc import Iterable

from pratique.core.clock import Clock
from pratique.core.database import Database, Epochs, Transaction
from pratique.core.permissions import ANONYMOUS, OPERATOR, Scope
from pratique.identity import roles
from pratique.identity.holdings import Held, Rights
from pratique.identity.rights_reading import id_of, read_rights
from pratique.identity.token_floor import read_floor
from pratique.identity.types import Assignment, PrincipalKind

EPOCH = "identity"
_REMEMBERED = 20_000
_OWNER = roles.find("Owner")
_PULL = roles.find("AcrPull")


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
        self._floor: int | None = None
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
            ids[name_or_id] = self._database.read_here(lambda tx: id_of(tx, name_or_id))
        found = ids[name_or_id]
        return None if found is None else self.of(found)

    def floor(self) -> int:
        """The instant before which no token of anybody may have been issued."""
        self._current()
        if self._floor is None:
            self._floor = self._database.read_here(read_floor)
        return self._floor

    def _current(self) -> dict[str, Rights | None]:
        epoch = self._epochs.current(EPOCH)
        if epoch != self._epoch or len(self._remembered) + len(self._names) >= _REMEMBERED:
            self._remembered, self._names = {}, {}
            self._epoch = epoch
            self._floor = None
        return self._remembered

    def _current_names(self) -> dict[str, str | None]:
        self._current()
        return self._names

    def changed(self, tx: Transaction) -> None:
        """Make every process forget what it remembers once `tx` is committed."""
        self._epochs.bump(tx, EPOCH)


def fixed_rights(
    principal_id: str, kind: PrincipalKind, role_id: str, scopes: Iterable[Scope], credential_id: str
) -> Rights:
    """Rights of a built-in principal, which come from code or settings and not from the database."""
    role = roles.BY_ID[role_id]
    given = (Assignment("built-in", principal_id, role_id, scope, "allow", 0, principal_id) for scope in scopes)
    return Rights(
        principal_id=principal_id,
        name={"operator": OPERATOR.name, "anonymous": ANONYMOUS.name}.get(kind, kind),
        kind=kind,
        active=True,
        tokens_from=0,
        credentials={credential_id: None},
        proofs=(),
        held=tuple(Held(assignment, role.name, role.permissions) for assignment in given),
    )
