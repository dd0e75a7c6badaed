"""Tables of collection: segments on their way out, what was deleted and can come back, runs and what they found."""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, Surrogate, TextC, metadata

# A segment is here because no row names it, or is about to; see collection/segments.py for the states.
doomed_segments = sa.Table(
    "doomed_segments",
    metadata,
    sa.Column("key", TextC, primary_key=True),
    sa.Column("state", TextC, nullable=False),
    sa.Column("origin", TextC, nullable=False, comment="blob, upload or orphan: what named it last"),
    sa.Column("size", sa.BigInteger, nullable=False, comment="bytes; 0 where only the store knows"),
    sa.Column("since", Micros, nullable=False),
    sa.Column("due_at", Micros, nullable=False, comment="what comes next does not come before"),
    sa.CheckConstraint("state IN ('suspected', 'condemned', 'removed')", name="state"),
    sa.Index(None, "state", "due_at"),
)

deleted_items = sa.Table(
    "deleted_items",
    metadata,
    sa.Column("id", Surrogate, primary_key=True, autoincrement=True),
    # By name: a repository that was deleted whole comes back with what is restored into it.
    sa.Column("repository", TextC, nullable=False),
    sa.Column("kind", TextC, nullable=False, comment="manifest or tag"),
    sa.Column("name", TextC, nullable=False, comment="the tag, or the digest of the manifest"),
    sa.Column("digest", TextC, nullable=False),
    sa.Column("media_type", TextC, nullable=False),
    sa.Column("content", sa.LargeBinary, comment="of a manifest: its exact bytes"),
    sa.Column("tags", JsonText, nullable=False, comment="tags that went with a manifest"),
    sa.Column("size", sa.BigInteger, nullable=False, comment="bytes of the manifest"),
    sa.Column("pusher", Id, nullable=False),
    sa.Column("pushed_at", Micros, nullable=False),
    sa.Column("deleted_at", Micros, nullable=False),
    sa.Column("deleted_by", Id, nullable=False),
    sa.Column("because", TextC, nullable=False),
    sa.Column("expires_at", Micros, nullable=False),
    sa.Index(None, "repository", "digest"),
    sa.Index(None, "expires_at"),
)

# What a deleted manifest needs to come back: collection leaves these blobs alone until it expires.
deleted_blobs = sa.Table(
    "deleted_blobs",
    metadata,
    sa.Column("deleted_id", sa.BigInteger, sa.ForeignKey("deleted_items.id"), primary_key=True),
    sa.Column("blob_id", sa.BigInteger, sa.ForeignKey("blobs.id"), primary_key=True),
    sa.Index(None, "blob_id"),
)

collection_runs = sa.Table(
    "collection_runs",
    metadata,
    sa.Column("id", Id, primary_key=True, comment="the job that does it"),
    sa.Column("dry_run", sa.Boolean, nullable=False),
    sa.Column("requested_by", TextC, nullable=False),
    sa.Column("started_at", Micros, nullable=False),
    sa.Column("finished_at", Micros),
    sa.Column("counts", JsonText, nullable=False, comment="kind -> [how many, bytes]"),
    sa.Index(None, "started_at"),
)

# What a dry run would remove, line by line.
collection_finds = sa.Table(
    "collection_finds",
    metadata,
    sa.Column("run_id", Id, sa.ForeignKey("collection_runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("kind", TextC, nullable=False),
    sa.Column("repository", TextC, nullable=False, comment="'' for what lies in none"),
    sa.Column("name", TextC, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("because", TextC, nullable=False),
)
