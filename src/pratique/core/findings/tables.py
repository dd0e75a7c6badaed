"""Findings, the subjects that show them, and exemptions from them.

What people attach (owner, due date, exemption, first seen) hangs on the finding, whose key outlives every build.
`occurrences` is the wide table: it refers to findings and subjects by 64-bit surrogates.
"""

import sqlalchemy as sa

from pratique.core.database.schema import Id, JsonText, Micros, Surrogate, TextC, metadata

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("id", Surrogate, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(32), nullable=False),
    sa.Column("domain", TextC, nullable=False),
    sa.Column("rule", TextC, nullable=False),
    sa.Column("lineage", TextC, nullable=False),
    sa.Column("location", TextC, nullable=False),
    sa.Column("title", TextC, nullable=False),
    sa.Column("severity", TextC, nullable=False),
    sa.Column("severity_rank", sa.Integer, nullable=False),
    sa.Column("severity_source", TextC, nullable=False),
    sa.Column("state", TextC, nullable=False),
    sa.Column("exploited", sa.Boolean, nullable=False),
    sa.Column("likelihood", sa.Float),
    sa.Column("fix", TextC, nullable=False),
    sa.Column("action", TextC, nullable=False),
    sa.Column("aliases", JsonText, nullable=False),
    sa.Column("first_seen", Micros, nullable=False),
    sa.Column("changed_at", Micros, nullable=False),
    sa.Column("resolved_at", Micros),
    sa.Column("owner", TextC, nullable=False),
    sa.Column("due_at", Micros),
    sa.Column("exemption_id", Id),
    sa.Column("exempt_until", Micros),
    # One number that sorts as (exploited, rank, likelihood or none) does: an index of both engines holds it as it is.
    sa.Column(
        "risk",
        sa.Float,
        sa.Computed("CAST(exploited AS INTEGER) * 100 + severity_rank * 10 + coalesce(likelihood, -1.0)"),
    ),
)
_open = findings.c.resolved_at.is_(None)
sa.Index("uq_findings_key", findings.c.key, unique=True)
sa.Index("ix_findings_rule_lineage", findings.c.rule, findings.c.lineage)
sa.Index("ix_findings_lineage", findings.c.lineage)
sa.Index("ix_findings_action", findings.c.action, sqlite_where=_open, postgresql_where=_open)
sa.Index(
    "ix_findings_risk",
    findings.c.risk,
    findings.c.id,
    sqlite_where=_open,
    postgresql_where=_open,
)
sa.Index("ix_findings_exemption_id", findings.c.exemption_id)

rule_names = sa.Table(
    "rule_names",
    metadata,
    sa.Column("rule", TextC, primary_key=True),
    sa.Column("name", TextC, primary_key=True),
)
sa.Index("ix_rule_names_name", rule_names.c.name)

subjects = sa.Table(
    "subjects",
    metadata,
    sa.Column("id", Surrogate, primary_key=True, autoincrement=True),
    sa.Column("domain", TextC, nullable=False),
    sa.Column("lineage", TextC, nullable=False),
    sa.Column("subject", TextC, nullable=False),
    sa.Column("content", sa.LargeBinary(16)),
    sa.UniqueConstraint("subject", "lineage", "domain"),
)
sa.Index("ix_subjects_lineage", subjects.c.lineage)

occurrences = sa.Table(
    "occurrences",
    metadata,
    sa.Column("subject_id", sa.ForeignKey(subjects.c.id), primary_key=True),
    sa.Column("finding_id", sa.ForeignKey(findings.c.id), primary_key=True),
    sa.Column("version", TextC, primary_key=True),
    sa.Column("content", sa.LargeBinary(16), nullable=False),
    sa.Column("evidence", JsonText, nullable=False),
    sa.Column("remediation", TextC, nullable=False),
    sa.Column("first_seen", Micros, nullable=False),
)
sa.Index("ix_occurrences_finding_id", occurrences.c.finding_id)

exemptions = sa.Table(
    "exemptions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("rule", TextC, nullable=False),
    sa.Column("lineage", TextC, nullable=False),
    sa.Column("location", TextC, nullable=False),
    sa.Column("reason", TextC, nullable=False),
    sa.Column("approver", TextC, nullable=False),
    sa.Column("created_by", TextC, nullable=False),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("expires_at", Micros, nullable=False),
    sa.Column("revoked_at", Micros),
)
sa.Index("ix_exemptions_expires_at", exemptions.c.expires_at)
