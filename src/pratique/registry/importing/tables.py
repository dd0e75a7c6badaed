"""Imports that were asked for; how far each is stands in its job."""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, TextC, metadata

imports = sa.Table(
    "imports",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("job_id", Id, nullable=False),
    sa.Column("host", TextC, nullable=False, comment="'' for this registry"),
    sa.Column("origin", TextC, nullable=False),
    sa.Column("reference", TextC, nullable=False),
    sa.Column("repository", TextC, nullable=False),
    sa.Column("tag", TextC, nullable=False, comment="'' for none"),
    sa.Column("platforms", JsonText, nullable=False, comment="none is all"),
    sa.Column("referrers", sa.Boolean, nullable=False),
    sa.Column("sees_held", sa.Boolean, nullable=False, comment="the caller may read what is held in the origin"),
    sa.Column("user_name", TextC, nullable=False),
    sa.Column("secret", sa.LargeBinary, comment="sealed; gone when the import is over"),
    sa.Column("digest", TextC, nullable=False, comment="'' until it is known"),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
    sa.Column("created_name", TextC, nullable=False),
    sa.Index(None, "repository", "id"),
)
