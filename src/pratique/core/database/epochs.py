"""Counters that say whether something cached is still true, cheap to ask from every process."""

import threading
import time
import zlib

import sqlalchemy as sa

from pratique.core.database.database import Database
from pratique.core.database.prepared import inserts
from pratique.core.database.schema import epochs
from pratique.core.database.transaction import Transaction

_TOTALS = sa.select(epochs.c.name, sa.func.sum(epochs.c.value).label("total")).group_by(epochs.c.name)
MAX_STALENESS = 1.0
"""Seconds after which a value is read again even if no hint came."""


SHARDS = 64


def bump_epoch(tx: Transaction, name: str) -> None:
    """Make every cache that depends on `name` out of date once `tx` is committed.

    A counter is kept in parts, one per writer, so that transactions at the same time do not fail over it.
    """
    shard = zlib.crc32(tx.writer_id.encode()) % SHARDS
    tx.execute(_BUMP[tx.dialect], {"name": name, "shard": shard, "value": 1})
    tx.hint(f"epoch:{name}")


_BUMP = inserts(
    epochs,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["name", "shard"], set_={"value": epochs.c.value + insert.excluded.value}
    ),
)


class Epochs:
    """`current` is never older than a bump committed by this process, and at most a second older than anyone's.

    If the database cannot be read once the second is over, `current` raises: nothing is answered from stale rights.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._values: dict[str, int] = {}
        self._fresh_until = 0.0
        self._version = 0
        database.hints.listen("epoch:", self._invalidate)

    def current(self, name: str) -> int:
        """Return the counter `name`, 0 if it was never bumped. At most one indexed read; may be called on the loop."""
        if time.monotonic() >= self._fresh_until:
            self._read()
        return self._values.get(name, 0)

    def bump(self, tx: Transaction, name: str) -> None:
        """Make every cache that depends on `name` out of date once `tx` is committed."""
        bump_epoch(tx, name)

    def _invalidate(self, _topic: str) -> None:
        with self._lock:
            self._version += 1
            self._fresh_until = 0.0

    def _read(self) -> None:
        version, asked = self._version, time.monotonic()
        rows = self._database.read_here(lambda tx: tx.execute(_TOTALS).all())
        with self._lock:
            self._values = {row.name: int(row.total) for row in rows}
            if self._version == version:  # else a bump came while reading: ask again next time
                self._fresh_until = asked + MAX_STALENESS
