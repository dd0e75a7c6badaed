"""Providers that people sign in through, who they are there, and what a provider's groups mean here."""

import sqlalchemy as sa

from pratique.core.database import Id, JsonText, Micros, TextC, metadata

providers = sa.Table(
    "sign_in_providers",
    metadata,
    sa.Column("id", TextC, primary_key=True, comment="short name, part of the address that the provider calls back"),
    sa.Column("title", sa.Text, nullable=False, comment="what the button says"),
    sa.Column("issuer", TextC, nullable=False),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("client_secret", sa.LargeBinary, comment="sealed; none for a public client"),
    sa.Column("scopes", JsonText, nullable=False),
    sa.Column("group_claim", sa.Text, nullable=False),
    sa.Column("allowed_domains", JsonText, nullable=False, comment="domains of verified addresses that may enter"),
    sa.Column("allowed_groups", JsonText, nullable=False, comment="values of the group claim that may enter"),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("created_by", Id, nullable=False),
)

provider_groups = sa.Table(
    "sign_in_provider_groups",
    metadata,
    sa.Column("provider_id", TextC, sa.ForeignKey("sign_in_providers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("value", TextC, primary_key=True, comment="value of the group claim"),
    sa.Column("group_id", Id, sa.ForeignKey("principals.id", ondelete="CASCADE"), primary_key=True, index=True),
)

external_identities = sa.Table(
    "external_identities",
    metadata,
    sa.Column("provider_id", TextC, sa.ForeignKey("sign_in_providers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("subject", TextC, primary_key=True, comment="the provider's own, lasting name of the person"),
    sa.Column("principal_id", Id, sa.ForeignKey("principals.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("linked", sa.Boolean, nullable=False, comment="an administrator said so; such a person may always come"),
    sa.Column("created_at", Micros, nullable=False),
    sa.Column("seen_at", Micros),
)
