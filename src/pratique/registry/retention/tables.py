"""Tables of rules about tags."""

import sqlalchemy as sa

from pratique.core.database import Id, Micros, TextC, metadata

immutability_rules = sa.Table(
    "immutability_rules",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("prefix", TextC, nullable=False),
    sa.Column("tags", TextC, nullable=False),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
    sa.Index(None, "prefix"),
)

# A tag goes when a rule covers it and no rule that covers it has a reason to keep it; null asks for nothing.
retention_rules = sa.Table(
    "retention_rules",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("prefix", TextC, nullable=False),
    sa.Column("tags", TextC, nullable=False, comment="patterns; '' for a rule about untagged manifests only"),
    sa.Column("keep_newest", sa.Integer),
    sa.Column("keep_versions", sa.Integer),
    sa.Column("pushed_within", sa.Integer, comment="days, as below"),
    sa.Column("pulled_within", sa.Integer),
    sa.Column("untagged_after", sa.Integer),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
    sa.Index(None, "prefix"),
)

retention_runs = sa.Table(
    "retention_runs",
    metadata,
    sa.Column("id", Id, primary_key=True, comment="the job that does it"),
    sa.Column("prefix", TextC, nullable=False),
    sa.Column("requested_by", TextC, nullable=False),
    sa.Column("started_at", Micros, nullable=False),
    sa.Column("finished_at", Micros),
    sa.Column("done_to", TextC, nullable=False, comment="the last repository that is done; a run goes on behind it"),
    sa.Column("tags", sa.BigInteger, nullable=False),
    sa.Column("manifests", sa.BigInteger, nullable=False),
    sa.Index(None, "started_at"),
)

# When a run first saw that no tag and no index names a manifest.
untagged_manifests = sa.Table(
    "untagged_manifests",
    metadata,
    sa.Column(
        "manifest_id", sa.BigInteger, sa.ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True,
        autoincrement=False,
    ),
    sa.Column("since", Micros, nullable=False),
)  # fmt: skip

# When a manifest was last asked for, to the minute.
manifest_pulls = sa.Table(
    "manifest_pulls",
    metadata,
    sa.Column(
        "manifest_id", sa.BigInteger, sa.ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True,
        autoincrement=False,
    ),
    sa.Column("pulled_at", Micros, nullable=False),
)  # fmt: skip
