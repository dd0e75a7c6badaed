"""One synchronous unit of work on two engines (ADR 0102)."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from pratique.core.clock import Clock, SystemClock
from pratique.core.database.hints import Hints
from pratique.core.database.transaction import DialectName, Transaction
from pratique.core.errors import Invalid

T = TypeVar("T")
Item = TypeVar("Item")
Body = Callable[[Transaction], T]

PIECE = 0.05
"""Seconds that one transaction of bulk work may take."""
AIM = 0.02
"""Seconds that a transaction of `in_batches` is to take: some batches are dearer than the one before them."""


class Database(ABC):
    """Records, with one way to change them and one way to look at them.

    - What `write` returned has been committed and survives a power cut.
    - A body that raises has changed nothing, and the error reaches the caller.
    - A write that cannot start within `wait` seconds raises Busy and has changed nothing.
    - A read sees one consistent state and cannot write.
    """

    dialect: DialectName
    clock: Clock
    hints: Hints
    wait: float

    @abstractmethod
    def write(self, body: Body[T]) -> T:
        """Run `body` in a transaction and return its value once that is durable. `body` must be idempotent."""

    def write_relaxed(self, body: Body[T]) -> T:
        """`write` for bodies that lock every row they depend on: PostgreSQL runs them READ COMMITTED."""
        return self.write(body)

    @abstractmethod
    def read(self, body: Body[T]) -> T:
        """Run `body` on a consistent, read-only snapshot."""

    @abstractmethod
    async def write_async(self, body: Body[T]) -> T:
        """`write` without holding the event loop. A cancelled caller's body either has not run or is committed."""

    @abstractmethod
    async def read_async(self, body: Body[T]) -> T:
        """`read` without holding the event loop: one thread hop."""

    @abstractmethod
    def read_here(self, body: Body[T]) -> T:
        """Run one indexed statement on the calling thread, which may be the event loop's; no snapshot beyond it."""

    @abstractmethod
    def close(self) -> None:
        """End writes in progress, refuse new ones and release every connection, thread and socket."""

    @abstractmethod
    def copy_to(self, path: Path) -> None:
        """Write a consistent copy of the whole database to the new file `path` (SQLite only)."""

    def in_pieces(self, items: Iterable[Item], body: Callable[[Transaction, Item], None]) -> int:
        """Run `body` for each item, in transactions of about 50 ms; return how many items. Others write in between.

        What was committed stays when a later item raises, so `body` and the choice of items must allow to start over.
        """
        source = iter(items)
        done = 0
        pending = list(_take(source, 1))
        while pending:
            finished, rest = self.write(lambda tx, batch=pending: _piece(tx, batch, body))  # type: ignore[misc]
            done += finished
            pending = rest or list(_take(source, max(finished * 2, 1)))
        return done

    def in_batches(
        self, items: Sequence[Item], body: Callable[[Transaction, Sequence[Item]], None], *, first: int = 20
    ) -> int:
        """`in_pieces` for bodies that do many items at once for less: batches grow and shrink to take about 20 ms."""
        done, size = 0, first
        while done < len(items):
            batch = items[done : done + size]
            seconds = self.write(lambda tx, batch=batch: _timed(tx, batch, body))  # type: ignore[misc]
            done += len(batch)
            size = max(1, size // 2, min(size * 2, round(len(batch) * AIM / max(seconds, 1e-6))))
        return done


def _timed(tx: Transaction, batch: Sequence[Item], body: Callable[[Transaction, Sequence[Item]], None]) -> float:
    begun = time.monotonic()
    body(tx, batch)
    return time.monotonic() - begun


def _take(source: Iterable[Item], count: int) -> Iterable[Item]:
    for _, item in zip(range(count), source, strict=False):
        yield item


def _piece(tx: Transaction, batch: list[Item], body: Callable[[Transaction, Item], None]) -> tuple[int, list[Item]]:
    begun = time.monotonic()
    end, longest = begun + PIECE, 0.0
    for index, item in enumerate(batch):
        body(tx, item)
        now = time.monotonic()
        longest, begun = max(longest, now - begun), now
        if now + longest >= end:
            return index + 1, batch[index + 1 :]
    return len(batch), []


def open_database(
    url: str,
    *,
    clock: Clock | None = None,
    hints_directory: Path | None = None,
    wait: float = 10.0,
    readers: int = 8,
) -> Database:
    """Open 'sqlite:////absolute/path.db' or 'postgresql://…'; `wait` bounds the wait to start a write, in seconds."""
    parsed = make_url(url)
    chosen = clock or SystemClock()
    if parsed.get_backend_name() == "sqlite":
        from pratique.core.database.sqlite import SqliteDatabase

        return SqliteDatabase(_sqlite_path(parsed), chosen, Hints(hints_directory), wait=wait, readers=readers)
    if parsed.get_backend_name() == "postgresql":
        from pratique.core.database.postgresql import PostgresDatabase

        return PostgresDatabase(parsed, chosen, wait=wait, connections=readers)
    raise Invalid(
        f"{parsed.get_backend_name()} is not a database that can be used.",
        remedy="Set database.url to sqlite:////path/to/file.db or postgresql://user@host/name.",
    )


def _sqlite_path(url: sa.URL) -> Path:
    path = Path(url.database or "")
    if not path.is_absolute():
        raise Invalid("The path of the SQLite database is not absolute.", remedy="Write sqlite:////path/to/file.db.")
    return path


def create_schema(database: Database) -> None:
    """Create every table that is registered and missing. For tests and throw-away databases: others are migrated."""
    from pratique.core.database.schema import metadata

    database.write(lambda tx: metadata.create_all(tx.connection))
