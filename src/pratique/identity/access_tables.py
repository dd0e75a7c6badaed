"""Tables of who may do what beyond plain assignments: groups, roles that can be activated, and what rights are used."""

import sqlalchemy as sa

from pratique.core.database import Id, Micros, TextC, metadata
from pratique.identity.tables import principals

group_members = sa.Table(
    "group_members",
    metadata,
    sa.Column("group_id", Id, sa.ForeignKey("principals.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("principal_id", Id, sa.ForeignKey("principals.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("source", TextC, primary_key=True, comment="direct, or the id of the provider that says so at sign-in"),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
    comment="A group is a principal of kind group; groups hold no groups.",
)

eligibilities = sa.Table(
    "eligibilities",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("principal_id", Id, sa.ForeignKey(principals.c.id, ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("role_id", Id, nullable=False, index=True),
    sa.Column("scope", TextC, nullable=False),
    sa.Column("condition", sa.Text, nullable=False, server_default=""),
    sa.Column("longest", Micros, nullable=False, comment="longest activation, in microseconds"),
    sa.Column("approval", sa.Boolean, nullable=False, comment="somebody else has to approve"),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
    sa.Column("expires_at", Micros),
    sa.UniqueConstraint("principal_id", "role_id", "scope"),
)

activations = sa.Table(
    "activations",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("eligibility_id", Id, sa.ForeignKey("eligibilities.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("principal_id", Id, sa.ForeignKey(principals.c.id, ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False, index=True, comment="waiting, active, refused, ended"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("duration", Micros, nullable=False),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("decided_at", Micros),
    sa.Column("decided_by", Id),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("expires_at", Micros, comment="when it ends; for one that waits, when it is too late to approve"),
)

uses = sa.Table(
    "right_uses",
    metadata,
    sa.Column("principal_id", Id, sa.ForeignKey(principals.c.id, ondelete="CASCADE"), primary_key=True),
    sa.Column("permission", TextC, primary_key=True),
    sa.Column("scope", TextC, primary_key=True, comment="the scope of the assignment that allowed it"),
    sa.Column("last_at", Micros, nullable=False),
    comment="When each right was last used, to the hour.",
)

review_marks = sa.Table(
    "review_marks",
    metadata,
    sa.Column("name", TextC, primary_key=True),
    sa.Column("at", Micros, nullable=False),
    comment="Since when something is watched, so that reviews call nothing unused too early.",
)
