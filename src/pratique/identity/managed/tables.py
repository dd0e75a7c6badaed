"""Table of managed identities: who may get tokens for whom."""

import sqlalchemy as sa

from pratique.core.database import Id, metadata
from pratique.identity.oauth.tables import credential_key

holders = sa.Table(
    "managed_identity_holders",
    metadata,
    credential_key(),
    sa.Column("holder_id", Id, nullable=False, index=True, comment="principal of the agent, or the local operator"),
)
