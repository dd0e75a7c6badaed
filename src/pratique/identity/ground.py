"""What every use case of identity stands on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pratique.core.clock import Clock
from pratique.core.database import Cursors, Database, Transaction
from pratique.core.keys.types import KeyClient
from pratique.core.permissions import Caller
from pratique.core.sealed import SealedColumns
from pratique.core.settings.schema import Identity as IdentitySettings
from pratique.identity.authorizer import RightsAuthorizer
from pratique.identity.rights import RightsMemory


class Audit(Protocol):
    """The part of the audit log that identity writes to."""

    def with_change(
        self, tx: Transaction, action: str, caller: Caller, target: str, detail: Mapping[str, Any] = ...
    ) -> None:
        """Record a change in the transaction that makes it."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The collaborators that services share."""

    database: Database
    keys: KeyClient
    clock: Clock
    settings: IdentitySettings
    audit: Audit
    cursors: Cursors
    sealed: SealedColumns
    memory: RightsMemory
    authorizer: RightsAuthorizer
