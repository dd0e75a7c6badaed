"""Exemptions: who accepted which findings, why, and until when."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.database.epochs import bump_epoch
from pratique.core.database.prepared import one_of
from pratique.core.database.transaction import Transaction
from pratique.core.errors import Invalid, NotFound
from pratique.core.findings.tables import exemptions, findings, rule_names
from pratique.core.findings.types import Exemption, Finding

EPOCH = "findings"


def add(tx: Transaction, exemption: Exemption) -> None:
    """Store it; findings that it covers are exempt from this transaction on. Invalid without reason, approver, end."""
    for field in ("reason", "approver", "created_by"):
        if not getattr(exemption, field).strip():
            raise Invalid(f"An exemption needs a {field.replace('_', ' ')}.", remedy="Say it in a few words.")
    if exemption.expires_at <= tx.now:
        raise Invalid("The exemption ends in the past.", remedy="Give an end in the future.")
    if not (exemption.rule or exemption.location):
        raise Invalid("An exemption needs a rule or a location.", remedy="Name the CVE, the rule or the package.")
    tx.execute(sa.insert(exemptions).values({name: getattr(exemption, name) for name in _FIELDS}))
    _apply(tx, exemption)
    _tell(tx)


def revoke(tx: Transaction, exemption_id: str) -> Exemption:
    """End it now; findings fall back to what else covers them. Returns what it was; NotFound if it never was."""
    exemption = get(tx, exemption_id)
    tx.execute(
        sa.update(exemptions)
        .where(exemptions.c.id == exemption_id, exemptions.c.revoked_at.is_(None))
        .values(revoked_at=tx.now)
    )
    freed = sa.update(findings).where(findings.c.exemption_id == exemption_id)
    tx.execute(freed.values(exemption_id=None, exempt_until=None))
    for other in active(tx):
        _apply(tx, other)
    _tell(tx)
    return exemption


def get(tx: Transaction, exemption_id: str) -> Exemption:
    row = tx.execute(sa.select(exemptions).where(exemptions.c.id == exemption_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such exemption.", remedy="`pratique exempt list` shows the ids.")
    return _exemption(row)


def active(tx: Transaction, lineage: str | None = None) -> tuple[Exemption, ...]:
    """Return the exemptions in force at `tx.now`, of those that cover something of `lineage` if it is given."""
    if lineage is None:
        rows = tx.execute(_ACTIVE, {"now": tx.now}).all()
    else:
        rows = tx.execute(_ACTIVE_OF, {"now": tx.now, "lineages": [lineage, "", *_parents(lineage)]}).all()
    return tuple(_exemption(row) for row in rows)


_ACTIVE = (
    sa.select(exemptions)
    .where(exemptions.c.expires_at > sa.bindparam("now"), exemptions.c.revoked_at.is_(None))
    .order_by(exemptions.c.id)
)
_ACTIVE_OF = _ACTIVE.where(one_of(exemptions.c.lineage, "lineages"))


def covering(tx: Transaction, wanted: Iterable[Finding]) -> dict[str, Exemption]:
    """Return for each key that is exempt now the exemption that lasts longest."""
    in_force = active(tx)
    covered: dict[str, Exemption] = {}
    for finding in wanted:
        longest = max((one for one in in_force if one.covers(finding)), key=lambda one: one.expires_at, default=None)
        if longest is not None:
            covered[finding.key] = longest
    return covered


def listed(tx: Transaction, *, before: str = "", limit: int = 100) -> list[Exemption]:
    """Return exemptions, ended ones too, newest first, older than the id `before`."""
    query = sa.select(exemptions).order_by(exemptions.c.id.desc()).limit(limit)
    if before:
        query = query.where(exemptions.c.id < before)
    return [_exemption(row) for row in tx.execute(query)]


def next_expiry(tx: Transaction) -> int | None:
    """Return the next instant at which some exemption ends by time alone."""
    query = sa.select(sa.func.min(exemptions.c.expires_at))
    moment: int | None = tx.execute(
        query.where(exemptions.c.expires_at > tx.now, exemptions.c.revoked_at.is_(None))
    ).scalar()
    return moment


_FIELDS = tuple(Exemption.__dataclass_fields__)


def below(column: sa.ColumnElement[str], prefix: str) -> sa.ColumnElement[bool]:
    """Return the condition that `column` begins with `prefix`, which ends with '/', so that an index can be used."""
    return sa.and_(column >= prefix, column < prefix[:-1] + "0")  # '0' is the character after '/'


def _apply(tx: Transaction, exemption: Exemption) -> None:
    conditions: list[sa.ColumnElement[bool]] = []
    if exemption.rule:
        named = sa.select(rule_names.c.rule).where(rule_names.c.name == exemption.rule)
        conditions.append(sa.or_(findings.c.rule == exemption.rule, findings.c.rule.in_(named)))
    if exemption.lineage.endswith("/"):
        conditions.append(below(findings.c.lineage, exemption.lineage))
    elif exemption.lineage:
        conditions.append(findings.c.lineage == exemption.lineage)
    if exemption.location:
        conditions.append(findings.c.location == exemption.location)
    shorter = sa.or_(findings.c.exempt_until.is_(None), findings.c.exempt_until < exemption.expires_at)
    tx.execute(
        sa.update(findings)
        .where(*conditions, shorter)
        .values(exemption_id=exemption.id, exempt_until=exemption.expires_at, changed_at=tx.now)
    )


def _parents(lineage: str) -> Sequence[str]:
    parts = lineage.split("/")
    return ["/".join(parts[:count]) + "/" for count in range(1, len(parts))]


def _tell(tx: Transaction) -> None:
    tx.hint(EPOCH)
    bump_epoch(tx, EPOCH)


def _exemption(row: Any) -> Exemption:
    return Exemption(**row._asdict())
