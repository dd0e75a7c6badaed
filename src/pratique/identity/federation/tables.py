"""Tables of federation: whose tokens stand for which principal, and the keys of their issuers."""

import sqlalchemy as sa

from pratique.core.database import JsonText, Micros, TextC, metadata
from pratique.identity.oauth.tables import credential_key

federated_credentials = sa.Table(
    "credential_federations",
    metadata,
    credential_key(),
    sa.Column("issuer", TextC, nullable=False, comment="exactly the `iss` of the tokens"),
    sa.Column("subject", TextC, nullable=False),
    sa.Column("audience", TextC, nullable=False),
    sa.Column("matching", sa.String(16), nullable=False, comment="exact or wildcard"),
    sa.Column("keys", JsonText, comment="JWKS given by hand, for issuers that cannot be asked"),
)

issuer_keys = sa.Table(
    "issuer_keys",
    metadata,
    sa.Column("issuer", TextC, primary_key=True),
    sa.Column("keys", JsonText, nullable=False, comment="JWKS as the issuer gave it"),
    sa.Column("fetched_at", Micros, nullable=False),
    comment="Last known keys of issuers, so that workloads work while an issuer is away.",
)
