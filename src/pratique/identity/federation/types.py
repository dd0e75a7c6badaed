"""Values of federation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pratique.identity.federation.subjects import Matching
from pratique.identity.types import Credential

AUDIENCE = "api://AzureADTokenExchange"
"""What Azure's workload identity puts into its tokens unless told otherwise."""


@dataclass(frozen=True, slots=True)
class FederatedCredential:
    """Tokens of this issuer with this subject and audience prove the principal."""

    credential: Credential
    issuer: str
    subject: str
    audience: str
    matching: Matching = "exact"
    keys: Sequence[Mapping[str, Any]] | None = None
    """Public keys given by hand; none: the issuer is asked."""
