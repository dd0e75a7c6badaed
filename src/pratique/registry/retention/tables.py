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
