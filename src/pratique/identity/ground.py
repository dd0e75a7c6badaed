"""What every use case of identity stands on."""

from collections.abc import Callable
from dataclasses import dataclass

from pratique.core.audit import Audit
from pratique.core.clock import Clock
from pratique.core.database import Cursors, Database
from pratique.core.keys.types import KeyClient
from pratique.core.sealed import SealedColumns
from pratique.core.settings.schema import Identity as IdentitySettings
from pratique.identity.authorizer import RightsAuthorizer
from pratique.identity.growth import Growth
from pratique.identity.rights import RightsMemory


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
    growth: Growth
    enrolled: Callable[[], None]
    """Called when the offer of a first sign-in is over: somebody has set a password or passkey, or has a newer link."""
