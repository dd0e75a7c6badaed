"""Reads what one principal holds: three indexed statements, four where a custom role is among it."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.permissions import Permission, Scope
from pratique.identity import conditions, roles
from pratique.identity.access_tables import eligibilities, group_members
from pratique.identity.holdings import Held, Rights
from pratique.identity.tables import assignments, credentials, principals
from pratique.identity.tables import roles as custom_roles
from pratique.identity.types import Assignment, Role

_BY_VALUE = {permission.value: permission for permission in Permission}


def read_rights(tx: Transaction, principal_id: str) -> Rights | None:
    """Return one principal's rights, those through its groups included; None for an id that no principal has."""
    row = tx.execute(sa.select(principals).where(principals.c.id == principal_id)).one_or_none()
    if row is None:
        return None
    proofs = tx.execute(
        sa.select(credentials.c.id, credentials.c.kind, credentials.c.expires_at, credentials.c.proof).where(
            credentials.c.principal_id == principal_id
        )
    ).all()
    groups = groups_of(tx, principal_id)
    given = tx.execute(_assignments_of([principal_id, *groups])).all()
    return Rights(
        principal_id=row.id,
        name=row.name,
        kind=row.kind,
        active=row.state == "active",
        tokens_from=row.tokens_from,
        credentials={r.id: r.expires_at for r in proofs},
        proofs=tuple((r.id, bytes(r.proof)) for r in proofs if r.kind == "client-secret"),
        held=held_of(tx, given, groups),
        groups=tuple(groups),
    )


def groups_of(tx: Transaction, principal_id: str) -> Mapping[str, str]:
    """Return the names of the groups that a principal belongs to, by id."""
    statement = (
        sa.select(principals.c.id, principals.c.name)
        .join(group_members, group_members.c.group_id == principals.c.id)
        .where(group_members.c.principal_id == principal_id)
        .distinct()
    )
    return {row.id: row.name for row in tx.execute(statement).all()}


def held_of(tx: Transaction, given: Iterable[Any], groups: Mapping[str, str]) -> tuple[Held, ...]:
    """Return assignments with what their roles permit; one of a role that is gone permits nothing and is left out."""
    rows = [assignment_of(row) for row in given]
    known = roles_by_id(tx, {assignment.role_id for assignment in rows})
    return tuple(
        Held(
            assignment,
            known[assignment.role_id].name,
            known[assignment.role_id].permissions,
            groups.get(assignment.principal_id, ""),
            conditions.parse(assignment.condition) if assignment.condition else None,
        )
        for assignment in rows
        if assignment.role_id in known
    )


def all_that_is_given(tx: Transaction, principal_id: str) -> tuple[Held, ...]:
    """Return all that a principal or group is allowed, or may activate: what whoever acts as it could do."""
    groups = groups_of(tx, principal_id)
    holders = [principal_id, *groups]
    given = tx.execute(_assignments_of(holders).where(assignments.c.effect == "allow")).all()
    return held_of(tx, given, groups) + eligible_of(tx, holders)


def eligible_of(tx: Transaction, holders: list[str]) -> tuple[Held, ...]:
    """Return what these principals and groups may activate, as if it were activated."""
    rows = tx.execute(sa.select(eligibilities).where(eligibilities.c.principal_id.in_(holders))).all()
    known = roles_by_id(tx, {row.role_id for row in rows})
    return tuple(
        Held(
            Assignment(
                row.id, row.principal_id, row.role_id, Scope.parse(row.scope), "allow", row.created_at,
                row.created_by, row.expires_at, row.condition,
            ),
            known[row.role_id].name,
            known[row.role_id].permissions,
            condition=conditions.parse(row.condition) if row.condition else None,
        )
        for row in rows
        if row.role_id in known
    )  # fmt: skip


def id_of(tx: Transaction, name_or_id: str) -> str | None:
    """Return the id of the principal with this canonical name or id."""
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
        condition=row.condition or "",
        activation_id=row.activation_id or "",
    )


def role_of(row: Any) -> Role:
    """Read a custom role from its row; rights that this version does not know are left out."""
    actions = row.actions or {}
    return Role(
        id=row.id,
        name=row.name,
        description=row.description,
        permissions=frozenset(_BY_VALUE[p] for p in row.permissions if p in _BY_VALUE),
        builtin=False,
        actions=tuple(actions.get("actions", ())),
        data_actions=tuple(actions.get("data_actions", ())),
        not_actions=tuple(actions.get("not_actions", ())),
    )


def roles_by_id(tx: Transaction, role_ids: Iterable[str]) -> dict[str, Role]:
    """Return the roles with these ids, built-in and custom."""
    wanted = set(role_ids)
    found = {role_id: roles.BY_ID[role_id] for role_id in wanted & roles.BY_ID.keys()}
    custom = wanted - found.keys()
    if custom:
        rows = tx.execute(sa.select(custom_roles).where(custom_roles.c.id.in_(custom))).all()
        found |= {row.id: role_of(row) for row in rows}
    return found


def _assignments_of(holders: list[str]) -> sa.Select[Any]:
    return sa.select(assignments).where(assignments.c.principal_id.in_(holders)).order_by(assignments.c.id)


def names_of(tx: Transaction, ids: Iterable[str]) -> dict[str, str]:
    """Return the names of principals by id."""
    rows = tx.execute(sa.select(principals.c.id, principals.c.name).where(principals.c.id.in_(set(ids)))).all()
    return {row.id: row.name for row in rows}
