"""Tables of identity. Assignments, credentials and sessions hang on the principal's id, never on its name."""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, TextC, metadata

principals = sa.Table(
    "principals",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", TextC, nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, server_default="active"),
    sa.Column("display_name", sa.Text, nullable=False, server_default=""),
    sa.Column("tokens_from", Micros, nullable=False, server_default="0", comment="tokens issued earlier are refused"),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
)


def _principal() -> sa.Column[str]:
    return sa.Column("principal_id", Id, sa.ForeignKey("principals.id", ondelete="CASCADE"), nullable=False, index=True)


def _principal_key() -> sa.Column[str]:
    return sa.Column("principal_id", Id, sa.ForeignKey("principals.id", ondelete="CASCADE"), primary_key=True)


credentials = sa.Table(
    "credentials",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _principal(),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("label", sa.Text, nullable=False, server_default=""),
    sa.Column("proof", sa.LargeBinary, nullable=False, comment="keyed hash of a client secret"),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
    sa.Column("expires_at", Micros),
    sa.Column("last_used_at", Micros),
)

users = sa.Table(
    "users",
    metadata,
    _principal_key(),
    sa.Column("password", sa.LargeBinary, comment="argon2id, sealed"),
    sa.Column("totp", sa.LargeBinary, comment="secret of the authenticator application, sealed"),
    sa.Column("totp_step", sa.BigInteger, nullable=False, server_default="0", comment="last time step that was used"),
)

passkeys = sa.Table(
    "passkeys",
    metadata,
    sa.Column("id", TextC, primary_key=True, comment="WebAuthn credential id, base64url"),
    _principal(),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("sign_count", sa.BigInteger, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("last_used_at", Micros),
)

roles = sa.Table(
    "roles",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("name", TextC, nullable=False, unique=True),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("permissions", JsonText, nullable=False),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id),
    sa.Column("changed_at", Micros),
    sa.Column("actions", JsonText, comment="Azure's action strings that it was made from: actions, data, not"),
    comment="Custom roles; the built-in ones are code.",
)

assignments = sa.Table(
    "assignments",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _principal(),
    sa.Column("role_id", Id, nullable=False),
    sa.Column("scope", TextC, nullable=False, index=True),
    sa.Column("effect", sa.String(8), nullable=False),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
    sa.Column("expires_at", Micros),
    sa.Column("condition", sa.Text, comment="on which repositories it holds"),
    sa.Column("activation_id", Id, index=True, comment="the activation of an eligible role that it came from"),
    sa.UniqueConstraint("principal_id", "role_id", "scope", "effect"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _principal(),
    sa.Column("proof", sa.LargeBinary, nullable=False, unique=True, comment="SHA-256 of the cookie's value"),
    sa.Column("method", TextC, nullable=False, comment="password, or the id of the passkey"),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("seen_at", Micros, nullable=False),
    sa.Column("expires_at", Micros, nullable=False, index=True),
)

sign_in_links = sa.Table(
    "sign_in_links",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _principal(),
    sa.Column("proof", sa.LargeBinary, nullable=False, unique=True, comment="SHA-256 of the link's secret"),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
    sa.Column("expires_at", Micros, nullable=False),
    sa.Column("used_at", Micros),
)

sign_in_steps = sa.Table(
    "sign_in_steps",
    metadata,
    sa.Column("id", Id, primary_key=True),
    _principal(),
    sa.Column("proof", sa.LargeBinary, nullable=False, unique=True, comment="SHA-256 of the step's ticket"),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False, comment="what the next step needs, sealed"),
    sa.Column("expires_at", Micros, nullable=False, index=True),
)

login_failures = sa.Table(
    "login_failures",
    metadata,
    sa.Column(
        "key", sa.String(64), primary_key=True, comment="keyed hash of the canonical name with or without address"
    ),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("since", Micros, nullable=False),
    sa.Column("until", Micros, nullable=False, index=True),
)
