"""Tables of retention: rules by repository prefix and tag pattern, and what is known of the use of a manifest."""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, TextC, metadata

retention_rules = sa.Table(
    "retention_rules",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("prefix", TextC, nullable=False, comment="'' is every repository; team is team and all below it"),
    sa.Column("tags", TextC, nullable=False, comment="patterns, separated by commas; '' for a rule on untagged alone"),
    sa.Column("keep", JsonText, nullable=False, comment="conditions; see retention.types.Keep"),
    sa.Column("untagged_after", sa.BigInteger, comment="microseconds; null: untagged manifests stay"),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
    sa.Index(None, "prefix"),
)

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

manifest_activity = sa.Table(
    "manifest_activity",
    metadata,
    sa.Column("manifest_id", sa.BigInteger, sa.ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("pulled_at", Micros, comment="to the hour; null: never since this is noted"),
    sa.Column("untagged_at", Micros, comment="when retention first found it without a tag"),
)
