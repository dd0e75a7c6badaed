"""Tables of quotas: limits, which blob counts where, and usage in parts that no two writers share."""

import sqlalchemy as sa

from pratique.core.database import Id, Micros, TextC, metadata

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("prefix", TextC, nullable=False, unique=True, comment="'' is the whole registry"),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("manifests", sa.BigInteger),
    sa.Column("tags", sa.BigInteger),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("counted_at", Micros, comment="when usage was last counted from the records; null: not enforced yet"),
)

# A blob counts once in each quota, however many repositories below the prefix hold it.
quota_blobs = sa.Table(
    "quota_blobs",
    metadata,
    sa.Column("quota_id", Id, sa.ForeignKey("quotas.id"), primary_key=True),
    sa.Column("blob_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The sum over all parts is the usage; each writer adds to a part of its own, so pushes at once never meet here.
quota_usage = sa.Table(
    "quota_usage",
    metadata,
    sa.Column("quota_id", Id, sa.ForeignKey("quotas.id"), primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("manifests", sa.BigInteger, nullable=False),
    sa.Column("tags", sa.BigInteger, nullable=False),
)
