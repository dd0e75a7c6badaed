"""What pages and commands ask about findings; every list is a keyset page."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.database.paging import Cursors, Page, after, check_limit, page
from pratique.core.database.transaction import Transaction
from pratique.core.errors import NotFound
from pratique.core.findings.exempting import below
from pratique.core.findings.tables import findings, occurrences, rule_names, subjects
from pratique.core.findings.types import (
    ActionGroup,
    Finding,
    FindingFilter,
    Severity,
    Sort,
    StoredFinding,
    StoredOccurrence,
)

_EXPLOITED = sa.cast(findings.c.exploited, sa.Integer)
_ORDERS: Mapping[Sort, tuple[tuple[sa.ColumnElement[Any], ...], bool]] = {
    "risk": ((findings.c.risk, findings.c.id), True),
    "newest": ((findings.c.first_seen, findings.c.id), True),
    "oldest": ((findings.c.first_seen, findings.c.id), False),
    "lineage": ((findings.c.lineage, findings.c.id), False),
}


def matching(chosen: FindingFilter, now: int) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a filter, for use in queries over the table of findings."""
    column = findings.c
    conditions: list[sa.ColumnElement[bool]] = [
        column.resolved_at.is_not(None) if chosen.resolved else column.resolved_at.is_(None)
    ]
    equal = {name: getattr(chosen, name) for name in ("domain", "action", "state", "owner")}
    conditions += [column[name] == value for name, value in equal.items() if value]
    if chosen.severities:
        conditions.append(column.severity.in_([severity.value for severity in chosen.severities]))
    if chosen.exploited is not None:
        conditions.append(column.exploited.is_(chosen.exploited))
    if chosen.fixable is not None:
        conditions.append(column.fix != "" if chosen.fixable else column.fix == "")
    if chosen.exempt is not None:
        exempt = sa.func.coalesce(column.exempt_until, 0) > now
        conditions.append(exempt if chosen.exempt else sa.not_(exempt))
    return conditions + _by_place(chosen) + _by_words(chosen)


def _by_place(chosen: FindingFilter) -> list[sa.ColumnElement[bool]]:
    lineage = findings.c.lineage
    conditions: list[sa.ColumnElement[bool]] = []
    if chosen.lineage:
        conditions.append(below(lineage, chosen.lineage) if chosen.lineage.endswith("/") else lineage == chosen.lineage)
    if chosen.scopes is not None and "" not in chosen.scopes:
        names = [scope.rstrip("/") for scope in chosen.scopes]
        conditions.append(sa.or_(lineage.in_(names), *(below(lineage, name + "/") for name in names)))
    if chosen.subject:
        shown = (
            sa.select(occurrences.c.finding_id)
            .join(subjects, subjects.c.id == occurrences.c.subject_id)
            .where(subjects.c.subject == chosen.subject)
        )
        conditions.append(findings.c.id.in_(shown))
    return conditions


def _by_words(chosen: FindingFilter) -> list[sa.ColumnElement[bool]]:
    column = findings.c
    conditions: list[sa.ColumnElement[bool]] = []
    if chosen.rule:
        named = sa.select(rule_names.c.rule).where(rule_names.c.name == chosen.rule)
        conditions.append(sa.or_(column.rule == chosen.rule, column.rule.in_(named)))
    if chosen.text:
        named = sa.select(rule_names.c.rule).where(_contains(rule_names.c.name, chosen.text))
        places = (column.title, column.rule, column.location, column.lineage)
        conditions.append(sa.or_(*(_contains(place, chosen.text) for place in places), column.rule.in_(named)))
    return conditions


def _contains(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    return column.icontains(text[:100], autoescape=True)


def listed(
    tx: Transaction,
    chosen: FindingFilter,
    cursors: Cursors,
    *,
    sort: Sort = "risk",
    cursor: str | None = None,
    limit: int = 100,
) -> Page[StoredFinding]:
    """Return a page of findings."""
    columns, descending = _ORDERS[sort]
    positions = [column.label(f"position_{index}") for index, column in enumerate(columns)]
    query = sa.select(findings, *positions).where(*matching(chosen, tx.now)).limit(check_limit(limit) + 1)
    query = query.order_by(*(column.desc() if descending else column.asc() for column in columns))
    listing = f"findings/{sort}"
    if cursor:
        position = cursors.decode(listing, cursor)
        query = query.where(after(columns, position, descending=[descending] * len(columns)))
    rows = tx.execute(query).all()
    now = tx.now
    return page(
        rows,
        limit,
        lambda row: stored_finding(row, now),
        lambda row: cursors.encode(listing, [getattr(row, f"position_{index}") for index in range(len(columns))]),
    )


def get(tx: Transaction, key: str) -> StoredFinding:
    row = tx.execute(sa.select(findings).where(findings.c.key == key)).one_or_none()
    if row is None:
        raise NotFound("There is no such finding.", remedy="It may never have been recorded here.")
    return stored_finding(row, tx.now)


def counts(tx: Transaction, chosen: FindingFilter) -> dict[Severity, int]:
    """Return how many findings there are of each severity, zeros included."""
    query = sa.select(findings.c.severity, sa.func.count().label("total")).group_by(findings.c.severity)
    found = {row.severity: row.total for row in tx.execute(query.where(*matching(chosen, tx.now)))}
    return {severity: found.get(severity.value, 0) for severity in Severity}


def by_action(
    tx: Transaction, chosen: FindingFilter, *, limit: int = 100, least: tuple[int, int, str] | None = None
) -> list[ActionGroup]:
    """Return what to do, worst first: groups of open findings that one action settles, after the position `least`.

    The position of a group is (exploited as 0 or 1, rank of its severity, action).
    """
    worst = sa.func.max(findings.c.severity_rank)
    exploited = sa.func.max(_EXPLOITED)
    query = (
        sa.select(findings.c.action, worst.label("worst"), exploited.label("exploited"), *_aggregates())
        .where(*matching(chosen, tx.now))
        .group_by(findings.c.action)
        .order_by(exploited.desc(), worst.desc(), findings.c.action)
        .limit(check_limit(limit))
    )
    if least is not None:
        held_exploited, held_worst, action = least
        query = query.having(
            sa.or_(
                exploited < held_exploited,
                sa.and_(exploited == held_exploited, worst < held_worst),
                sa.and_(exploited == held_exploited, worst == held_worst, findings.c.action > action),
            )
        )
    rows = tx.execute(query).all()
    shown = _subjects_by_action(tx, [row.action for row in rows], chosen)
    return [_group(row, shown.get(row.action, 0)) for row in rows]


def _aggregates() -> list[sa.ColumnElement[Any]]:
    per_severity = [
        sa.func.sum(sa.case((findings.c.severity == severity.value, 1), else_=0)).label(f"count_{severity.value}")
        for severity in Severity
    ]
    return [
        sa.func.count().label("findings"),
        sa.func.count(findings.c.lineage.distinct()).label("lineages"),
        sa.func.max(findings.c.likelihood).label("likelihood"),
        sa.func.sum(sa.case((findings.c.fix != "", 1), else_=0)).label("fixable"),
        sa.func.min(findings.c.first_seen).label("first_seen"),
        sa.func.min(findings.c.title).label("title"),
        *per_severity,
    ]


def _subjects_by_action(tx: Transaction, actions: Sequence[str], chosen: FindingFilter) -> dict[str, int]:
    query = (
        sa.select(findings.c.action, sa.func.count(occurrences.c.subject_id.distinct()).label("total"))
        .join(occurrences, occurrences.c.finding_id == findings.c.id)
        .where(findings.c.action.in_(actions), *matching(chosen, tx.now))
        .group_by(findings.c.action)
    )
    return {row.action: row.total for row in tx.execute(query)}


def _group(row: Any, shown: int) -> ActionGroup:
    return ActionGroup(
        action=row.action,
        severity=Severity.of_rank(row.worst),
        findings=row.findings,
        lineages=row.lineages,
        subjects=shown,
        exploited=bool(row.exploited),
        likelihood=row.likelihood,
        fixable=int(row.fixable),
        first_seen=row.first_seen,
        counts={severity: int(getattr(row, f"count_{severity.value}")) for severity in Severity},
        title=row.title,
    )


_OCCURRENCE = sa.select(
    findings.c.key,
    findings.c.lineage,
    subjects.c.subject,
    occurrences.c.version,
    occurrences.c.evidence,
    occurrences.c.remediation,
    occurrences.c.first_seen,
).select_from(
    occurrences.join(findings, findings.c.id == occurrences.c.finding_id).join(
        subjects, subjects.c.id == occurrences.c.subject_id
    )
)


def occurrences_of(tx: Transaction, key: str, *, after_subject: str = "", limit: int = 100) -> list[StoredOccurrence]:
    """Return where a finding shows, by subject, beginning after `after_subject`."""
    query = _OCCURRENCE.where(findings.c.key == key, subjects.c.subject > after_subject)
    rows = tx.execute(query.order_by(subjects.c.subject, occurrences.c.version).limit(check_limit(limit)))
    return [StoredOccurrence(**row._asdict()) for row in rows]


def of_subject(
    tx: Transaction, subject: str, *, domain: str = "", lineage: str = ""
) -> list[tuple[StoredFinding, StoredOccurrence]]:
    """Return everything that a subject shows, worst first."""
    labels = [column.label(f"o_{column.name}") for column in occurrences.c]
    query = (
        sa.select(findings, *labels, subjects.c.subject)
        .select_from(
            subjects.join(occurrences, occurrences.c.subject_id == subjects.c.id).join(
                findings, findings.c.id == occurrences.c.finding_id
            )
        )
        .where(subjects.c.subject == subject)
        .order_by(*(column.desc() for column in _ORDERS["risk"][0]))
    )
    if domain:
        query = query.where(findings.c.domain == domain)
    if lineage:
        query = query.where(findings.c.lineage == lineage)
    return [(stored_finding(row, tx.now), _occurrence(row)) for row in tx.execute(query)]


def stored_finding(row: Any, now: int) -> StoredFinding:
    """Return the value of a row that has every column of the table of findings."""
    exempt = row.exempt_until is not None and row.exempt_until > now
    return StoredFinding(
        finding=_finding(row),
        first_seen=row.first_seen,
        changed_at=row.changed_at,
        resolved_at=row.resolved_at,
        owner=row.owner,
        due_at=row.due_at,
        exemption_id=row.exemption_id if exempt else None,
        exempt_until=row.exempt_until if exempt else None,
    )


def _finding(row: Any) -> Finding:
    return Finding(
        domain=row.domain,
        rule=row.rule,
        lineage=row.lineage,
        location=row.location,
        title=row.title,
        severity=Severity(row.severity),
        severity_source=row.severity_source,
        state=row.state,
        exploited=row.exploited,
        likelihood=row.likelihood,
        fix=row.fix,
        action=row.action,
        aliases=tuple(row.aliases),
    )


def _occurrence(row: Any) -> StoredOccurrence:
    return StoredOccurrence(
        key=row.key,
        lineage=row.lineage,
        subject=row.subject,
        version=row.o_version,
        evidence=row.o_evidence,
        remediation=row.o_remediation,
        first_seen=row.o_first_seen,
    )
