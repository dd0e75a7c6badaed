"""Tables of the registry. Names and digests are read through surrogates; manifests live in the database, blobs do not."""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, Surrogate, TextC, metadata

repositories = sa.Table(
    "repositories",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", TextC, nullable=False, unique=True),
    sa.Column("created_at", Micros, nullable=False),
    # What is locked, as one number: see locks.py. So also for manifests and tags.
    sa.Column("locks", sa.Integer, nullable=False, server_default="0"),
)

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("id", Surrogate, primary_key=True, autoincrement=True),
    sa.Column("digest", TextC, nullable=False, unique=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    # [[key, size, framing version], …] in order; see core.blobs.SegmentSpan
    sa.Column("segments", JsonText, nullable=False),
    sa.Column("created_at", Micros, nullable=False),
)

# Which repository holds which blob, and how many of its manifests reach it: `open_manifests` is what readers need.
repository_blobs = sa.Table(
    "repository_blobs",
    metadata,
    sa.Column("repository_id", Id, sa.ForeignKey("repositories.id"), primary_key=True),
    sa.Column("blob_id", sa.BigInteger, sa.ForeignKey("blobs.id"), primary_key=True),
    sa.Column("manifests", sa.Integer, nullable=False),
    sa.Column("open_manifests", sa.Integer, nullable=False),
    # Collection leaves a blob alone until then, whether or not a manifest names it.
    sa.Column("lease_until", Micros, nullable=False),
    sa.Index(None, "blob_id"),
)

manifests = sa.Table(
    "manifests",
    metadata,
    sa.Column("id", Surrogate, primary_key=True, autoincrement=True),
    sa.Column("repository_id", Id, sa.ForeignKey("repositories.id"), nullable=False),
    sa.Column("digest", TextC, nullable=False),
    sa.Column("media_type", TextC, nullable=False),
    sa.Column("artifact_type", TextC, nullable=False),
    sa.Column("kind", TextC, nullable=False),
    # What the manifest says it speaks about, for the referrers list; '' for none.
    sa.Column("subject", TextC, nullable=False),
    # Whose gate it shares: the subject, or what an index or a signature tag names in its place; '' for its own gate.
    sa.Column("gate_subject", TextC, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("pushed_at", Micros, nullable=False),
    sa.Column("pusher", Id, nullable=False),
    sa.Column("locks", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("repository_id", "digest"),
    sa.Index(
        None,
        "repository_id",
        "subject",
        "id",
        sqlite_where=sa.text("subject <> ''"),
        postgresql_where=sa.text("subject <> ''"),
    ),
    sa.Index(
        None,
        "repository_id",
        "gate_subject",
        sqlite_where=sa.text("gate_subject <> ''"),
        postgresql_where=sa.text("gate_subject <> ''"),
    ),
    sa.Index(None, "digest"),
)

manifest_blobs = sa.Table(
    "manifest_blobs",
    metadata,
    sa.Column("manifest_id", sa.BigInteger, sa.ForeignKey("manifests.id"), primary_key=True),
    sa.Column("blob_id", sa.BigInteger, sa.ForeignKey("blobs.id"), primary_key=True),
    sa.Index(None, "blob_id"),
)

manifest_members = sa.Table(
    "manifest_members",
    metadata,
    sa.Column("manifest_id", sa.BigInteger, sa.ForeignKey("manifests.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("digest", TextC, nullable=False),
    sa.Column("runnable", sa.Boolean, nullable=False),
    # What buildkit names beside an attestation in an index: the member that it speaks about; '' for none.
    sa.Column("statement_subject", TextC, nullable=False),
    sa.Index(None, "digest"),
)

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("repository_id", Id, sa.ForeignKey("repositories.id"), primary_key=True),
    sa.Column("name", TextC, primary_key=True),
    sa.Column("served_id", sa.BigInteger, sa.ForeignKey("manifests.id")),
    sa.Column("pending_id", sa.BigInteger, sa.ForeignKey("manifests.id")),
    sa.Column("moved_at", Micros, nullable=False),
    sa.Column("moved_by", Id, nullable=False),
    # None for tags of the first release, whose first push nobody noted.
    sa.Column("created_at", Micros),
    sa.Column("locks", sa.Integer, nullable=False, server_default="0"),
    sa.Index(None, "served_id"),
    sa.Index(None, "pending_id"),
)

gates = sa.Table(
    "gates",
    metadata,
    sa.Column("manifest_id", sa.BigInteger, sa.ForeignKey("manifests.id"), primary_key=True),
    sa.Column("state", TextC, nullable=False),
    sa.Column("reason", JsonText, nullable=False),
    sa.Column("decision_id", Id),
    sa.Column("since", Micros, nullable=False),
    sa.CheckConstraint("state IN ('held', 'open', 'refused')", name="state"),
)

# What whoever may write quarantine has said about a manifest: a fact for policies, never a gate by itself.
quarantine_marks = sa.Table(
    "quarantine_marks",
    metadata,
    sa.Column("manifest_id", sa.BigInteger, sa.ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("state", TextC, nullable=False),
    sa.Column("details", JsonText, nullable=False),
    sa.Column("marked_at", Micros, nullable=False),
    sa.Column("marked_by", Id, nullable=False),
    sa.CheckConstraint("state IN ('Passed', 'Failed')", name="state"),
)

# Blobs that an image names and that had not come when it was pushed: it is held until they are here.
missing_blobs = sa.Table(
    "missing_blobs",
    metadata,
    sa.Column("manifest_id", sa.BigInteger, sa.ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("digest", TextC, primary_key=True),
    sa.Column("repository_id", Id, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Index(None, "repository_id", "digest"),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("repository", TextC, nullable=False),
    sa.Column("principal_id", Id, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("hash_state", sa.LargeBinary, nullable=False),
    sa.Column("segments", JsonText, nullable=False),
    sa.Column("expires_at", Micros, nullable=False),
    # Set before its segments are removed, so that no request adds to an upload that is going away.
    sa.Column("closed", sa.Boolean, nullable=False),
    sa.Index(None, "expires_at"),
)
