"""What identity, the registry and the scanner keep beyond the first release."""

import sqlalchemy as sa
from alembic import op

from pratique.core.database.schema import Id, JsonText, TextC

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
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
    with op.batch_alter_table("manifests", schema=None) as batch_op:
        batch_op.add_column(sa.Column("locks", sa.Integer(), server_default="0", nullable=False))

    with op.batch_alter_table("repositories", schema=None) as batch_op:
        batch_op.add_column(sa.Column("locks", sa.Integer(), server_default="0", nullable=False))

    with op.batch_alter_table("tags", schema=None) as batch_op:
        batch_op.add_column(sa.Column("created_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("locks", sa.Integer(), server_default="0", nullable=False))
