"""Tables of the Entra-shaped endpoints: what proves clients beyond secrets, and sign-ins of people at terminals."""

import sqlalchemy as sa

from pratique.core.database import Id, Micros, TextC, metadata


def credential_key() -> sa.Column[str]:
    """The key of a table that says more about one row of `credentials`, and ends with it."""
    return sa.Column("credential_id", Id, sa.ForeignKey("credentials.id", ondelete="CASCADE"), primary_key=True)


certificates = sa.Table(
    "credential_certificates",
    metadata,
    credential_key(),
    sa.Column("certificate", sa.LargeBinary, nullable=False, comment="X.509, DER; the private key never comes here"),
    sa.Column("thumbprint", TextC, nullable=False, comment="SHA-256 of the certificate, hexadecimal"),
    sa.Column("thumbprint_sha1", TextC, nullable=False, comment="as older clients name it; compared, never trusted"),
)

spent_assertions = sa.Table(
    "spent_assertions",
    metadata,
    sa.Column("key", TextC, primary_key=True, comment="SHA-256 of client and jti"),
    sa.Column("expires_at", Micros, nullable=False, index=True),
    comment="Assertions that were used once, until they end by themselves.",
)

token_floors = sa.Table(
    "token_floors",
    metadata,
    sa.Column("name", TextC, primary_key=True, comment="all"),
    sa.Column("tokens_from", Micros, nullable=False, comment="tokens of everybody issued earlier are refused"),
)

device_codes = sa.Table(
    "device_codes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("device_proof", sa.LargeBinary, nullable=False, unique=True, comment="SHA-256 of the device's code"),
    sa.Column("user_proof", sa.LargeBinary, nullable=False, unique=True, comment="keyed hash of the person's code"),
    sa.Column("client_id", TextC, nullable=False),
    sa.Column("resource", TextC, nullable=False),
    sa.Column("offline", sa.Boolean, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, comment="pending, approved, denied"),
    sa.Column("principal_id", Id, sa.ForeignKey("principals.id", ondelete="CASCADE"), index=True),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("expires_at", Micros, nullable=False, index=True),
)

authorization_codes = sa.Table(
    "authorization_codes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("proof", sa.LargeBinary, nullable=False, unique=True, comment="SHA-256 of the code"),
    sa.Column("principal_id", Id, sa.ForeignKey("principals.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("client_id", TextC, nullable=False),
    sa.Column("resource", TextC, nullable=False),
    sa.Column("offline", sa.Boolean, nullable=False),
    sa.Column("redirect_uri", TextC, nullable=False),
    sa.Column("challenge", TextC, nullable=False, comment="SHA-256 of the client's verifier (RFC 7636, S256)"),
    sa.Column("nonce", TextC, nullable=False, server_default=""),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("credential_id", Id, comment="the sign-in that came of it; the code cannot be used again"),
    sa.Column("expires_at", Micros, nullable=False, index=True),
)

sign_ins = sa.Table(
    "sign_ins",
    metadata,
    credential_key(),
    sa.Column("client_id", TextC, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False, comment="of the refresh token that is good now"),
    sa.Column("renewed_at", Micros, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    comment="People's sign-ins from terminals and programs; the credential says whose and until when.",
)
