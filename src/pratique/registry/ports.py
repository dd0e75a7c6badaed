"""What the registry wants from its surroundings, as small protocols."""

from collections.abc import Mapping
from typing import Any, Protocol

from pratique.core.database import Transaction
from pratique.core.permissions import Caller
from pratique.registry.types import Reference, RepositoryName


class AuditTrail(Protocol):
    """The two classes of audit that the registry writes; `core.audit.Audit` is one."""

    def with_change(
        self, tx: Transaction, action: str, caller: Caller, target: str, detail: Mapping[str, Any] = ...
    ) -> None:
        """Write a record in the transaction of the change."""

    def count(self, action: str, caller: Caller, target: str) -> None:
        """Count a read; written per principal, object and minute."""


class Upstream(Protocol):
    """Other registries that fill repositories here; `upstream.cache.PullThrough` is one."""

    def covers(self, name: RepositoryName) -> bool:
        """Whether another registry fills this repository; from memory."""

    async def refresh(self, caller: Caller, name: RepositoryName, reference: Reference, within: float) -> str:
        """Return when the reference is as fresh as its rule wants; the text is a warning for the client, or ''."""
