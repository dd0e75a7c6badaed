"""Findings with their evidence, worst first: of a recommendation, a repository, an image, or all of them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Cursors, Transaction
from pratique.core.database.paging import after, check_limit
from pratique.core.findings.tables import findings, occurrences, subjects
from pratique.core.findings.types import Severity
from pratique.recommendations import finding_search, records
from pratique.recommendations.actions import is_settled
from pratique.recommendations.listing import lineage_of
from pratique.recommendations.narrowing import below, visible
from pratique.recommendations.risk import risk_of
from pratique.recommendations.standing import Line, counts_of
from pratique.recommendations.types import Counts, Evidence, EvidencePage, FindingFilter, ImageLine, Visibility

LISTING = "findings"


def listed(
    tx: Transaction, wanted: FindingFilter, action: str | None, visibility: Visibility, cursors: Cursors
) -> EvidencePage:
    """Return one page of occurrences; `action` is the key behind `wanted.recommendation`."""
    limit = check_limit(wanted.limit)
    joined = findings.join(occurrences, occurrences.c.finding_id == findings.c.id).join(
        subjects, subjects.c.id == occurrences.c.subject_id
    )
    query = sa.select(*_COLUMNS).select_from(joined).where(*_conditions(tx, wanted, action, visibility))
    if wanted.cursor:
        position = cursors.decode(LISTING, wanted.cursor)
        # The first part once more, of one table alone: engines enter an index with that, and not with a join's.
        reached = sa.tuple_(*_ORDER[:2]) <= sa.tuple_(*(sa.literal(held) for held in position[:2]))
        query = query.where(reached, after(_ORDER, position, descending=_DOWN))
    order = [column.desc() if down else column.asc() for column, down in zip(_ORDER, _DOWN, strict=True)]
    rows = tx.execute(query.order_by(*order).limit(limit + 1)).all()
    last = rows[limit - 1] if len(rows) > limit else None
    following = ""
    if last is not None:
        following = cursors.encode(LISTING, [last.risk, last.finding_id, last.subject_id, last.version])
    return EvidencePage(tuple(_evidence(row, tx.now) for row in rows[:limit]), following)


def images_of(tx: Transaction, action: str, visibility: Visibility, limit: int) -> tuple[tuple[ImageLine, ...], int]:
    """Return the images that show findings of an action, those with most first, and how many more there are."""
    joined = findings.join(occurrences, occurrences.c.finding_id == findings.c.id).join(
        subjects, subjects.c.id == occurrences.c.subject_id
    )
    conditions = [of_action(action), records.OPEN, *visible(findings.c.lineage, visibility)]
    ranked = (
        sa.select(subjects.c.id, sa.func.count(sa.distinct(findings.c.id)).label("shown"))
        .select_from(joined)
        .where(*conditions)
        .group_by(subjects.c.id)
    ).subquery()
    total = tx.execute(sa.select(sa.func.count()).select_from(ranked)).scalar_one()
    chosen = tx.execute(
        sa.select(subjects.c.id, subjects.c.lineage, subjects.c.subject)
        .join(ranked, ranked.c.id == subjects.c.id)
        .order_by(ranked.c.shown.desc(), subjects.c.id.desc())
        .limit(limit)
    ).all()
    counts = _counts(tx, action, [row.id for row in chosen])
    lines = tuple(ImageLine(row.lineage, row.subject, counts.get(row.id, Counts())) for row in chosen)
    return lines, max(total - len(lines), 0)


def binaries_of(tx: Transaction, action: str, limit: int = 40) -> tuple[str, ...]:
    """Return the names of installed packages behind an action, as far as their evidence says: for lines to copy."""
    query = sa.select(findings.c.location).where(of_action(action), records.OPEN).distinct().limit(500)
    names = {_package_of(location) for location in tx.execute(query).scalars()}
    return tuple(sorted(names - {""}))[:limit]


def _package_of(location: str) -> str:
    """Return the package name of a package URL without version, '' for anything else."""
    if not location.startswith("pkg:"):
        return ""
    return location.partition("?")[0].partition("#")[0].rpartition("/")[2].partition("@")[0]


def _counts(tx: Transaction, action: str, ids: Sequence[int]) -> dict[int, Counts]:
    query = (
        sa.select(occurrences.c.subject_id, records.action_of().label("action"), *records.LINE)
        .select_from(findings.join(occurrences, occurrences.c.finding_id == findings.c.id))
        .where(of_action(action), records.OPEN, occurrences.c.subject_id.in_(ids))
        .distinct()
    )
    found: dict[int, list[Line]] = {}
    for row in tx.execute(query):
        found.setdefault(row.subject_id, []).append(records.line_of(row, tx.now))
    return {subject: Counts(**counts_of(lines)) for subject, lines in found.items()}


_COLUMNS = (
    findings.c.id.label("finding_id"),
    subjects.c.id.label("subject_id"),
    *(findings.c[name] for name in (
        "key", "rule", "aliases", "title", "severity", "severity_rank", "severity_source", "state", "exploited",
        "risk", "likelihood", "fix", "lineage", "location", "first_seen", "owner", "due_at", "exempt_until",
    )),
    records.action_of().label("action"),
    subjects.c.subject,
    occurrences.c.version,
    occurrences.c.evidence,
    occurrences.c.remediation,
)  # fmt: skip
_ORDER = (findings.c.risk, findings.c.id, occurrences.c.subject_id, occurrences.c.version)
_DOWN = (True, True, True, True)


def of_action(action: str) -> sa.ColumnElement[bool]:
    """Return the condition that a finding belongs to an action."""
    if action.startswith("other|"):
        return sa.or_(
            findings.c.action == action, sa.and_(findings.c.action == "", findings.c.rule == action.partition("|")[2])
        )
    return findings.c.action == action


def _conditions(
    tx: Transaction, wanted: FindingFilter, action: str | None, visibility: Visibility
) -> list[sa.ColumnElement[bool]]:
    conditions = [records.OPEN, *visible(findings.c.lineage, visibility)]
    if action is not None:
        conditions.append(of_action(action))
    if wanted.repository:
        conditions.append(below(findings.c.lineage, lineage_of(wanted.repository)))
    if wanted.subject:
        conditions.append(subjects.c.subject == wanted.subject)
    if wanted.severity:
        conditions.append(findings.c.severity.in_([severity.value for severity in wanted.severity]))
    if wanted.exploited is not None:
        conditions.append(findings.c.exploited == wanted.exploited)
    if wanted.assessed is not None:
        conditions.append(findings.c.state == ("affected" if wanted.assessed else "not-assessed"))
    if wanted.search:
        conditions += finding_search.matching(tx, wanted.search)
    return conditions


def _evidence(row: Any, now: int) -> Evidence:
    line = records.line_of(row, now)
    return Evidence(
        key=row.key,
        rule=row.rule,
        aliases=line.aliases,
        title=row.title,
        severity=line.severity,
        severity_source=row.severity_source,
        assessed=line.assessed,
        exempted=line.exempted,
        exploited=row.exploited,
        likelihood=row.likelihood,
        risk=risk_of(
            Severity(row.severity),
            exploited=row.exploited,
            likelihood=row.likelihood,
            fixable=is_settled(row.action, row.fix),
        ),
        fix=row.fix,
        lineage=row.lineage,
        location=row.location,
        subject=row.subject,
        version=row.version,
        remediation=row.remediation,
        first_seen=row.first_seen,
        owner=row.owner,
        due=line.due,
        action=row.action,
        proof=row.evidence,
    )
