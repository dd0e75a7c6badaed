"""Tables of recommendations: everything here follows from findings and can be thrown away and computed again."""

import sqlalchemy as sa

from pratique.core.database import Micros, TextC, metadata

COUNTS = (
    "critical", "high", "medium", "low", "negligible", "unknown", "not_assessed", "exempted", "exploited", "unfixed",
)  # fmt: skip


def _counts() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in COUNTS]


recommendation_items = sa.Table(
    "recommendation_items",
    metadata,
    sa.Column("action", TextC, primary_key=True),
    sa.Column("lineage", TextC, primary_key=True),
    sa.Column("id", TextC, nullable=False),
    *_counts(),
    sa.Column("severity_rank", sa.Integer, nullable=False),
    sa.Column("risk", sa.Float, nullable=False),
    sa.Column("likelihood", sa.Float),
    sa.Column("images", sa.Integer, nullable=False),
    sa.Column("first_seen", Micros, nullable=False),
    sa.Column("due_at", Micros),
    sa.Column("title", TextC, nullable=False),
    sa.Column("fix", TextC, nullable=False),
    sa.Column("owner", TextC, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Index(None, "lineage", "action"),
    sa.Index(None, "owner", "action"),
    sa.Index(None, "id"),
)
"""One row per action and lineage: what list pages of people with a limited view are summed up from."""

recommendations = sa.Table(
    "recommendations",
    metadata,
    sa.Column("id", TextC, primary_key=True),
    sa.Column("action", TextC, nullable=False, unique=True),
    sa.Column("kind", TextC, nullable=False),
    sa.Column("title", TextC, nullable=False),
    sa.Column("fix", TextC, nullable=False),
    *_counts(),
    sa.Column("severity_rank", sa.Integer, nullable=False),
    sa.Column("risk", sa.Float, nullable=False),
    sa.Column("likelihood", sa.Float),
    sa.Column("images", sa.Integer, nullable=False),
    sa.Column("repositories", sa.Integer, nullable=False),
    sa.Column("first_seen", Micros, nullable=False),
    sa.Column("due_at", Micros),
    sa.Column("priority", sa.BigInteger, nullable=False),
    sa.Column("gain", sa.Float, nullable=False),
    sa.Column("owner", TextC, nullable=False),
    sa.Column("owners", sa.Integer, nullable=False),
    sa.Column("updated_at", Micros, nullable=False),
    sa.Index(None, "priority", "id"),
)
"""One row per action over all lineages: the page of whoever may see everything is one index range of it."""

recommendation_words = sa.Table(
    "recommendation_words",
    metadata,
    sa.Column("action", TextC, primary_key=True),
    sa.Column("word", TextC, primary_key=True),
)
"""What each action can be found by: names and numbers of its findings, each also from its later parts on.

A search asks each action for the range of words that begin with a term: as many short index walks as there are actions,
however many findings.
"""

recommendation_lineages = sa.Table(
    "recommendation_lineages",
    metadata,
    sa.Column("lineage", TextC, primary_key=True),
    sa.Column("assessed", sa.Boolean, nullable=False),
    sa.Column("open", sa.Integer, nullable=False),
    sa.Column("worst_risk", sa.Float, nullable=False),
    sa.Column("second_risk", sa.Float, nullable=False),
    sa.Column("worst_action", TextC, nullable=False),
    sa.Column("updated_at", Micros, nullable=False),
    sa.Index(None, "worst_action"),
)
"""Where each lineage stands, clean ones too: the score and what an action would gain are read from here."""

recommendation_changes = sa.Table(
    "recommendation_changes",
    metadata,
    sa.Column("lineage", TextC, primary_key=True),
    sa.Column("changed_at", Micros, nullable=False),
)
"""Lineages whose findings changed and were not summed up since."""

recommendation_stale = sa.Table(
    "recommendation_stale",
    metadata,
    sa.Column("action", TextC, primary_key=True),
)
"""Actions whose items changed and were not summed up since: each once, however many lineages touched it."""

recommendation_days = sa.Table(
    "recommendation_days",
    metadata,
    sa.Column("day", TextC, primary_key=True),
    sa.Column("score", sa.Float),
    sa.Column("repositories", sa.Integer, nullable=False),
    *_counts(),
)
"""The score and the counts at the end of each day."""
