"""Tables of webhooks. A webhook is a reader of the event log with a cursor; nothing is copied per webhook."""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, Surrogate, TextC, metadata

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", TextC, nullable=False, unique=True),
    # Sealed: for many receivers the address itself is the credential.
    sa.Column("address", sa.LargeBinary, nullable=False),
    sa.Column("shown_address", TextC, nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("former_secret", sa.LargeBinary),
    sa.Column("former_until", Micros, nullable=False),
    # Sealed: headers that the receiver wants, {name: value}; null for none.
    sa.Column("headers", sa.LargeBinary),
    sa.Column("scope", TextC, nullable=False),
    sa.Column("types", JsonText, nullable=False),
    sa.Column("subjects", JsonText, nullable=False),
    sa.Column("state", TextC, nullable=False),
    sa.Column("reason", TextC, nullable=False),
    # Everything up to this position was delivered, buried or did not fit.
    sa.Column("cursor", sa.BigInteger, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("next_at", Micros, nullable=False),
    # Since when no delivery has succeeded though some were tried; null while all is well.
    sa.Column("failing_since", Micros),
    sa.Column("lease_until", Micros, nullable=False),
    sa.Column("lease_token", TextC, nullable=False),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
    sa.CheckConstraint("state IN ('unverified', 'active', 'paused', 'disabled')", name="state"),
)

webhook_attempts = sa.Table(
    "webhook_attempts",
    metadata,
    sa.Column("number", Surrogate, primary_key=True, autoincrement=True),
    sa.Column("webhook_id", Id, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("event_id", Id, nullable=False),
    sa.Column("type", TextC, nullable=False),
    sa.Column("subject", TextC, nullable=False),
    sa.Column("at", Micros, nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
    # 0 where there was no answer.
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("outcome", TextC, nullable=False),
    # What the receiver said, redacted.
    sa.Column("answer", TextC, nullable=False),
    sa.Index(None, "webhook_id", "number"),
)

webhook_dead = sa.Table(
    "webhook_dead",
    metadata,
    sa.Column("webhook_id", Id, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True),
    # The whole event, so that it can be sent again when the log has forgotten it.
    sa.Column("event", JsonText, nullable=False),
    sa.Column("reason", TextC, nullable=False),
    sa.Column("at", Micros, nullable=False),
    # Set when it is to be sent once more.
    sa.Column("wanted", sa.Boolean, nullable=False),
)
