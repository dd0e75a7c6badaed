"""Reads findings for sums: the one place that knows how `core.findings` stores them."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.findings.tables import findings, occurrences, subjects
from pratique.core.findings.types import Severity
from pratique.recommendations.standing import Line
from pratique.recommendations.tables import recommendation_lineages

OPEN = findings.c.resolved_at.is_(None)


def action_of() -> sa.ColumnElement[str]:
    """The grouping key; a finding whose producer gave none stands for itself."""
    return sa.case((findings.c.action == "", sa.literal("other|") + findings.c.rule), else_=findings.c.action)


LINE = (
    findings.c.title,
    findings.c.severity,
    findings.c.state,
    findings.c.exploited,
    findings.c.likelihood,
    findings.c.fix,
    findings.c.first_seen,
    findings.c.due_at,
    findings.c.exempt_until,
    findings.c.aliases,
    findings.c.location,
    findings.c.rule,
    findings.c.owner,
)


def lines(tx: Transaction, lineage: str) -> list[Line]:
    """Return the open findings of a lineage."""
    query = sa.select(action_of().label("action"), *LINE).where(findings.c.lineage == lineage, OPEN)
    return [line_of(row, tx.now) for row in tx.execute(query)]


def lines_of_image(tx: Transaction, lineage: str, subject: str) -> list[Line]:
    """Return the open findings that one image of a lineage shows."""
    query = (
        sa.select(action_of().label("action"), *LINE)
        .select_from(findings)
        .where(OPEN, findings.c.id.in_(_shown_by(lineage, subject)))
    )
    return [line_of(row, tx.now) for row in tx.execute(query)]


def images(tx: Transaction, lineage: str) -> Mapping[str, int]:
    """Return for each action how many images of the lineage show a finding of it."""
    shown = (
        sa.select(action_of().label("action"), occurrences.c.subject_id)
        .select_from(findings.join(occurrences, occurrences.c.finding_id == findings.c.id))
        .where(findings.c.lineage == lineage, OPEN)
        .distinct()
    ).subquery()
    query = sa.select(shown.c.action, sa.func.count().label("images")).group_by(shown.c.action)
    return {row.action: row.images for row in tx.execute(query)}


def is_known(tx: Transaction, lineage: str) -> bool:
    """Whether any subject of the lineage is there; with its last image a lineage leaves the score."""
    return tx.execute(sa.select(subjects.c.id).where(subjects.c.lineage == lineage).limit(1)).first() is not None


def lineages(tx: Transaction) -> set[str]:
    """Return every lineage that has findings, or subjects that were looked at."""
    found = tx.execute(sa.select(findings.c.lineage).distinct()).scalars().all()
    seen = tx.execute(sa.select(subjects.c.lineage).distinct()).scalars().all()
    return {*found, *seen}


def lineages_freed(tx: Transaction) -> set[str]:
    """Return lineages in which an exemption ended by time since they were summed up."""
    query = (
        sa.select(findings.c.lineage)
        .join(recommendation_lineages, recommendation_lineages.c.lineage == findings.c.lineage)
        .where(
            findings.c.exemption_id.is_not(None),
            findings.c.exempt_until <= tx.now,
            findings.c.exempt_until > recommendation_lineages.c.updated_at,
        )
        .distinct()
    )
    return set(tx.execute(query).scalars())


def line_of(row: Any, now: int) -> Line:
    return Line(
        action=row.action,
        title=row.title,
        severity=Severity(row.severity),
        assessed=row.state == "affected",
        exempted=row.exempt_until is not None and row.exempt_until > now,
        exploited=row.exploited,
        likelihood=row.likelihood,
        fix=row.fix,
        first_seen=row.first_seen,
        due_at=row.due_at,
        aliases=tuple(row.aliases),
        location=row.location,
        rule=row.rule,
        owner=row.owner,
    )


def _shown_by(lineage: str, subject: str) -> sa.Select[Any]:
    return (
        sa.select(occurrences.c.finding_id)
        .join(subjects, subjects.c.id == occurrences.c.subject_id)
        .where(subjects.c.lineage == lineage, subjects.c.subject == subject)
    )
