"""What the registry wants from its surroundings, as small protocols."""

from collections.abc import Mapping
from typing import Any, Protocol

from pratique.core.database import Transaction
from pratique.core.permissions import Caller


class AuditTrail(Protocol):
    """The two classes of audit that the registry writes; `core.audit.Audit` is one."""

    def with_change(
        self, tx: Transaction, action: str, caller: Caller, target: str, detail: Mapping[str, Any] = ...
    ) -> None:
        """Write a record in the transaction of the change."""

    def count(self, action: str, caller: Caller, target: str) -> None:
        """Count a read; written per principal, object and minute."""
