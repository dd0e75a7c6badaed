"""The audit log, in its three classes (ADR 0104)."""

import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pratique.core.audit.chain import append, entry_of
from pratique.core.audit.counts import Count, Counts
from pratique.core.audit.sink import Sink
from pratique.core.audit.tables import audit_entries
from pratique.core.audit.types import Entry, EntryClass, Principal
from pratique.core.clock import MINUTE, SECOND
from pratique.core.database.database import Database
from pratique.core.database.transaction import Transaction
from pratique.core.errors import PratiqueError

_LOG = logging.getLogger("pratique.audit")
BATCH = 200
"""Counts in one transaction."""
NOTHING: Mapping[str, Any] = {}


class Audit:
    """Says who did what to what.

    - `before_answer` returns once the entry is on the disk, or raises; then the answer must not be given.
    - `with_change` stores the entry exactly if the change is stored.
    - `count` costs about a microsecond; a crash loses at most the current minute's counts and those just being written.
    - Callers whom nobody knows add at most a fixed number of rows a minute.
    """

    def __init__(self, database: Database, *, sink: Path | None = None) -> None:
        self._database = database
        self.sink = Sink(sink) if sink else None
        self._counts = Counts()
        self._lock = threading.Lock()
        self._counted = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def with_change(
        self, tx: Transaction, action: str, caller: Principal, target: str, detail: Mapping[str, Any] = NOTHING
    ) -> None:
        """Add an entry to `tx`."""
        self._follow(tx, [append(tx, EntryClass.CHANGE, action, caller, target, detail=detail)])

    def before_answer(self, action: str, caller: Principal, target: str, detail: Mapping[str, Any] = NOTHING) -> None:
        """Store an entry, and return when it would survive a power cut."""
        self._database.write(lambda tx: self._before(tx, action, caller, target, detail))

    async def before_answer_async(
        self, action: str, caller: Principal, target: str, detail: Mapping[str, Any] = NOTHING
    ) -> None:
        """`before_answer` without holding the event loop."""
        await self._database.write_async(lambda tx: self._before(tx, action, caller, target, detail))

    def count(self, action: str, caller: Principal, target: str, amount: int = 1) -> None:
        """Count something; any thread, the event loop too."""
        with self._lock:
            self._counts.add(self._database.clock.now(), action, caller, target[:512], amount)
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._keep_flushing, name="audit", daemon=True)
                self._thread.start()
        self._counted.set()

    def flush(self, *, everything: bool = False) -> int:
        """Write the counts of minutes that are over (or all); returns how many. Those not written are kept."""
        now = self._database.clock.now()
        with self._lock:
            taken = list(self._counts.take(now + MINUTE if everything else now))
        written = 0
        try:
            while written < len(taken):
                some = taken[written : written + BATCH]
                self._database.write(lambda tx, some=some: self._append_counts(tx, some))  # type: ignore[misc]
                written += len(some)
        finally:
            self._put_back(taken[written:])
        return written

    def warnings(self) -> list[str]:
        """Return what an operator should know before the log can no longer be written."""
        return self.sink.warnings() if self.sink else []

    def close(self) -> None:
        """Write what was counted, and end."""
        self._stop.set()
        self._counted.set()
        if self._thread is not None:
            self._thread.join()
        with contextlib.suppress(PratiqueError):
            self.flush(everything=True)
        if self.sink:
            self.sink.close()

    def _before(self, tx: Transaction, action: str, caller: Principal, target: str, detail: Mapping[str, Any]) -> None:
        self._follow(tx, [append(tx, EntryClass.BEFORE, action, caller, target, detail=detail)])

    def _append_counts(self, tx: Transaction, counts: Sequence[Count]) -> None:
        rows = [
            append(
                tx, EntryClass.COUNT, one.action, one.principal, one.target, detail=NOTHING, count=one.count,
                at=one.minute * MINUTE,
            )
            for one in counts
        ]  # fmt: skip
        self._follow(tx, rows)

    def _follow(self, tx: Transaction, rows: list[dict[str, Any]]) -> None:
        if self.sink is not None:
            tx.after_commit(lambda: self._copy(rows))

    def _copy(self, rows: list[dict[str, Any]]) -> None:
        if self.sink is not None and not self.sink.append(rows):
            _LOG.error("the audit file cannot be written: %s", self.sink.failure)

    def _put_back(self, counts: Sequence[Count]) -> None:
        with self._lock:
            for one in counts:
                self._counts.add(one.minute * MINUTE, one.action, one.principal, one.target, one.count)

    def _keep_flushing(self) -> None:
        """Write each minute when it is over; sleep while nothing is counted."""
        while not self._stop.is_set():
            self._counted.wait()
            self._counted.clear()
            rest = MINUTE - self._database.clock.now() % MINUTE
            if self._stop.wait(rest / SECOND + 0.1):
                return
            try:
                self.flush()
            except PratiqueError as error:
                _LOG.warning("counts could not be written yet: %s", error)
                self._counted.set()
            if len(self._counts):
                self._counted.set()


def entries(
    tx: Transaction,
    *,
    principal_id: str = "",
    action: str = "",
    target: str = "",
    before: tuple[int, str, int] | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Return entries, newest first, before the position (at, writer, seq); `action` and `target` also as 'prefix*'."""
    column = audit_entries.c
    query = sa.select(audit_entries).order_by(column.at.desc(), column.writer.desc(), column.seq.desc()).limit(limit)
    if principal_id:
        query = query.where(column.principal_id == principal_id)
    for name, wanted in (("action", action), ("target", target)):
        if wanted.endswith("*"):
            query = query.where(column[name].startswith(wanted[:-1], autoescape=True))
        elif wanted:
            query = query.where(column[name] == wanted)
    if before is not None:
        query = query.where(sa.tuple_(column.at, column.writer, column.seq) < sa.tuple_(*before))
    return [entry_of(row) for row in tx.execute(query)]
