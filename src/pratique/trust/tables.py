"""Tables of trust: the decision that holds, and every one that held before."""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, TextC, metadata

decisions = sa.Table(
    "trust_decisions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("digest", TextC, nullable=False),
    sa.Column("repository_id", Id, nullable=False),
    sa.Column("repository", TextC, nullable=False),
    sa.Column("policy", TextC, nullable=False),
    sa.Column("policy_revision", TextC, nullable=False),
    sa.Column("state", TextC, nullable=False, comment="held, open or refused"),
    sa.Column("kind", TextC, nullable=False, comment="class of the decision"),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("remedy", sa.Text, nullable=False),
    sa.Column("reasons", JsonText, nullable=False),
    sa.Column("facts_revision", TextC, nullable=False),
    sa.Column("valid_until", Micros, nullable=True, comment="when the answer can change by time alone"),
    sa.Column("decided_at", Micros, nullable=False),
    sa.Column("superseded_at", Micros, nullable=True, comment="null: this decision holds"),
    sa.Index(
        "uq_trust_decisions_current",
        "digest",
        "repository_id",
        "policy",
        unique=True,
        sqlite_where=sa.text("superseded_at IS NULL"),
        postgresql_where=sa.text("superseded_at IS NULL"),
    ),
    sa.Index("ix_trust_decisions_history", "digest", "repository_id", "decided_at"),
    sa.Index("ix_trust_decisions_valid", "valid_until"),
    sa.Index("ix_trust_decisions_repository", "repository", "superseded_at"),
)
