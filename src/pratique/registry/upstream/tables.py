"""Tables of the pull-through cache. What is cached lies in the same tables as what is pushed."""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, TextC, metadata

cache_rules = sa.Table(
    "cache_rules",
    metadata,
    sa.Column("id", Id, primary_key=True),
    # Repositories at this name and below it are filled from there.
    sa.Column("prefix", TextC, nullable=False, unique=True),
    sa.Column("host", TextC, nullable=False),
    sa.Column("remote", TextC, nullable=False, comment="what the prefix stands for there; '' for all"),
    sa.Column("user_name", TextC, nullable=False, comment="'' for none"),
    sa.Column("secret", sa.LargeBinary, comment="sealed"),
    sa.Column("patterns", JsonText, nullable=False, comment="repositories there that may be asked for; none is all"),
    sa.Column("platforms", JsonText, nullable=False, comment="members of an index that come with it"),
    sa.Column("ttl", sa.BigInteger, nullable=False, comment="microseconds for which a tag is believed"),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
)

cached_tags = sa.Table(
    "cached_tags",
    metadata,
    sa.Column("repository", TextC, primary_key=True),
    sa.Column("tag", TextC, primary_key=True),
    sa.Column("digest", TextC, nullable=False, comment="what it stood for there"),
    sa.Column("checked_at", Micros, nullable=False),
)
