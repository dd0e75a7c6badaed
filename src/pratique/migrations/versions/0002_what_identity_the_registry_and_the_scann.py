"""What identity, the registry and the scanner keep beyond the first release."""

import sqlalchemy as sa
from alembic import op

from pratique.core.database.schema import Id, JsonText, Surrogate, TextC

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cache_rules",
        sa.Column("id", Id, nullable=False),
        sa.Column("prefix", TextC, nullable=False),
        sa.Column("host", TextC, nullable=False),
        sa.Column("remote", TextC, nullable=False, comment="what the prefix stands for there; '' for all"),
        sa.Column("user_name", TextC, nullable=False, comment="'' for none"),
        sa.Column("secret", sa.LargeBinary(), nullable=True, comment="sealed"),
        sa.Column(
            "patterns", JsonText(), nullable=False, comment="repositories there that may be asked for; none is all"
        ),
        sa.Column("platforms", JsonText(), nullable=False, comment="members of an index that come with it"),
        sa.Column("ttl", sa.BigInteger(), nullable=False, comment="microseconds for which a tag is believed"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cache_rules"),
        sa.UniqueConstraint("prefix", name="uq_cache_rules_prefix"),
    )
    op.create_table(
        "cached_tags",
        sa.Column("repository", TextC, nullable=False),
        sa.Column("tag", TextC, nullable=False),
        sa.Column("digest", TextC, nullable=False, comment="what it stood for there"),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("repository", "tag", name="pk_cached_tags"),
    )
    op.create_table(
        "collection_runs",
        sa.Column("id", Id, nullable=False, comment="the job that does it"),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("requested_by", TextC, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("counts", JsonText(), nullable=False, comment="kind -> [how many, bytes]"),
        sa.PrimaryKeyConstraint("id", name="pk_collection_runs"),
    )
    with op.batch_alter_table("collection_runs", schema=None) as batch_op:
        batch_op.create_index("ix_collection_runs_started_at", ["started_at"], unique=False)

    op.create_table(
        "deleted_items",
        sa.Column("id", Surrogate, autoincrement=True, nullable=False),
        sa.Column("repository", TextC, nullable=False),
        sa.Column("kind", TextC, nullable=False, comment="manifest or tag"),
        sa.Column("name", TextC, nullable=False, comment="the tag, or the digest of the manifest"),
        sa.Column("digest", TextC, nullable=False),
        sa.Column("media_type", TextC, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True, comment="of a manifest: its exact bytes"),
        sa.Column("tags", JsonText(), nullable=False, comment="tags that went with a manifest"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes of the manifest"),
        sa.Column("pusher", Id, nullable=False),
        sa.Column("pushed_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_by", Id, nullable=False),
        sa.Column("because", TextC, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deleted_items"),
    )
    with op.batch_alter_table("deleted_items", schema=None) as batch_op:
        batch_op.create_index("ix_deleted_items_expires_at", ["expires_at"], unique=False)
        batch_op.create_index("ix_deleted_items_repository_digest", ["repository", "digest"], unique=False)

    op.create_table(
        "doomed_segments",
        sa.Column("key", TextC, nullable=False),
        sa.Column("state", TextC, nullable=False),
        sa.Column("origin", TextC, nullable=False, comment="blob, upload or orphan: what named it last"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes; 0 where only the store knows"),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment="what comes next does not come before"),
        sa.CheckConstraint("state IN ('suspected', 'condemned', 'removed')", name="ck_doomed_segments_state"),
        sa.PrimaryKeyConstraint("key", name="pk_doomed_segments"),
    )
    with op.batch_alter_table("doomed_segments", schema=None) as batch_op:
        batch_op.create_index("ix_doomed_segments_state_due_at", ["state", "due_at"], unique=False)

    op.create_table(
        "event_heads",
        sa.Column("name", TextC, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("forgotten", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_event_heads"),
    )
    op.create_table(
        "immutability_rules",
        sa.Column("id", Id, nullable=False),
        sa.Column("prefix", TextC, nullable=False),
        sa.Column("tags", TextC, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_immutability_rules"),
    )
    with op.batch_alter_table("immutability_rules", schema=None) as batch_op:
        batch_op.create_index("ix_immutability_rules_prefix", ["prefix"], unique=False)

    op.create_table(
        "imports",
        sa.Column("id", Id, nullable=False),
        sa.Column("job_id", Id, nullable=False),
        sa.Column("host", TextC, nullable=False, comment="'' for this registry"),
        sa.Column("origin", TextC, nullable=False),
        sa.Column("reference", TextC, nullable=False),
        sa.Column("repository", TextC, nullable=False),
        sa.Column("tag", TextC, nullable=False, comment="'' for none"),
        sa.Column("platforms", JsonText(), nullable=False, comment="none is all"),
        sa.Column("referrers", sa.Boolean(), nullable=False),
        sa.Column("sees_held", sa.Boolean(), nullable=False, comment="the caller may read what is held in the origin"),
        sa.Column("user_name", TextC, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True, comment="sealed; gone when the import is over"),
        sa.Column("digest", TextC, nullable=False, comment="'' until it is known"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.Column("created_name", TextC, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
    )
    with op.batch_alter_table("imports", schema=None) as batch_op:
        batch_op.create_index("ix_imports_repository_id", ["repository", "id"], unique=False)

    op.create_table(
        "issuer_keys",
        sa.Column("issuer", TextC, nullable=False),
        sa.Column("keys", JsonText(), nullable=False, comment="JWKS as the issuer gave it"),
        sa.Column("fetched_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", name="pk_issuer_keys"),
        comment="Last known keys of issuers, so that workloads work while an issuer is away.",
    )
    op.create_table(
        "outward_events",
        sa.Column("number", Surrogate, autoincrement=True, nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("type", TextC, nullable=False),
        sa.Column("subject", TextC, nullable=False),
        sa.Column("scope", TextC, nullable=False),
        sa.Column("data", JsonText(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_outward_events"),
    )
    with op.batch_alter_table("outward_events", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outward_events_unplaced",
            ["number"],
            unique=False,
            sqlite_where=sa.text("position IS NULL"),
            postgresql_where=sa.text("position IS NULL"),
        )
        batch_op.create_index(
            "uq_outward_events_position",
            ["position"],
            unique=True,
            sqlite_where=sa.text("position IS NOT NULL"),
            postgresql_where=sa.text("position IS NOT NULL"),
        )

    op.create_table(
        "retention_rules",
        sa.Column("id", Id, nullable=False),
        sa.Column("prefix", TextC, nullable=False),
        sa.Column("tags", TextC, nullable=False, comment="patterns; '' for a rule about untagged manifests only"),
        sa.Column("keep_newest", sa.Integer(), nullable=True),
        sa.Column("keep_versions", sa.Integer(), nullable=True),
        sa.Column("pushed_within", sa.Integer(), nullable=True, comment="days, as below"),
        sa.Column("pulled_within", sa.Integer(), nullable=True),
        sa.Column("untagged_after", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_retention_rules"),
    )
    with op.batch_alter_table("retention_rules", schema=None) as batch_op:
        batch_op.create_index("ix_retention_rules_prefix", ["prefix"], unique=False)

    op.create_table(
        "retention_runs",
        sa.Column("id", Id, nullable=False, comment="the job that does it"),
        sa.Column("prefix", TextC, nullable=False),
        sa.Column("requested_by", TextC, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "done_to", TextC, nullable=False, comment="the last repository that is done; a run goes on behind it"
        ),
        sa.Column("tags", sa.BigInteger(), nullable=False),
        sa.Column("manifests", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_retention_runs"),
    )
    with op.batch_alter_table("retention_runs", schema=None) as batch_op:
        batch_op.create_index("ix_retention_runs_started_at", ["started_at"], unique=False)

    op.create_table(
        "review_marks",
        sa.Column("name", TextC, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_review_marks"),
        comment="Since when something is watched, so that reviews call nothing unused too early.",
    )
    op.create_table(
        "scan_bases",
        sa.Column("chain", TextC, nullable=False, comment="ChainID of the base: all its layers"),
        sa.Column("key", TextC, nullable=False, comment="what recommendations group by: hash of repository and tag"),
        sa.Column("digest", TextC, nullable=False, comment="manifest of the base that was chosen"),
        sa.Column("repository", TextC, nullable=False, comment="where it is, or was"),
        sa.Column("tag", TextC, nullable=False, comment="its name there, of now or of before; '' for none"),
        sa.Column("named", sa.Boolean(), nullable=False, comment="the tag still stands for this digest"),
        sa.Column("distro", TextC, nullable=False),
        sa.Column("target", TextC, nullable=False, comment="manifest of a newer build that is better; '' for none"),
        sa.Column("target_tag", TextC, nullable=False),
        sa.Column("compared", JsonText(), nullable=False, comment="counts by severity: before, cleared, left, brought"),
        sa.Column("cleared", JsonText(), nullable=False, comment="alias groups that the newer build is without"),
        sa.Column("why_not", sa.Text(), nullable=False, comment="why no newer build is named; '' when one is"),
        sa.Column("pending", JsonText(), nullable=True, comment="alias groups whose findings are to be written anew"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name="pk_scan_bases"),
    )
    with op.batch_alter_table("scan_bases", schema=None) as batch_op:
        batch_op.create_index("ix_scan_bases_key", ["key"], unique=False)
        batch_op.create_index("ix_scan_bases_repository", ["repository"], unique=False)

    op.create_table(
        "scan_chains",
        sa.Column(
            "chain", TextC, nullable=False, comment="ChainID of the first n layers of some image (OCI image spec)"
        ),
        sa.Column("parent", TextC, nullable=False, comment="ChainID of its first n - 1 layers; '' for n = 1"),
        sa.PrimaryKeyConstraint("chain", name="pk_scan_chains"),
    )
    with op.batch_alter_table("scan_chains", schema=None) as batch_op:
        batch_op.create_index("ix_scan_chains_parent", ["parent"], unique=False)

    op.create_table(
        "scan_image_chains",
        sa.Column("digest", TextC, nullable=False, comment="digest of the manifest"),
        sa.Column("chain", TextC, nullable=False, comment="ChainID of all its layers"),
        sa.Column("depth", sa.Integer(), nullable=False, comment="number of its layers"),
        sa.Column(
            "base", TextC, nullable=False, comment="longest chain below its own that is a whole image; '' for none"
        ),
        sa.Column("base_depth", sa.Integer(), nullable=False, comment="number of layers of its base; 0 for none"),
        sa.PrimaryKeyConstraint("digest", name="pk_scan_image_chains"),
    )
    with op.batch_alter_table("scan_image_chains", schema=None) as batch_op:
        batch_op.create_index("ix_scan_image_chains_base", ["base", "digest"], unique=False)
        batch_op.create_index("ix_scan_image_chains_chain", ["chain"], unique=False)

    op.create_table(
        "scan_served_names",
        sa.Column("repository", TextC, nullable=False),
        sa.Column("digest", TextC, nullable=False, comment="manifest or index that readers of the tag got"),
        sa.Column("tag", TextC, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("repository", "digest", "tag", name="pk_scan_served_names"),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("scan_served_names", schema=None) as batch_op:
        batch_op.create_index("ix_scan_served_names_digest", ["digest"], unique=False)

    op.create_table(
        "scope_maps",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", TextC, nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("rules", JsonText(), nullable=False, comment="repositories/NAME/ACTION, sorted"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_scope_maps"),
        sa.UniqueConstraint("name", name="uq_scope_maps_name"),
        comment="Those of an installation; the system's own are code.",
    )
    op.create_table(
        "sign_in_providers",
        sa.Column("id", TextC, nullable=False, comment="short name, part of the address that the provider calls back"),
        sa.Column("title", sa.Text(), nullable=False, comment="what the button says"),
        sa.Column("issuer", TextC, nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("client_secret", sa.LargeBinary(), nullable=True, comment="sealed; none for a public client"),
        sa.Column("scopes", JsonText(), nullable=False),
        sa.Column("group_claim", sa.Text(), nullable=False),
        sa.Column(
            "allowed_domains", JsonText(), nullable=False, comment="domains of verified addresses that may enter"
        ),
        sa.Column("allowed_groups", JsonText(), nullable=False, comment="values of the group claim that may enter"),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_providers"),
    )
    op.create_table(
        "spent_assertions",
        sa.Column("key", TextC, nullable=False, comment="SHA-256 of client and jti"),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_spent_assertions"),
        comment="Assertions that were used once, until they end by themselves.",
    )
    with op.batch_alter_table("spent_assertions", schema=None) as batch_op:
        batch_op.create_index("ix_spent_assertions_expires_at", ["expires_at"], unique=False)

    op.create_table(
        "token_floors",
        sa.Column("name", TextC, nullable=False, comment="all"),
        sa.Column(
            "tokens_from", sa.BigInteger(), nullable=False, comment="tokens of everybody issued earlier are refused"
        ),
        sa.PrimaryKeyConstraint("name", name="pk_token_floors"),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", TextC, nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("shown_address", TextC, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("former_secret", sa.LargeBinary(), nullable=True),
        sa.Column("former_until", sa.BigInteger(), nullable=False),
        sa.Column("headers", sa.LargeBinary(), nullable=True),
        sa.Column("scope", TextC, nullable=False),
        sa.Column("types", JsonText(), nullable=False),
        sa.Column("subjects", JsonText(), nullable=False),
        sa.Column("state", TextC, nullable=False),
        sa.Column("reason", TextC, nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("lease_token", TextC, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.CheckConstraint("state IN ('unverified', 'active', 'paused', 'disabled')", name="ck_webhooks_state"),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
        sa.UniqueConstraint("name", name="uq_webhooks_name"),
    )
    op.create_table(
        "authorization_codes",
        sa.Column("id", Id, nullable=False),
        sa.Column("proof", sa.LargeBinary(), nullable=False, comment="SHA-256 of the code"),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("client_id", TextC, nullable=False),
        sa.Column("resource", TextC, nullable=False),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("redirect_uri", TextC, nullable=False),
        sa.Column("challenge", TextC, nullable=False, comment="SHA-256 of the client's verifier (RFC 7636, S256)"),
        sa.Column("nonce", TextC, server_default="", nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column(
            "credential_id", Id, nullable=True, comment="the sign-in that came of it; the code cannot be used again"
        ),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_authorization_codes_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_authorization_codes"),
        sa.UniqueConstraint("proof", name="uq_authorization_codes_proof"),
    )
    with op.batch_alter_table("authorization_codes", schema=None) as batch_op:
        batch_op.create_index("ix_authorization_codes_expires_at", ["expires_at"], unique=False)
        batch_op.create_index("ix_authorization_codes_principal_id", ["principal_id"], unique=False)

    op.create_table(
        "collection_finds",
        sa.Column("run_id", Id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", TextC, nullable=False),
        sa.Column("repository", TextC, nullable=False, comment="'' for what lies in none"),
        sa.Column("name", TextC, nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("because", TextC, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["collection_runs.id"], name="fk_collection_finds_run_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_collection_finds"),
    )
    op.create_table(
        "deleted_blobs",
        sa.Column("deleted_id", sa.BigInteger(), nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name="fk_deleted_blobs_blob_id"),
        sa.ForeignKeyConstraint(["deleted_id"], ["deleted_items.id"], name="fk_deleted_blobs_deleted_id"),
        sa.PrimaryKeyConstraint("deleted_id", "blob_id", name="pk_deleted_blobs"),
    )
    with op.batch_alter_table("deleted_blobs", schema=None) as batch_op:
        batch_op.create_index("ix_deleted_blobs_blob_id", ["blob_id"], unique=False)

    op.create_table(
        "device_codes",
        sa.Column("id", Id, nullable=False),
        sa.Column("device_proof", sa.LargeBinary(), nullable=False, comment="SHA-256 of the device's code"),
        sa.Column("user_proof", sa.LargeBinary(), nullable=False, comment="keyed hash of the person's code"),
        sa.Column("client_id", TextC, nullable=False),
        sa.Column("resource", TextC, nullable=False),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False, comment="pending, approved, denied"),
        sa.Column("principal_id", Id, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_device_codes_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_device_codes"),
        sa.UniqueConstraint("device_proof", name="uq_device_codes_device_proof"),
        sa.UniqueConstraint("user_proof", name="uq_device_codes_user_proof"),
    )
    with op.batch_alter_table("device_codes", schema=None) as batch_op:
        batch_op.create_index("ix_device_codes_expires_at", ["expires_at"], unique=False)
        batch_op.create_index("ix_device_codes_principal_id", ["principal_id"], unique=False)

    op.create_table(
        "eligibilities",
        sa.Column("id", Id, nullable=False),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("role_id", Id, nullable=False),
        sa.Column("scope", TextC, nullable=False),
        sa.Column("condition", sa.Text(), server_default="", nullable=False),
        sa.Column("longest", sa.BigInteger(), nullable=False, comment="longest activation, in microseconds"),
        sa.Column("approval", sa.Boolean(), nullable=False, comment="somebody else has to approve"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_eligibilities_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_eligibilities"),
        sa.UniqueConstraint("principal_id", "role_id", "scope", name="uq_eligibilities_principal_id_role_id_scope"),
    )
    with op.batch_alter_table("eligibilities", schema=None) as batch_op:
        batch_op.create_index("ix_eligibilities_principal_id", ["principal_id"], unique=False)
        batch_op.create_index("ix_eligibilities_role_id", ["role_id"], unique=False)

    op.create_table(
        "external_identities",
        sa.Column("provider_id", TextC, nullable=False),
        sa.Column("subject", TextC, nullable=False, comment="the provider's own, lasting name of the person"),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column(
            "linked", sa.Boolean(), nullable=False, comment="an administrator said so; such a person may always come"
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_external_identities_principal_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["sign_in_providers.id"], name="fk_external_identities_provider_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("provider_id", "subject", name="pk_external_identities"),
    )
    with op.batch_alter_table("external_identities", schema=None) as batch_op:
        batch_op.create_index("ix_external_identities_principal_id", ["principal_id"], unique=False)

    op.create_table(
        "group_members",
        sa.Column("group_id", Id, nullable=False),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("source", TextC, nullable=False, comment="direct, or the id of the provider that says so at sign-in"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", Id, nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["principals.id"], name="fk_group_members_group_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_group_members_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "principal_id", "source", name="pk_group_members"),
        comment="A group is a principal of kind group; groups hold no groups.",
    )
    with op.batch_alter_table("group_members", schema=None) as batch_op:
        batch_op.create_index("ix_group_members_principal_id", ["principal_id"], unique=False)

    op.create_table(
        "registry_tokens",
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("scope_map_id", Id, nullable=False, comment="of a row in scope_maps, or of one of the system"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_registry_tokens_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("principal_id", name="pk_registry_tokens"),
    )
    with op.batch_alter_table("registry_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_registry_tokens_scope_map_id", ["scope_map_id"], unique=False)

    op.create_table(
        "right_uses",
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("permission", TextC, nullable=False),
        sa.Column("scope", TextC, nullable=False, comment="the scope of the assignment that allowed it"),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_right_uses_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("principal_id", "permission", "scope", name="pk_right_uses"),
        comment="When each right was last used, to the hour.",
    )
    op.create_table(
        "scan_dirty_packages",
        sa.Column("change_id", Id, nullable=False),
        sa.Column("package_id", Surrogate, nullable=False),
        sa.ForeignKeyConstraint(["change_id"], ["scan_changes.id"], name="fk_scan_dirty_packages_change_id"),
        sa.ForeignKeyConstraint(["package_id"], ["scan_packages.id"], name="fk_scan_dirty_packages_package_id"),
        sa.PrimaryKeyConstraint("change_id", "package_id", name="pk_scan_dirty_packages"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sign_in_provider_groups",
        sa.Column("provider_id", TextC, nullable=False),
        sa.Column("value", TextC, nullable=False, comment="value of the group claim"),
        sa.Column("group_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["principals.id"], name="fk_sign_in_provider_groups_group_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["sign_in_providers.id"], name="fk_sign_in_provider_groups_provider_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("provider_id", "value", "group_id", name="pk_sign_in_provider_groups"),
    )
    with op.batch_alter_table("sign_in_provider_groups", schema=None) as batch_op:
        batch_op.create_index("ix_sign_in_provider_groups_group_id", ["group_id"], unique=False)

    op.create_table(
        "webhook_attempts",
        sa.Column("number", Surrogate, autoincrement=True, nullable=False),
        sa.Column("webhook_id", Id, nullable=False),
        sa.Column("event_id", Id, nullable=False),
        sa.Column("type", TextC, nullable=False),
        sa.Column("subject", TextC, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("outcome", TextC, nullable=False),
        sa.Column("answer", TextC, nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name="fk_webhook_attempts_webhook_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_webhook_attempts"),
    )
    with op.batch_alter_table("webhook_attempts", schema=None) as batch_op:
        batch_op.create_index("ix_webhook_attempts_webhook_id_number", ["webhook_id", "number"], unique=False)

    op.create_table(
        "webhook_dead",
        sa.Column("webhook_id", Id, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("event", JsonText(), nullable=False),
        sa.Column("reason", TextC, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name="fk_webhook_dead_webhook_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("webhook_id", "position", name="pk_webhook_dead"),
    )
    op.create_table(
        "activations",
        sa.Column("id", Id, nullable=False),
        sa.Column("eligibility_id", Id, nullable=False),
        sa.Column("principal_id", Id, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False, comment="waiting, active, refused, ended"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("duration", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", Id, nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "expires_at",
            sa.BigInteger(),
            nullable=True,
            comment="when it ends; for one that waits, when it is too late to approve",
        ),
        sa.ForeignKeyConstraint(
            ["eligibility_id"], ["eligibilities.id"], name="fk_activations_eligibility_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name="fk_activations_principal_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_activations"),
    )
    with op.batch_alter_table("activations", schema=None) as batch_op:
        batch_op.create_index("ix_activations_eligibility_id", ["eligibility_id"], unique=False)
        batch_op.create_index("ix_activations_principal_id", ["principal_id"], unique=False)
        batch_op.create_index("ix_activations_state", ["state"], unique=False)

    op.create_table(
        "credential_certificates",
        sa.Column("credential_id", Id, nullable=False),
        sa.Column(
            "certificate", sa.LargeBinary(), nullable=False, comment="X.509, DER; the private key never comes here"
        ),
        sa.Column("thumbprint", TextC, nullable=False, comment="SHA-256 of the certificate, hexadecimal"),
        sa.Column(
            "thumbprint_sha1", TextC, nullable=False, comment="as older clients name it; compared, never trusted"
        ),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name="fk_credential_certificates_credential_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("credential_id", name="pk_credential_certificates"),
    )
    op.create_table(
        "credential_federations",
        sa.Column("credential_id", Id, nullable=False),
        sa.Column("issuer", TextC, nullable=False, comment="exactly the `iss` of the tokens"),
        sa.Column("subject", TextC, nullable=False),
        sa.Column("audience", TextC, nullable=False),
        sa.Column("matching", sa.String(length=16), nullable=False, comment="exact or wildcard"),
        sa.Column("keys", JsonText(), nullable=True, comment="JWKS given by hand, for issuers that cannot be asked"),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name="fk_credential_federations_credential_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("credential_id", name="pk_credential_federations"),
    )
    op.create_table(
        "managed_identity_holders",
        sa.Column("credential_id", Id, nullable=False),
        sa.Column("holder_id", Id, nullable=False, comment="principal of the agent, or the local operator"),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name="fk_managed_identity_holders_credential_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("credential_id", name="pk_managed_identity_holders"),
    )
    with op.batch_alter_table("managed_identity_holders", schema=None) as batch_op:
        batch_op.create_index("ix_managed_identity_holders_holder_id", ["holder_id"], unique=False)

    op.create_table(
        "manifest_pulls",
        sa.Column("manifest_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pulled_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_manifest_pulls_manifest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", name="pk_manifest_pulls"),
    )
    op.create_table(
        "missing_blobs",
        sa.Column("manifest_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", TextC, nullable=False),
        sa.Column("repository_id", Id, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_missing_blobs_manifest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", "digest", name="pk_missing_blobs"),
    )
    with op.batch_alter_table("missing_blobs", schema=None) as batch_op:
        batch_op.create_index("ix_missing_blobs_repository_id_digest", ["repository_id", "digest"], unique=False)

    op.create_table(
        "quarantine_marks",
        sa.Column("manifest_id", sa.BigInteger(), nullable=False),
        sa.Column("state", TextC, nullable=False),
        sa.Column("details", JsonText(), nullable=False),
        sa.Column("marked_at", sa.BigInteger(), nullable=False),
        sa.Column("marked_by", Id, nullable=False),
        sa.CheckConstraint("state IN ('Passed', 'Failed')", name="ck_quarantine_marks_state"),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_quarantine_marks_manifest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", name="pk_quarantine_marks"),
    )
    op.create_table(
        "sign_ins",
        sa.Column("credential_id", Id, nullable=False),
        sa.Column("client_id", TextC, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False, comment="of the refresh token that is good now"),
        sa.Column("renewed_at", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_id"], ["credentials.id"], name="fk_sign_ins_credential_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("credential_id", name="pk_sign_ins"),
        comment="People's sign-ins from terminals and programs; the credential says whose and until when.",
    )
    op.create_table(
        "untagged_manifests",
        sa.Column("manifest_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_untagged_manifests_manifest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", name="pk_untagged_manifests"),
    )
    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("condition", sa.Text(), nullable=True, comment="on which repositories it holds"))
        batch_op.add_column(
            sa.Column(
                "activation_id", Id, nullable=True, comment="the activation of an eligible role that it came from"
            )
        )
        batch_op.create_index("ix_assignments_activation_id", ["activation_id"], unique=False)

    with op.batch_alter_table("findings", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "risk",
                sa.Float(),
                sa.Computed(
                    "CAST(exploited AS INTEGER) * 100 + severity_rank * 10 + coalesce(likelihood, -1.0)",
                ),
                nullable=True,
            )
        )
        batch_op.drop_index("ix_findings_risk", sqlite_where=sa.text("resolved_at IS NULL"))
        batch_op.create_index(
            "ix_findings_risk",
            ["risk", "id"],
            unique=False,
            sqlite_where=sa.text("resolved_at IS NULL"),
            postgresql_where=sa.text("resolved_at IS NULL"),
        )

    with op.batch_alter_table("manifests", schema=None) as batch_op:
        batch_op.add_column(sa.Column("locks", sa.Integer(), server_default="0", nullable=False))

    with op.batch_alter_table("repositories", schema=None) as batch_op:
        batch_op.add_column(sa.Column("locks", sa.Integer(), server_default="0", nullable=False))

    with op.batch_alter_table("roles", schema=None) as batch_op:
        batch_op.add_column(sa.Column("created_by", Id, nullable=True))
        batch_op.add_column(sa.Column("changed_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(
            sa.Column(
                "actions",
                JsonText(),
                nullable=True,
                comment="Azure's action strings that it was made from: actions, data, not",
            )
        )

    with op.batch_alter_table("tags", schema=None) as batch_op:
        batch_op.add_column(sa.Column("created_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("locks", sa.Integer(), server_default="0", nullable=False))
