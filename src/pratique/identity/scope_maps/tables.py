"""Tables of scope maps and of the principals that are tokens; rights and passwords lie where all others lie."""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, TextC, metadata
from pratique.identity.tables import principals

scope_maps = sa.Table(
    "scope_maps",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", TextC, nullable=False, unique=True),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("rules", JsonText, nullable=False, comment="repositories/NAME/ACTION, sorted"),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
    sa.Column("changed_at", Micros),
    comment="Those of an installation; the system's own are code.",
)

registry_tokens = sa.Table(
    "registry_tokens",
    metadata,
    sa.Column("principal_id", Id, sa.ForeignKey(principals.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "scope_map_id", Id, nullable=False, index=True, comment="of a row in scope_maps, or of one of the system"
    ),
    sa.Column("created_at", Micros, nullable=False),
)
