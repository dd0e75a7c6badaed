"""Everything that the first release keeps."""

import sqlalchemy as sa
from alembic import op

from pratique.core.database.schema import Id, JsonText, Surrogate, TextC

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("message", TextC, nullable=False),
        sa.Column("key_id", TextC, nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_checkpoints"),
    )
    op.create_table(
        "audit_entries",
        sa.Column("writer", Id, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("entry_class", TextC, nullable=False),
        sa.Column("action", TextC, nullable=False),
        sa.Column("principal_id", TextC, nullable=False),
        sa.Column("principal", TextC, nullable=False),
        sa.Column("kind", TextC, nullable=False),
        sa.Column("credential_id", TextC, nullable=False),
        sa.Column("target", TextC, nullable=False),
        sa.Column("detail", TextC, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("writer", "seq", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_at", "audit_entries", ["at"], unique=False)
    op.create_index("ix_audit_entries_principal_id", "audit_entries", ["principal_id", "at"], unique=False)
    op.create_index("ix_audit_entries_target", "audit_entries", ["target", "at"], unique=False)
    op.create_table(
        "audit_writers",
        sa.Column("writer", Id, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed_seq", sa.BigInteger(), nullable=False),
        sa.Column("sealed_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("writer", name="pk_audit_writers"),
    )
    op.create_table(
        "blobs",
        sa.Column("id", Surrogate, autoincrement=True, nullable=False),
        sa.Column("digest", TextC, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("segments", JsonText(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_blobs"),
        sa.UniqueConstraint("digest", name="uq_blobs_digest"),
    )
    op.create_table(
        "epochs",
        sa.Column("name", TextC, nullable=False),
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "shard", name="pk_epochs"),
    )
    op.create_table(
        "exemptions",
        sa.Column("id", Id, nullable=False),
        sa.Column("rule", TextC, nullable=False),
        sa.Column("lineage", TextC, nullable=False),
        sa.Column("location", TextC, nullable=False),
        sa.Column("reason", TextC, nullable=False),
        sa.Column("approver", TextC, nullable=False),
        sa.Column("created_by", TextC, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_exemptions"),
    )
    op.create_index("ix_exemptions_expires_at", "exemptions", ["expires_at"], unique=False)
    op.create_table(
        "findings",
        sa.Column("id", Surrogate, autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("domain", TextC, nullable=False),
        sa.Column("rule", TextC, nullable=False),
        sa.Column("lineage", TextC, nullable=False),
        sa.Column("location", TextC, nullable=False),
        sa.Column("title", TextC, nullable=False),
        sa.Column("severity", TextC, nullable=False),
        sa.Column("severity_rank", sa.Integer(), nullable=False),
        sa.Column("severity_source", TextC, nullable=False),
        sa.Column("state", TextC, nullable=False),
        sa.Column("exploited", sa.Boolean(), nullable=False),
        sa.Column("likelihood", sa.Float(), nullable=True),
        sa.Column("fix", TextC, nullable=False),
        sa.Column("action", TextC, nullable=False),
        sa.Column("aliases", JsonText(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("owner", TextC, nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("exemption_id", Id, nullable=True),
        sa.Column("exempt_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_findings"),
    )
    op.create_index(
        "ix_findings_action",
        "findings",
        ["action"],
        unique=False,
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index("ix_findings_exemption_id", "findings", ["exemption_id"], unique=False)
    op.create_index("ix_findings_lineage", "findings", ["lineage"], unique=False)
    op.create_index(
        "ix_findings_risk",
        "findings",
        ["exploited", "severity_rank", "id"],
        unique=False,
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index("ix_findings_rule_lineage", "findings", ["rule", "lineage"], unique=False)
    op.create_index("uq_findings_key", "findings", ["key"], unique=True)
    op.create_table(
        "jobs",
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", TextC, nullable=False),
        sa.Column("payload", JsonText(), nullable=False),
        sa.Column("state", TextC, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("run_at", sa.BigInteger(), nullable=False),
        sa.Column("lane", TextC, nullable=True),
        sa.Column("unique_key", TextC, nullable=True),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("lease_token", Id, nullable=True),
        sa.Column("lease_owner", TextC, nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("progress_done", sa.BigInteger(), nullable=False),
        sa.Column("progress_total", sa.BigInteger(), nullable=True),
        sa.Column("progress_note", TextC, nullable=False),
        sa.Column("last_error", TextC, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index(
        "ix_jobs_due",
        "jobs",
        ["run_at"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_jobs_finished",
        "jobs",
        ["finished_at"],
        unique=False,
        sqlite_where=sa.text("finished_at IS NOT NULL"),
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_lease",
        "jobs",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "ix_jobs_ready",
        "jobs",
        ["priority", "run_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "uq_jobs_lane",
        "jobs",
        ["lane"],
        unique=True,
        sqlite_where=sa.text("state = 'running'"),
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "uq_jobs_unique_key",
        "jobs",
        ["unique_key"],
        unique=True,
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "login_failures",
        sa.Column(
            "key",
            sa.String(length=64),
            nullable=False,
            comment="keyed hash of the canonical name with or without address",
        ),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_login_failures"),
    )
    op.create_index("ix_login_failures_until", "login_failures", ["until"], unique=False)
    op.create_table(
        "principals",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", TextC, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="active", nullable=False),
        sa.Column("display_name", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "tokens_from",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="tokens issued earlier are refused",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_principals"),
        sa.UniqueConstraint("name", name="uq_principals_name"),
    )
    op.create_table(
        "recommendation_changes",
        sa.Column("lineage", TextC, nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lineage", name="pk_recommendation_changes"),
    )
    op.create_table(
        "recommendation_days",
        sa.Column("day", TextC, nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("repositories", sa.Integer(), nullable=False),
        sa.Column("critical", sa.Integer(), nullable=False),
        sa.Column("high", sa.Integer(), nullable=False),
        sa.Column("medium", sa.Integer(), nullable=False),
        sa.Column("low", sa.Integer(), nullable=False),
        sa.Column("negligible", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.Integer(), nullable=False),
        sa.Column("not_assessed", sa.Integer(), nullable=False),
        sa.Column("exempted", sa.Integer(), nullable=False),
        sa.Column("exploited", sa.Integer(), nullable=False),
        sa.Column("unfixed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name="pk_recommendation_days"),
    )
    op.create_table(
        "recommendation_items",
        sa.Column("action", TextC, nullable=False),
        sa.Column("lineage", TextC, nullable=False),
        sa.Column("id", TextC, nullable=False),
        sa.Column("critical", sa.Integer(), nullable=False),
        sa.Column("high", sa.Integer(), nullable=False),
        sa.Column("medium", sa.Integer(), nullable=False),
        sa.Column("low", sa.Integer(), nullable=False),
        sa.Column("negligible", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.Integer(), nullable=False),
        sa.Column("not_assessed", sa.Integer(), nullable=False),
        sa.Column("exempted", sa.Integer(), nullable=False),
        sa.Column("exploited", sa.Integer(), nullable=False),
        sa.Column("unfixed", sa.Integer(), nullable=False),
        sa.Column("severity_rank", sa.Integer(), nullable=False),
        sa.Column("risk", sa.Float(), nullable=False),
        sa.Column("likelihood", sa.Float(), nullable=True),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("title", TextC, nullable=False),
        sa.Column("fix", TextC, nullable=False),
        sa.Column("owner", TextC, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("action", "lineage", name="pk_recommendation_items"),
    )
    op.create_index("ix_recommendation_items_id", "recommendation_items", ["id"], unique=False)
    op.create_index(
        "ix_recommendation_items_lineage_action", "recommendation_items", ["lineage", "action"], unique=False
    )
    op.create_index("ix_recommendation_items_owner_action", "recommendation_items", ["owner", "action"], unique=False)
    op.create_table(
        "recommendation_lineages",
        sa.Column("lineage", TextC, nullable=False),
        sa.Column("assessed", sa.Boolean(), nullable=False),
        sa.Column("open", sa.Integer(), nullable=False),
        sa.Column("worst_risk", sa.Float(), nullable=False),
        sa.Column("second_risk", sa.Float(), nullable=False),
        sa.Column("worst_action", TextC, nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lineage", name="pk_recommendation_lineages"),
    )
    op.create_index(
        "ix_recommendation_lineages_worst_action", "recommendation_lineages", ["worst_action"], unique=False
    )
    op.create_table(
        "recommendation_stale",
        sa.Column("action", TextC, nullable=False),
        sa.PrimaryKeyConstraint("action", name="pk_recommendation_stale"),
    )
    op.create_table(
        "recommendation_words",
        sa.Column("action", TextC, nullable=False),
        sa.Column("word", TextC, nullable=False),
        sa.PrimaryKeyConstraint("action", "word", name="pk_recommendation_words"),
    )
    op.create_table(
        "recommendations",
        sa.Column("id", TextC, nullable=False),
        sa.Column("action", TextC, nullable=False),
        sa.Column("kind", TextC, nullable=False),
        sa.Column("title", TextC, nullable=False),
        sa.Column("fix", TextC, nullable=False),
        sa.Column("critical", sa.Integer(), nullable=False),
        sa.Column("high", sa.Integer(), nullable=False),
        sa.Column("medium", sa.Integer(), nullable=False),
        sa.Column("low", sa.Integer(), nullable=False),
        sa.Column("negligible", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.Integer(), nullable=False),
        sa.Column("not_assessed", sa.Integer(), nullable=False),
        sa.Column("exempted", sa.Integer(), nullable=False),
        sa.Column("exploited", sa.Integer(), nullable=False),
        sa.Column("unfixed", sa.Integer(), nullable=False),
        sa.Column("severity_rank", sa.Integer(), nullable=False),
        sa.Column("risk", sa.Float(), nullable=False),
        sa.Column("likelihood", sa.Float(), nullable=True),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("repositories", sa.Integer(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("gain", sa.Float(), nullable=False),
        sa.Column("owner", TextC, nullable=False),
        sa.Column("owners", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recommendations"),
        sa.UniqueConstraint("action", name="uq_recommendations_action"),
    )
    op.create_index("ix_recommendations_priority_id", "recommendations", ["priority", "id"], unique=False)
    op.create_table(
        "repositories",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", TextC, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_repositories"),
        sa.UniqueConstraint("name", name="uq_repositories_name"),
    )
    op.create_table(
        "roles",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", TextC, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("permissions", JsonText(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_roles"),
        sa.UniqueConstraint("name", name="uq_roles_name"),
        comment="Custom roles; the built-in ones are code.",
    )
    op.create_table(
        "rule_names",
        sa.Column("rule", TextC, nullable=False),
        sa.Column("name", TextC, nullable=False),
        sa.PrimaryKeyConstraint("rule", "name", name="pk_rule_names"),
    )
    op.create_index("ix_rule_names_name", "rule_names", ["name"], unique=False)
    op.create_table(
        "scan_advisory_state",
        sa.Column(
            "name",
            TextC,
            nullable=False,
            comment="'current': answers stand on it; 'judged': all packages were judged by it",
        ),
        sa.Column("revision", TextC, nullable=False),
        sa.Column("starter", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_scan_advisory_state"),
    )
    op.create_table(
        "scan_changes",
        sa.Column("id", Id, nullable=False),
        sa.Column(
            "rules", JsonText(), nullable=False, comment="alias groups whose findings changed; null: all of them"
        ),
        sa.Column(
            "gates", sa.Boolean(), nullable=False, comment="a notable match or the coverage is among them: decide again"
        ),
        sa.Column("coverage", sa.Boolean(), nullable=False, comment="packages became assessable, or ceased to be"),
        sa.PrimaryKeyConstraint("id", name="pk_scan_changes"),
    )
    op.create_table(
        "scan_layer_reports",
        sa.Column("report_key", TextC, nullable=False, comment="measured digest of the tar stream: the diff_id"),
        sa.Column("indexer", sa.Integer(), nullable=False, comment="indexer version"),
        sa.Column("rules", sa.Integer(), nullable=False, comment="version of the rule sets (secrets, malware)"),
        sa.Column("report", sa.LargeBinary(), nullable=False, comment="LayerReport, msgpack, zstd"),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("report_key", "indexer", "rules", name="pk_scan_layer_reports"),
    )
    op.create_table(
        "scan_layers",
        sa.Column("digest", TextC, nullable=False, comment="digest of the layer as pushed (compressed)"),
        sa.Column("indexer", sa.Integer(), nullable=False, comment="indexer version that read it"),
        sa.Column(
            "report_key",
            TextC,
            nullable=True,
            comment="diff_id of its report, 'unread:DIGEST' if there is no diff_id; null: not read yet",
        ),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes as pushed"),
        sa.Column("attempts", sa.Integer(), nullable=False, comment="readings that were begun"),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "indexer", name="pk_scan_layers"),
    )
    op.create_table(
        "scan_package_sets",
        sa.Column("id", Surrogate, autoincrement=True, nullable=False),
        sa.Column("digest", TextC, nullable=False, comment="content address of the set"),
        sa.Column("distro", TextC, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column(
            "unassessed", JsonText(), nullable=False, comment="reason -> packages of the set that could not be judged"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_scan_package_sets"),
        sa.UniqueConstraint("digest", name="uq_scan_package_sets_digest"),
    )
    op.create_table(
        "scan_packages",
        sa.Column("id", Surrogate, autoincrement=True, nullable=False),
        sa.Column("key", TextC, nullable=False, comment="sha256 over all that matching may ask, place excepted"),
        sa.Column("record", JsonText(), nullable=False, comment="the package as it was read, without its place"),
        sa.Column("owner", JsonText(), nullable=True, comment="the distribution's package that ships its files"),
        sa.Column(
            "candidates",
            TextC,
            nullable=True,
            comment="digest of the records that could speak of it; null: never judged",
        ),
        sa.Column("not_assessed", sa.Text(), nullable=True, comment="why it could not be judged; null when it was"),
        sa.Column("not_assessed_code", TextC, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scan_packages"),
        sa.UniqueConstraint("key", name="uq_scan_packages_key"),
    )
    op.create_table(
        "scan_places",
        sa.Column("digest", TextC, nullable=False),
        sa.Column("repository_id", Id, nullable=False),
        sa.Column("repository", TextC, nullable=False),
        sa.Column("pushed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "repository_id", name="pk_scan_places"),
    )
    op.create_index("ix_scan_places_repository", "scan_places", ["repository", "digest"], unique=False)
    op.create_table(
        "schedules",
        sa.Column("name", TextC, nullable=False),
        sa.Column("kind", TextC, nullable=False),
        sa.Column("payload", JsonText(), nullable=False),
        sa.Column("every", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_schedules"),
    )
    op.create_table(
        "subjects",
        sa.Column("id", Surrogate, autoincrement=True, nullable=False),
        sa.Column("domain", TextC, nullable=False),
        sa.Column("lineage", TextC, nullable=False),
        sa.Column("subject", TextC, nullable=False),
        sa.Column("content", sa.LargeBinary(length=16), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_subjects"),
        sa.UniqueConstraint("subject", "lineage", "domain", name="uq_subjects_subject_lineage_domain"),
    )
    op.create_index("ix_subjects_lineage", "subjects", ["lineage"], unique=False)
    op.create_table(
        "trust_decisions",
        sa.Column("id", Id, nullable=False),
        sa.Column("digest", TextC, nullable=False),
        sa.Column("repository_id", Id, nullable=False),
        sa.Column("repository", TextC, nullable=False),
        sa.Column("policy", TextC, nullable=False),
        sa.Column("policy_revision", TextC, nullable=False),
        sa.Column("state", TextC, nullable=False, comment="held, open or refused"),
        sa.Column("kind", TextC, nullable=False, comment="class of the decision"),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("reasons", JsonText(), nullable=False),
        sa.Column("facts_revision", TextC, nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True, comment="when the answer can change by time alone"),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("superseded_at", sa.BigInteger(), nullable=True, comment="null: this decision holds"),
        sa.PrimaryKeyConstraint("id", name="pk_trust_decisions"),
    )
    op.create_index(
        "ix_trust_decisions_history", "trust_decisions", ["digest", "repository_id", "decided_at"], unique=False
    )
    op.create_index("ix_trust_decisions_repository", "trust_decisions", ["repository", "superseded_at"], unique=False)
    op.create_index("ix_trust_decisions_valid", "trust_decisions", ["valid_until"], unique=False)
    op.create_index(
        "uq_trust_decisions_current",
        "trust_decisions",
        ["digest", "repository_id", "policy"],
        unique=True,
        sqlite_where=sa.text("superseded_at IS NULL"),
        postgresql_where=sa.text("superseded_at IS NULL"),
    )
    op.create_table(
        "uploads",
        sa.Column("id", Id, nullable=False),
        sa.Column("repository", TextC, nullable=False),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("hash_state", sa.LargeBinary(), nullable=False),
        sa.Column("segments", JsonText(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    op.create_index("ix_uploads_expires_at", "uploads", ["expires_at"], unique=False)
    op.create_table(
        "assignments",
        sa.Column("id", Id, nullable=False),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("role_id", Id, nullable=False),
        sa.Column("scope", TextC, nullable=False),
        sa.Column("effect", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_assignments_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_assignments"),
        sa.UniqueConstraint(
            "principal_id", "role_id", "scope", "effect", name="uq_assignments_principal_id_role_id_scope_effect"
        ),
    )
    op.create_index("ix_assignments_principal_id", "assignments", ["principal_id"], unique=False)
    op.create_index("ix_assignments_scope", "assignments", ["scope"], unique=False)
    op.create_table(
        "credentials",
        sa.Column("id", Id, nullable=False),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False, comment="keyed hash of a client secret"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_credentials_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_credentials"),
    )
    op.create_index("ix_credentials_principal_id", "credentials", ["principal_id"], unique=False)
    op.create_table(
        "manifests",
        sa.Column("id", Surrogate, autoincrement=True, nullable=False),
        sa.Column("repository_id", Id, nullable=False),
        sa.Column("digest", TextC, nullable=False),
        sa.Column("media_type", TextC, nullable=False),
        sa.Column("artifact_type", TextC, nullable=False),
        sa.Column("kind", TextC, nullable=False),
        sa.Column("subject", TextC, nullable=False),
        sa.Column("gate_subject", TextC, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("pushed_at", sa.BigInteger(), nullable=False),
        sa.Column("pusher", Id, nullable=False),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_manifests_repository_id"),
        sa.PrimaryKeyConstraint("id", name="pk_manifests"),
        sa.UniqueConstraint("repository_id", "digest", name="uq_manifests_repository_id_digest"),
    )
    op.create_index("ix_manifests_digest", "manifests", ["digest"], unique=False)
    op.create_index(
        "ix_manifests_repository_id_gate_subject",
        "manifests",
        ["repository_id", "gate_subject"],
        unique=False,
        sqlite_where=sa.text("gate_subject <> ''"),
        postgresql_where=sa.text("gate_subject <> ''"),
    )
    op.create_index(
        "ix_manifests_repository_id_subject_id",
        "manifests",
        ["repository_id", "subject", "id"],
        unique=False,
        sqlite_where=sa.text("subject <> ''"),
        postgresql_where=sa.text("subject <> ''"),
    )
    op.create_table(
        "occurrences",
        sa.Column("subject_id", Surrogate, nullable=False),
        sa.Column("finding_id", Surrogate, nullable=False),
        sa.Column("version", TextC, nullable=False),
        sa.Column("content", sa.LargeBinary(length=16), nullable=False),
        sa.Column("evidence", JsonText(), nullable=False),
        sa.Column("remediation", TextC, nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name="fk_occurrences_finding_id"),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name="fk_occurrences_subject_id"),
        sa.PrimaryKeyConstraint("subject_id", "finding_id", "version", name="pk_occurrences"),
    )
    op.create_index("ix_occurrences_finding_id", "occurrences", ["finding_id"], unique=False)
    op.create_table(
        "passkeys",
        sa.Column("id", TextC, nullable=False, comment="WebAuthn credential id, base64url"),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_passkeys_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
    )
    op.create_index("ix_passkeys_principal_id", "passkeys", ["principal_id"], unique=False)
    op.create_table(
        "repository_blobs",
        sa.Column("repository_id", Id, nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=False),
        sa.Column("manifests", sa.Integer(), nullable=False),
        sa.Column("open_manifests", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name="fk_repository_blobs_blob_id"),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_repository_blobs_repository_id"),
        sa.PrimaryKeyConstraint("repository_id", "blob_id", name="pk_repository_blobs"),
    )
    op.create_index("ix_repository_blobs_blob_id", "repository_blobs", ["blob_id"], unique=False)
    op.create_table(
        "scan_dirty_sets",
        sa.Column("change_id", Id, nullable=False),
        sa.Column("set_id", Surrogate, nullable=False),
        sa.ForeignKeyConstraint(["change_id"], ["scan_changes.id"], name="fk_scan_dirty_sets_change_id"),
        sa.ForeignKeyConstraint(["set_id"], ["scan_package_sets.id"], name="fk_scan_dirty_sets_set_id"),
        sa.PrimaryKeyConstraint("change_id", "set_id", name="pk_scan_dirty_sets"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "scan_images",
        sa.Column("digest", TextC, nullable=False, comment="digest of the manifest"),
        sa.Column("state", TextC, nullable=False, comment="reading, assessed or unassessable"),
        sa.Column("set_id", Surrogate, nullable=True),
        sa.Column("indexer", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column(
            "attribution", sa.Text(), nullable=False, comment="JSON: package id -> [[layer index, diff_id, path], …]"
        ),
        sa.Column(
            "layers", sa.Text(), nullable=False, comment="JSON, lowest first: [[diff_id, build step, packages], …]"
        ),
        sa.Column("facts", JsonText(), nullable=False, comment="configuration, platform, what was not assessed"),
        sa.Column("assessed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["set_id"], ["scan_package_sets.id"], name="fk_scan_images_set_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_scan_images"),
    )
    op.create_index("ix_scan_images_set", "scan_images", ["set_id"], unique=False)
    op.create_table(
        "scan_matches",
        sa.Column("package_id", Surrogate, nullable=False),
        sa.Column("group_id", TextC, nullable=False, comment="alias group"),
        sa.Column("severity", TextC, nullable=False),
        sa.Column("exploited", sa.Boolean(), nullable=False),
        sa.Column("fixable", sa.Boolean(), nullable=False),
        sa.Column("notable", sa.Boolean(), nullable=False, comment="a policy may act on it: see scan.matches"),
        sa.Column("record", JsonText(), nullable=False, comment="the match with its evidence"),
        sa.ForeignKeyConstraint(["package_id"], ["scan_packages.id"], name="fk_scan_matches_package_id"),
        sa.PrimaryKeyConstraint("package_id", "group_id", name="pk_scan_matches"),
    )
    op.create_index("ix_scan_matches_group", "scan_matches", ["group_id"], unique=False)
    op.create_table(
        "scan_package_keys",
        sa.Column("ecosystem", TextC, nullable=False, comment="as advisory feeds address it"),
        sa.Column("name", TextC, nullable=False),
        sa.Column("package_id", Surrogate, nullable=False),
        sa.ForeignKeyConstraint(["package_id"], ["scan_packages.id"], name="fk_scan_package_keys_package_id"),
        sa.PrimaryKeyConstraint("ecosystem", "name", "package_id", name="pk_scan_package_keys"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_scan_package_keys_package", "scan_package_keys", ["package_id"], unique=False)
    op.create_table(
        "scan_set_members",
        sa.Column("set_id", Surrogate, nullable=False),
        sa.Column("package_id", Surrogate, nullable=False),
        sa.ForeignKeyConstraint(["package_id"], ["scan_packages.id"], name="fk_scan_set_members_package_id"),
        sa.ForeignKeyConstraint(["set_id"], ["scan_package_sets.id"], name="fk_scan_set_members_set_id"),
        sa.PrimaryKeyConstraint("set_id", "package_id", name="pk_scan_set_members"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_scan_set_members_package", "scan_set_members", ["package_id", "set_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", Id, nullable=False),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False, comment="SHA-256 of the cookie's value"),
        sa.Column("method", TextC, nullable=False, comment="password, or the id of the passkey"),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_sessions_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("proof", name="uq_sessions_proof"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], unique=False)
    op.create_index("ix_sessions_principal_id", "sessions", ["principal_id"], unique=False)
    op.create_table(
        "sign_in_links",
        sa.Column("id", Id, nullable=False),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False, comment="SHA-256 of the link's secret"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_sign_in_links_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_links"),
        sa.UniqueConstraint("proof", name="uq_sign_in_links_proof"),
    )
    op.create_index("ix_sign_in_links_principal_id", "sign_in_links", ["principal_id"], unique=False)
    op.create_table(
        "sign_in_steps",
        sa.Column("id", Id, nullable=False),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False, comment="SHA-256 of the step's ticket"),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False, comment="what the next step needs, sealed"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_sign_in_steps_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_steps"),
        sa.UniqueConstraint("proof", name="uq_sign_in_steps_proof"),
    )
    op.create_index("ix_sign_in_steps_expires_at", "sign_in_steps", ["expires_at"], unique=False)
    op.create_index("ix_sign_in_steps_principal_id", "sign_in_steps", ["principal_id"], unique=False)
    op.create_table(
        "users",
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("password", sa.LargeBinary(), nullable=True, comment="argon2id, sealed"),
        sa.Column("totp", sa.LargeBinary(), nullable=True, comment="secret of the authenticator application, sealed"),
        sa.Column(
            "totp_step", sa.BigInteger(), server_default="0", nullable=False, comment="last time step that was used"
        ),
        sa.ForeignKeyConstraint(["principal_id"], ["principals.id"], name="fk_users_principal_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("principal_id", name="pk_users"),
    )
    op.create_table(
        "gates",
        sa.Column("manifest_id", sa.BigInteger(), nullable=False),
        sa.Column("state", TextC, nullable=False),
        sa.Column("reason", JsonText(), nullable=False),
        sa.Column("decision_id", Id, nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('held', 'open', 'refused')", name="ck_gates_state"),
        sa.ForeignKeyConstraint(["manifest_id"], ["manifests.id"], name="fk_gates_manifest_id"),
        sa.PrimaryKeyConstraint("manifest_id", name="pk_gates"),
    )
    op.create_table(
        "manifest_blobs",
        sa.Column("manifest_id", sa.BigInteger(), nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name="fk_manifest_blobs_blob_id"),
        sa.ForeignKeyConstraint(["manifest_id"], ["manifests.id"], name="fk_manifest_blobs_manifest_id"),
        sa.PrimaryKeyConstraint("manifest_id", "blob_id", name="pk_manifest_blobs"),
    )
    op.create_index("ix_manifest_blobs_blob_id", "manifest_blobs", ["blob_id"], unique=False)
    op.create_table(
        "manifest_members",
        sa.Column("manifest_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("digest", TextC, nullable=False),
        sa.Column("runnable", sa.Boolean(), nullable=False),
        sa.Column("statement_subject", TextC, nullable=False),
        sa.ForeignKeyConstraint(["manifest_id"], ["manifests.id"], name="fk_manifest_members_manifest_id"),
        sa.PrimaryKeyConstraint("manifest_id", "position", name="pk_manifest_members"),
    )
    op.create_index("ix_manifest_members_digest", "manifest_members", ["digest"], unique=False)
    op.create_table(
        "tags",
        sa.Column("repository_id", Id, nullable=False),
        sa.Column("name", TextC, nullable=False),
        sa.Column("served_id", sa.BigInteger(), nullable=True),
        sa.Column("pending_id", sa.BigInteger(), nullable=True),
        sa.Column("moved_at", sa.BigInteger(), nullable=False),
        sa.Column("moved_by", Id, nullable=False),
        sa.ForeignKeyConstraint(["pending_id"], ["manifests.id"], name="fk_tags_pending_id"),
        sa.ForeignKeyConstraint(["repository_id"], ["repositories.id"], name="fk_tags_repository_id"),
        sa.ForeignKeyConstraint(["served_id"], ["manifests.id"], name="fk_tags_served_id"),
        sa.PrimaryKeyConstraint("repository_id", "name", name="pk_tags"),
    )
    op.create_index("ix_tags_pending_id", "tags", ["pending_id"], unique=False)
    op.create_index("ix_tags_served_id", "tags", ["served_id"], unique=False)
