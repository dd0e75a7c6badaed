"""Scope maps: make, list, change, delete. A change acts at once on every token that has the map."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.errors import Conflict
from pratique.core.ids import new_id
from pratique.core.permissions import Caller, Permission
from pratique.identity.errors import NameTaken, ScopeMapNotFound
from pratique.identity.ground import Ground
from pratique.identity.principals import principal_of
from pratique.identity.scope_maps.giving import Giving
from pratique.identity.scope_maps.tables import registry_tokens, scope_maps
from pratique.identity.scope_maps.types import SYSTEM_MAPS, Rule, ScopeMap, is_name, parse_name, parse_rules
from pratique.identity.tables import principals
from pratique.identity.types import Principal

_MAX_MAPS = 500
_READ = Permission.IDENTITY_ASSIGNMENTS_READ


class ScopeMaps:
    """Use cases on scope maps; nobody writes more into one than they hold."""

    def __init__(self, ground: Ground, giving: Giving) -> None:
        self._authorizer = ground.authorizer
        self._audit = ground.audit
        self._giving = giving

    def list(self, tx: Transaction, caller: Caller) -> Sequence[ScopeMap]:
        """Return the maps all of whose places the caller may see assignments at; there are at most a few hundred."""
        rows = tx.execute(sa.select(scope_maps).order_by(scope_maps.c.name).limit(_MAX_MAPS)).all()
        found = [*SYSTEM_MAPS, *map(map_of, rows)]
        return [one for one in found if self._sees(caller, one)]

    def get(self, tx: Transaction, caller: Caller, name: str) -> ScopeMap:
        """Return a map by name or id, or raise ScopeMapNotFound, also where the caller may not see it."""
        found = find_map(tx, name)
        if not self._sees(caller, found):
            raise _not_found(name)
        return found

    def create(
        self, tx: Transaction, caller: Caller, name: str, rules: Iterable[str], *, description: str = ""
    ) -> ScopeMap:
        """Make a map; raises Invalid, NameTaken, Denied or BeyondOwnRights."""
        made = ScopeMap(new_id(), parse_name(name), description[:500], parse_rules(rules), created_at=tx.now)
        self._giving.check(caller, (), made.grants, what=f"The scope map {name}")
        if tx.execute(sa.select(scope_maps.c.id).where(scope_maps.c.name == made.name)).first() is not None:
            raise NameTaken(f"There is a scope map {name} already.", remedy="Choose another name.")
        if tx.execute(sa.select(sa.func.count()).select_from(scope_maps)).scalar_one() >= _MAX_MAPS:
            raise Conflict(f"There are {_MAX_MAPS} scope maps.", remedy="Delete those that no token has.")
        values = {"id": made.id, "name": made.name, "created_at": tx.now, "created_by": caller.principal_id}
        tx.execute(sa.insert(scope_maps).values(**values, **_values(made)))
        self._audit.with_change(tx, "identity.scope-map.create", caller, made.id, {"name": name} | _values(made))
        return made

    def change(
        self, tx: Transaction, caller: Caller, former: ScopeMap, rules: Iterable[str], *, description: str | None = None
    ) -> ScopeMap:
        """Give a map these rules in place of its own; tokens that have it follow in the same transaction."""
        _require_own(former)
        text = former.description if description is None else description[:500]
        changed = ScopeMap(former.id, former.name, text, parse_rules(rules), created_at=former.created_at)
        self._giving.check(caller, former.grants, changed.grants, what=f"The scope map {former.name}")
        mine = scope_maps.c.id == former.id
        tx.execute(sa.update(scope_maps).where(mine).values(changed_at=tx.now, **_values(changed)))
        for principal in _holders(tx, former):
            self._giving.move(tx, caller, principal, former.grants, changed.grants)
        detail = {"name": former.name} | _values(changed)
        self._audit.with_change(tx, "identity.scope-map.change", caller, former.id, detail)
        return changed

    def delete(self, tx: Transaction, caller: Caller, one: ScopeMap) -> None:
        """Delete a map that no token has."""
        _require_own(one)
        self._giving.check(caller, one.grants, (), what=one.name)
        holders = _holders(tx, one)
        if holders:
            raise Conflict(
                f"The token {holders[0].name} has this scope map.",
                remedy="Give it another one, or delete it: pratique registry token --help",
            )
        tx.execute(sa.delete(scope_maps).where(scope_maps.c.id == one.id))
        self._audit.with_change(tx, "identity.scope-map.delete", caller, one.id, {"name": one.name})

    def _sees(self, caller: Caller, one: ScopeMap) -> bool:
        return all(self._authorizer.allowed(caller, _READ, grant.scope) for grant in one.grants)


def find_map(tx: Transaction, name_or_id: str) -> ScopeMap:
    """Return a map by name or id, or raise ScopeMapNotFound."""
    for one in SYSTEM_MAPS:
        if name_or_id in (one.id, one.name):
            return one
    columns = (scope_maps.c.id, scope_maps.c.name) if is_name(name_or_id) else ()
    for column in columns:  # one after the other: a name may look like an id
        row = tx.execute(sa.select(scope_maps).where(column == name_or_id)).one_or_none()
        if row is not None:
            return map_of(row)
    raise _not_found(name_or_id)


def map_of(row: Any) -> ScopeMap:
    """Read a map from its row."""
    rules = tuple(Rule.parse(text) for text in row.rules)
    return ScopeMap(row.id, row.name, row.description, rules, created_at=row.created_at)


def _holders(tx: Transaction, one: ScopeMap) -> Sequence[Principal]:
    query = sa.select(principals).join(registry_tokens, registry_tokens.c.principal_id == principals.c.id)
    rows = tx.execute(query.where(registry_tokens.c.scope_map_id == one.id).order_by(principals.c.name)).all()
    return [principal_of(row) for row in rows]


def _values(one: ScopeMap) -> dict[str, Any]:
    return {"description": one.description, "rules": [str(rule) for rule in one.rules]}


def _require_own(one: ScopeMap) -> None:
    if one.system:
        raise Conflict(f"{one.name} is built in.", remedy="Make a scope map of your own.")


def _not_found(name: str) -> ScopeMapNotFound:
    return ScopeMapNotFound(f"There is no scope map {name[:80]!r}.", remedy="See pratique registry scope-map list.")
