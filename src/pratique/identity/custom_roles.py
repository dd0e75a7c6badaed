"""Custom roles: named sets of rights that an installation makes for itself.

A role is global, and changing it changes what everybody holds who has it. So whoever puts a right into a role holds
that right everywhere, or may delegate everywhere; and a right leaves a role that is used to deny only by the hand of
somebody who could give that right.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.errors import Conflict, Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import SYSTEM, Caller, Permission, Scope
from pratique.identity import roles
from pratique.identity.access_tables import eligibilities
from pratique.identity.azure_actions import is_known, permissions_of
from pratique.identity.errors import NameTaken
from pratique.identity.ground import Ground
from pratique.identity.rights_reading import role_of
from pratique.identity.tables import assignments
from pratique.identity.tables import roles as custom_roles
from pratique.identity.types import Role

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,62}[A-Za-z0-9])?")
_MAX_ROLES = 500
_BY_VALUE = {permission.value: permission for permission in Permission}


@dataclass(frozen=True, slots=True)
class Definition:
    """What a custom role is to be: rights by our names, by Azure's action strings, or both."""

    permissions: tuple[str, ...] = ()
    """Names, or patterns that end with `*`, as `registry/content/*`."""
    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    """Azure's: what they name is taken from what `actions` and `data_actions` give."""

    def resolved(self) -> frozenset[Permission]:
        """The rights, or raise Invalid for a name that says nothing here or a role without rights."""
        own = frozenset[Permission]().union(*map(_named, self.permissions))
        azure = frozenset[Permission]().union(
            *(_azure(action, data=False) for action in self.actions),
            *(_azure(action, data=True) for action in self.data_actions),
        )
        taken = frozenset[Permission]().union(
            *(permissions_of(action, data=data) for action in self.not_actions for data in (False, True))
        )
        found = own | (azure - taken)
        if not found:
            raise Invalid("A role needs at least one right.", remedy="See docs/reference/permissions.md.")
        return found


class RoleService:
    """Use cases on roles; a change acts on everybody who holds the role, at once."""

    def __init__(self, ground: Ground) -> None:
        self._memory = ground.memory
        self._authorizer = ground.authorizer
        self._growth = ground.growth
        self._audit = ground.audit

    def find(self, tx: Transaction, name_or_id: str) -> Role:
        """Return a role, built-in or custom, by id or by name in any case; raises RoleNotFound."""
        found = roles.built_in(name_or_id)
        if found is not None:
            return found
        key = name_or_id.strip()
        wanted = sa.or_(custom_roles.c.id == key.lower(), sa.func.lower(custom_roles.c.name) == key.lower())
        row = tx.execute(sa.select(custom_roles).where(wanted)).first() if key.isascii() else None
        if row is None:
            raise roles.not_found(name_or_id)
        return role_of(row)

    def list(self, tx: Transaction) -> Sequence[Role]:
        """Return every role: built-in ones, then custom ones by name."""
        rows = tx.execute(sa.select(custom_roles).order_by(custom_roles.c.name)).all()
        return [*roles.BUILT_IN, *map(role_of, rows)]

    def create(
        self, tx: Transaction, caller: Caller, name: str, definition: Definition, *, description: str = ""
    ) -> Role:
        """Make a custom role; raises NameTaken, Invalid or BeyondOwnRights."""
        self._require_write(caller)
        name = self._free_name(tx, name)
        if tx.execute(sa.select(sa.func.count()).select_from(custom_roles)).scalar_one() >= _MAX_ROLES:
            raise Conflict(f"There are {_MAX_ROLES} custom roles.", remedy="Delete those that nobody holds.")
        permissions = definition.resolved()
        self._growth.require(caller, permissions, Scope.root(), what="The role")
        role = _role(new_id(), name, description, permissions, definition)
        tx.execute(
            sa.insert(custom_roles).values(
                id=role.id, created_at=tx.now, created_by=caller.principal_id, **_values(role)
            )
        )
        self._audit.with_change(tx, "identity.role.create", caller, role.id, _detail(role))
        return role

    def kept(self, tx: Transaction, name: str, definition: Definition, *, description: str) -> Role:
        """Return the role of this name with exactly these rights; the installation makes it where it is missing.

        A role gives nobody anything until it is assigned, and whoever assigns it is checked then. Raises Conflict
        where somebody has made something else of it.
        """
        permissions = definition.resolved()
        row = tx.execute(sa.select(custom_roles).where(custom_roles.c.name == name)).one_or_none()
        if row is not None:
            found = role_of(row)
            if found.permissions != permissions:
                raise Conflict(f"The role {name} was changed.", remedy="Rename that role, then try again.")
            return found
        role = _role(new_id(), name, description, permissions, definition)
        tx.execute(
            sa.insert(custom_roles).values(
                id=role.id, created_at=tx.now, created_by=SYSTEM.principal_id, **_values(role)
            )
        )
        self._audit.with_change(tx, "identity.role.create", SYSTEM, role.id, _detail(role))
        return role

    def change(
        self,
        tx: Transaction,
        caller: Caller,
        role: Role,
        *,
        name: str | None = None,
        description: str | None = None,
        definition: Definition | None = None,
    ) -> Role:
        """Change a custom role; what is None stays."""
        self._require_custom(role)
        self._require_write(caller)
        new_name = role.name if name is None or name == role.name else self._free_name(tx, name, but=role.id)
        permissions = role.permissions if definition is None else definition.resolved()
        self._growth.require(caller, permissions - role.permissions, Scope.root(), what="The role")
        if role.permissions - permissions and self._denies(tx, role):
            self._growth.require(caller, role.permissions - permissions, Scope.root(), what="What the role denies")
        text = role.description if description is None else description
        kept = definition or Definition((), role.actions, role.data_actions, role.not_actions)
        changed = _role(role.id, new_name, text, permissions, kept)
        tx.execute(
            sa.update(custom_roles).where(custom_roles.c.id == role.id).values(changed_at=tx.now, **_values(changed))
        )
        self._memory.changed(tx)
        self._audit.with_change(tx, "identity.role.change", caller, role.id, _detail(changed))
        return changed

    def delete(self, tx: Transaction, caller: Caller, role: Role) -> None:
        """Delete a custom role that nobody holds."""
        self._require_custom(role)
        self._require_write(caller)
        for table in (assignments, eligibilities):
            if tx.execute(sa.select(table.c.id).where(table.c.role_id == role.id).limit(1)).first() is not None:
                raise Conflict(
                    f"{role.name} is assigned.", remedy=f"Take it away first: pratique assignment list --role {role.id}"
                )
        tx.execute(sa.delete(custom_roles).where(custom_roles.c.id == role.id))
        self._memory.changed(tx)
        self._audit.with_change(tx, "identity.role.delete", caller, role.id, {"name": role.name})

    def _require_write(self, caller: Caller) -> None:
        self._authorizer.require(caller, Permission.IDENTITY_ROLES_WRITE, Scope.root())

    def _require_custom(self, role: Role) -> None:
        if role.builtin:
            raise Conflict(f"{role.name} is built in.", remedy="Make a custom role instead.")

    def _denies(self, tx: Transaction, role: Role) -> bool:
        used = sa.select(assignments.c.id).where(assignments.c.role_id == role.id, assignments.c.effect == "deny")
        return tx.execute(used.limit(1)).first() is not None

    def _free_name(self, tx: Transaction, name: str, *, but: str = "") -> str:
        """Return a name in its one form, or raise; a name that looks like another's in any case is taken."""
        name = " ".join(name.split(" "))
        if not _NAME.fullmatch(name) or "  " in name:
            raise Invalid(
                f"{name[:80]!r} is not a name for a role.",
                remedy="Use up to 64 letters, digits, single spaces and . _ - ; begin and end with a letter or digit.",
            )
        same = sa.func.lower(custom_roles.c.name) == name.lower()
        taken = tx.execute(sa.select(custom_roles.c.id).where(same, custom_roles.c.id != but)).first()
        if taken is not None or roles.built_in(name) is not None:
            raise NameTaken(f"There is a role {name} already.", remedy="Choose another name.")
        return name


def _named(text: str) -> frozenset[Permission]:
    wanted = text.strip().lower()
    if wanted.endswith("/*"):
        found = frozenset(p for p in Permission if p.value.startswith(wanted[:-1]) and not p.value.endswith("/purge"))
    else:
        found = frozenset({_BY_VALUE[wanted]}) if wanted in _BY_VALUE else frozenset()
    if not found:
        raise Invalid(f"There is no right {text[:80]!r}.", remedy="See docs/reference/permissions.md.")
    return found


def _azure(action: str, *, data: bool) -> frozenset[Permission]:
    action = action.strip()
    if len(action) > 256 or not is_known(action, data=data):
        kind = "data action" if data else "action"
        raise Invalid(
            f"Nothing here is meant by the {kind} {action[:120]!r}.", remedy="See docs/reference/azure-actions.md."
        )
    return permissions_of(action, data=data)


def _role(role_id: str, name: str, description: str, permissions: Iterable[Permission], definition: Definition) -> Role:
    return Role(
        role_id,
        name,
        description.strip()[:500],
        frozenset(permissions),
        builtin=False,
        actions=definition.actions,
        data_actions=definition.data_actions,
        not_actions=definition.not_actions,
    )


def _values(role: Role) -> dict[str, Any]:
    return {
        "name": role.name,
        "description": role.description,
        "permissions": sorted(permission.value for permission in role.permissions),
        "actions": {
            "actions": list(role.actions),
            "data_actions": list(role.data_actions),
            "not_actions": list(role.not_actions),
        },
    }


def _detail(role: Role) -> dict[str, Any]:
    return {"name": role.name, "permissions": sorted(permission.value for permission in role.permissions)}
