"""When each right was last used, for reviews: noted in memory by the hour, written in pieces by a thread of its own.

A note costs one look into a dictionary. What a process has noted and not yet written is lost with it: at most a
minute of uses, so a right can seem a minute less used than it is, never more.
"""

import threading

import sqlalchemy as sa

from pratique.core.clock import HOUR
from pratique.core.database import Database, Transaction
from pratique.core.permissions import ANONYMOUS, OPERATOR, SYSTEM, Permission, Scope
from pratique.core.telemetry import logger
from pratique.identity.access_tables import uses
from pratique.identity.tables import principals

_MOST = 100_000
"""Different uses that are remembered as written; beyond that they are forgotten and may be written once more."""
_BATCH = 200
_EVERY = 60.0
_BUILT_IN = frozenset({ANONYMOUS.principal_id, OPERATOR.principal_id, SYSTEM.principal_id})

_Key = tuple[str, Permission, Scope]

log = logger("pratique.identity")


class Uses:
    """Collects on any thread, the event loop too; `flush` writes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[_Key, int] = {}
        self._pending: dict[_Key, int] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def note(self, principal_id: str, permission: Permission, scope: Scope, now: int) -> None:
        """Remember a use; a few hundred nanoseconds when it was noted within the hour."""
        key = (principal_id, permission, scope)
        if self._known.get(key, -HOUR) + HOUR > now or principal_id in _BUILT_IN:
            return
        with self._lock:
            if len(self._known) >= _MOST:
                self._known = {}
            self._known[key] = now
            self._pending[key] = now
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._keep_flushing, name="uses", daemon=True)
                self._thread.start()

    def flush(self) -> int:
        """Write what was noted; returns how much. What could not be written is kept."""
        with self._lock:
            taken, self._pending = list(self._pending.items()), {}
        done = 0
        try:
            while done < len(taken):
                some = taken[done : done + _BATCH]
                self._database.write(lambda tx, some=some: _store(tx, some))  # type: ignore[misc]
                done += len(some)
        finally:
            if done < len(taken):
                with self._lock:
                    self._pending = dict(taken[done:]) | self._pending
        return done

    def close(self) -> None:
        """Write the rest and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)
            self._try_flush()

    def _keep_flushing(self) -> None:
        while not self._stop.wait(_EVERY):
            self._try_flush()

    def _try_flush(self) -> None:
        try:
            self.flush()
        except Exception:  # noqa: BLE001  the next minute tries again; nobody's request depends on it
            log.warning("uses of rights could not be written")


def _store(tx: Transaction, some: list[tuple[_Key, int]]) -> None:
    ids = sorted({key[0] for key, _ in some})
    # A principal may have been deleted since; its uses went with it.
    there = set(tx.execute(sa.select(principals.c.id).where(principals.c.id.in_(ids))).scalars())
    rows = [
        {"principal_id": who, "permission": permission.value, "scope": str(scope), "last_at": at}
        for (who, permission, scope), at in some
        if who in there
    ]
    if not rows:
        return
    insert = tx.insert(uses)
    latest = insert.on_conflict_do_update(
        index_elements=["principal_id", "permission", "scope"], set_={"last_at": insert.excluded.last_at}
    )
    tx.execute(latest, rows)
