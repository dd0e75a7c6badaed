"""When each manifest was last asked for: noted in memory, written about once a minute, never once per pull.

A process that is killed loses what it noted since it last wrote: about a minute. Retention counts in days, so what is
lost matters only to what nobody had asked for in all that time before.
"""

import contextlib
import threading

import sqlalchemy as sa

from pratique.core.clock import MINUTE, SECOND
from pratique.core.database import Database, Transaction
from pratique.core.errors import PratiqueError
from pratique.registry.retention.tables import manifest_pulls
from pratique.registry.tables import manifests

_BATCH = 500
_MOST = 200_000
_row = manifest_pulls.c


class LastPulled:
    """Notes GET and HEAD of manifests; any thread, the event loop too."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._noted: dict[int, int] = {}
        self._something = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, manifest_id: int) -> None:
        """Remember that somebody asked for a manifest now; beyond 200,000 in one minute, further ones are not noted."""
        with self._lock:
            if len(self._noted) >= _MOST:
                return
            self._noted[manifest_id] = self._database.clock.now()
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._keep_flushing, name="last pulled", daemon=True)
                self._thread.start()
        self._something.set()

    def flush(self) -> int:
        """Write what is noted; return how many. What could not be written is kept for the next time."""
        with self._lock:
            taken, self._noted = self._noted, {}
        # In one order in every process, so that two of them never wait for each other.
        items = sorted(taken.items())
        written = 0
        try:
            while written < len(items):
                part = items[written : written + _BATCH]
                self._database.write(lambda tx, part=part: _store(tx, part))  # type: ignore[misc]
                written += len(part)
        finally:
            with self._lock:
                self._noted = dict(items[written:]) | self._noted
        return written

    def close(self) -> None:
        """Write what is noted, and end."""
        self._stop.set()
        self._something.set()
        if self._thread is not None:
            self._thread.join()
        with contextlib.suppress(PratiqueError):
            self.flush()

    def _keep_flushing(self) -> None:
        while not self._stop.is_set():
            self._something.wait()
            self._something.clear()
            if self._stop.wait(MINUTE / SECOND):
                return
            try:
                self.flush()
            except PratiqueError:
                self._something.set()


def _store(tx: Transaction, items: list[tuple[int, int]]) -> None:
    """Keep the later instant; a manifest that is gone meanwhile is left out."""
    ids = [manifest_id for manifest_id, _ in items]
    there = set(tx.execute(sa.select(manifests.c.id).where(manifests.c.id.in_(ids))).scalars())
    rows = [{"manifest_id": number, "pulled_at": at} for number, at in items if number in there]
    if not rows:
        return
    new = tx.insert(manifest_pulls).values(rows)
    later = new.excluded.pulled_at > _row.pulled_at
    changed = {"pulled_at": new.excluded.pulled_at}
    tx.execute(new.on_conflict_do_update(index_elements=["manifest_id"], set_=changed, where=later))
