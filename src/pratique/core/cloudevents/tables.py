"""Tables of the event log."""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, Surrogate, TextC, metadata

outward_events = sa.Table(
    "outward_events",
    metadata,
    # Counted when the row is written, so events of one subject have growing numbers; not in the order of commits.
    sa.Column("number", Surrogate, primary_key=True, autoincrement=True),
    sa.Column("id", Id, nullable=False),
    sa.Column("type", TextC, nullable=False),
    sa.Column("subject", TextC, nullable=False),
    sa.Column("scope", TextC, nullable=False),
    sa.Column("data", JsonText, nullable=False),
    sa.Column("at", Micros, nullable=False),
    # Given after the commit, by one sequencer; readers go by it.
    sa.Column("position", sa.BigInteger),
    sa.Index(
        "uq_outward_events_position",
        "position",
        unique=True,
        sqlite_where=sa.text("position IS NOT NULL"),
        postgresql_where=sa.text("position IS NOT NULL"),
    ),
    sa.Index(
        "ix_outward_events_unplaced",
        "number",
        sqlite_where=sa.text("position IS NULL"),
        postgresql_where=sa.text("position IS NULL"),
    ),
)

event_heads = sa.Table(
    "event_heads",
    metadata,
    sa.Column("name", TextC, primary_key=True),
    # The last position given, and the last one that is no longer kept.
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.Column("forgotten", sa.BigInteger, nullable=False),
)
