"""PostgreSQL through psycopg 3: SERIALIZABLE, with retry and back-off (ADR 0102)."""

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from pratique.core.clock import Clock, SystemClock
from pratique.core.database.database import Body, Database
from pratique.core.database.notify import NotifyHints
from pratique.core.database.transaction import Transaction, Writer
from pratique.core.errors import Busy, Unavailable

T = TypeVar("T")
_LOG = logging.getLogger("pratique.database")
logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of each failed batch, which is repeated here
_RETRY = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.25
WAITING = 2048
"""Most calls that wait for a thread; the next caller is told to come back."""


class PostgresDatabase(Database):
    """Bodies run SERIALIZABLE and are repeated until they commit or `wait` is over."""

    def __init__(self, url: sa.URL, clock: Clock, *, wait: float, connections: int) -> None:
        self.dialect = "postgresql"
        self.clock = clock
        self.wait = wait
        self._url = url.set(drivername="postgresql+psycopg")
        self._here = threading.local()
        self._here_connections: list[sa.Connection] = []
        self._engine = sa.create_engine(
            self._url,
            isolation_level="SERIALIZABLE",
            pool_size=connections,
            max_overflow=2,
            pool_timeout=wait,
            connect_args={"options": _SESSION},
        )
        self._read_engine = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._here_engine = sa.create_engine(
            self._url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool, connect_args={"options": _HERE}
        )
        self._second_attempts = threading.Lock()
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="database")
        self._waiting = 0
        self.hints = NotifyHints(self._url)

    def write(self, body: Body[T]) -> T:
        return self._retry(lambda: self._write_once(body, "SERIALIZABLE"))

    def write_relaxed(self, body: Body[T]) -> T:
        return self._retry(lambda: self._write_once(body, "READ COMMITTED"))

    def read(self, body: Body[T]) -> T:
        return self._retry(lambda: self._read_once(body))

    async def write_async(self, body: Body[T]) -> T:
        return await self._in_thread(lambda: self.write(body))

    async def read_async(self, body: Body[T]) -> T:
        return await self._in_thread(lambda: self.read(body))

    def read_here(self, body: Body[T]) -> T:
        connection: sa.Connection | None = getattr(self._here, "connection", None)
        if connection is None or connection.invalidated:
            connection = self._here.connection = self._here_engine.connect()
            self._here_connections.append(connection)
        try:
            return body(Transaction(connection, self.dialect, self._now))
        finally:
            connection.rollback()

    def copy_to(self, path: Path) -> None:
        raise Unavailable(
            f"PostgreSQL does not copy itself to {path}.", remedy="Use pg_dump, or your provider's snapshots."
        )

    def close(self) -> None:
        self._threads.shutdown()
        for connection in self._here_connections:
            connection.close()
        self._engine.dispose()
        self._here_engine.dispose()
        self.hints.close()

    def _now(self, connection: sa.Connection) -> int:
        if not isinstance(self.clock, SystemClock):
            return self.clock.now()
        value: int = connection.scalar(_NOW)
        return value

    def _write_once(self, body: Body[T], isolation: Any) -> T:
        with self._engine.connect() as connection:
            if isolation != "SERIALIZABLE":
                connection = connection.execution_options(isolation_level=isolation)  # noqa: PLW2901
            remembered = connection.info
            writer: Writer = remembered.setdefault("writer", Writer())
            tx = Transaction(connection, self.dialect, self._now, writer)
            value = body(tx)
            try:
                connection.commit()
            except sa.exc.DBAPIError as error:
                if not _refused(error):
                    remembered.pop("writer", None)  # whoever writes next begins a new line of transactions
                    raise _unknown() from error
                raise
            writer.memory = tx.memory
        self._notify(tx)
        return value

    def _read_once(self, body: Body[T]) -> T:
        with self._read_engine.connect() as connection:
            return body(Transaction(connection, self.dialect, self._now))

    def _retry(self, attempt: Callable[[], T]) -> T:
        end, pause = time.monotonic() + self.wait, _FIRST_PAUSE
        alone: AbstractContextManager[object] = nullcontext()
        while True:
            try:
                with alone:
                    return attempt()
            except sa.exc.TimeoutError as error:
                raise _busy() from error
            except sa.exc.DBAPIError as error:
                # A connection lost before the commit has changed nothing: another one may be better.
                if not _refused(error) and not error.connection_invalidated:
                    raise _translated(error) from error
                if error.connection_invalidated and time.monotonic() + pause > end:
                    raise _translated(error) from error
                if time.monotonic() + pause > end:
                    raise _busy() from error
            alone = self._second_attempts  # those that failed do not fail each other again
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  spreads retries, guards nothing
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        if self._waiting >= WAITING:
            raise _busy()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        finally:
            self._waiting -= 1

    def _notify(self, tx: Transaction) -> None:
        for hook in tx.hooks:
            try:
                hook()
            except Exception:  # noqa: BLE001  what follows a commit cannot undo it
                _LOG.exception("what was to follow a commit failed")
        self.hints.send(tx.topics)


_NOW = sa.text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
# A sequential scan of a small table locks all of it against serialisable writers; an index locks what was looked at.
# Where there is no index the plan then counts as endlessly dear, and PostgreSQL would spend 100 ms on compiling it.
_SESSION = "-c enable_seqscan=off -c jit=off"
_HERE = "-c default_transaction_read_only=on -c statement_timeout=2000 -c jit=off"


def _busy() -> Busy:
    return Busy("The database is busy.", remedy="Nothing was changed. Repeat the request in a moment.", retry_after=1.0)


def _refused(error: sa.exc.DBAPIError) -> bool:
    """Whether PostgreSQL undid the transaction and asks for it to be repeated."""
    return getattr(error.orig, "sqlstate", None) in _RETRY


def _unknown() -> Unavailable:
    return Unavailable(
        "The connection to the database was lost while a change was being committed; it may have been stored.",
        remedy="Look whether it is there before you repeat it.",
    )


def _translated(error: sa.exc.DBAPIError) -> Exception:
    if isinstance(error, sa.exc.OperationalError) or error.connection_invalidated:
        return Unavailable("The database does not answer.", remedy="See `pratique doctor` and PostgreSQL's own log.")
    return error
