"""When credentials were last used, for reviews: written at most once an hour each, so that no request waits."""

import sqlalchemy as sa

from pratique.core.clock import HOUR, Clock
from pratique.core.database import Database, Transaction
from pratique.identity.tables import credentials

_MAX = 20_000


class CredentialUses:
    """Notes uses of credentials."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._noted: dict[str, int] = {}

    async def note(self, credential_id: str) -> None:
        """Remember that a credential is in use now."""
        now = self._clock.now()
        if credential_id in ("", "anonymous") or self._noted.get(credential_id, 0) + HOUR > now:
            return
        if len(self._noted) > _MAX:
            self._noted.clear()
        self._noted[credential_id] = now

        def write(tx: Transaction) -> None:
            tx.execute(sa.update(credentials).where(credentials.c.id == credential_id).values(last_used_at=tx.now))

        await self._database.write_async(write)
