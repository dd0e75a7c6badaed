"""The log: entries chained per writer, where each writer was last sealed, and the signed checkpoints."""

import sqlalchemy as sa

from pratique.core.database.schema import Id, Micros, TextC, metadata

audit_entries = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("writer", Id, primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Micros, nullable=False),
    sa.Column("entry_class", TextC, nullable=False),
    sa.Column("action", TextC, nullable=False),
    sa.Column("principal_id", TextC, nullable=False),
    sa.Column("principal", TextC, nullable=False),
    sa.Column("kind", TextC, nullable=False),
    sa.Column("credential_id", TextC, nullable=False),
    sa.Column("target", TextC, nullable=False),
    sa.Column("detail", TextC, nullable=False),  # the very text that was hashed
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
)
sa.Index("ix_audit_entries_at", audit_entries.c.at)
sa.Index("ix_audit_entries_principal_id", audit_entries.c.principal_id, audit_entries.c.at)
sa.Index("ix_audit_entries_target", audit_entries.c.target, audit_entries.c.at)

audit_writers = sa.Table(
    "audit_writers",
    metadata,
    sa.Column("writer", Id, primary_key=True),
    sa.Column("started_at", Micros, nullable=False),
    sa.Column("sealed_seq", sa.BigInteger, nullable=False),
    sa.Column("sealed_hash", sa.LargeBinary(32), nullable=False),
)

audit_checkpoints = sa.Table(
    "audit_checkpoints",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", Micros, nullable=False),
    sa.Column("message", TextC, nullable=False),
    sa.Column("key_id", TextC, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
)
