"""SQLite: one writer thread per process that commits in groups, and read-only connections beside it (ADR 0102)."""

import asyncio
import fcntl
import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool

from pratique.core.clock import Clock
from pratique.core.database.database import Body, Database
from pratique.core.database.hints import Hints
from pratique.core.database.transaction import Transaction, Writer
from pratique.core.errors import Busy, Unavailable

T = TypeVar("T")
_LOG = logging.getLogger("pratique.database")

OLDEST = (3, 35, 0)
"""The first version that can return the rows it changes."""
GROUP_BODIES = 256
"""Most bodies in one commit."""
GROUP_SECONDS = 0.02
"""After this long no further body joins the group."""
QUEUE_BODIES = 4096
"""Most bodies that wait; the next caller is told to come back."""
BUSY_SECONDS = 5
"""How long a foreign lock (a shell, a backup) is waited for."""


HERE_MILLISECONDS = 250
"""The same for reads on the event loop's own thread."""


class _Work:
    """One body, its caller's future, and what came of it."""

    __slots__ = ("body", "error", "future", "hooks", "topics", "value")

    def __init__(self, body: Callable[[Transaction], Any]) -> None:
        self.body = body
        self.future: Future[Any] = Future()
        self.value: Any = None
        self.error: BaseException | None = None
        self.hooks: list[Callable[[], None]] = []
        self.topics: set[str] = set()

    def resolve(self) -> None:
        if self.error is None:
            self.future.set_result(self.value)
        else:
            self.future.set_exception(self.error)


class _Queue:
    """Bodies in the order in which they came; bounded."""

    def __init__(self) -> None:
        self._items: deque[_Work] = deque()
        self._ready = threading.Condition()
        self._closed = False

    def put(self, work: _Work) -> None:
        with self._ready:
            if self._closed:
                raise Unavailable("The database is closed.", remedy="Repeat the request: the service is restarting.")
            if len(self._items) >= QUEUE_BODIES:
                raise Busy("Too many changes are waiting.", remedy="Repeat the request in a second.")
            self._items.append(work)
            self._ready.notify()

    def take(self) -> _Work | None:
        """Wait for the next body; None once the queue is closed and empty."""
        with self._ready:
            while not self._items and not self._closed:
                self._ready.wait()
            return self._items.popleft() if self._items else None

    def take_now(self) -> _Work | None:
        with self._ready:
            return self._items.popleft() if self._items else None

    def close(self) -> None:
        with self._ready:
            self._closed = True
            self._ready.notify_all()


class _Turn:
    """Lets the writers of several processes take turns, without the sleeps of SQLite's own waiting.

    Whoever wants the lock first takes the turnstile, so a process that commits without pause cannot shut others out.
    """

    def __init__(self, database: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._files = [os.open(f"{database}-{name}", flags, 0o600) for name in ("turnstile", "writer")]

    @contextmanager
    def hold(self) -> Iterator[None]:
        turnstile, writer = self._files
        fcntl.flock(turnstile, fcntl.LOCK_EX)
        try:
            fcntl.flock(writer, fcntl.LOCK_EX)
        finally:
            fcntl.flock(turnstile, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(writer, fcntl.LOCK_UN)

    def close(self) -> None:
        for descriptor in self._files:
            os.close(descriptor)


class SqliteDatabase(Database):
    """Write-ahead log, `synchronous=FULL`: each commit is on the disk before its callers go on."""

    def __init__(self, path: Path, clock: Clock, hints: Hints, *, wait: float, readers: int) -> None:
        if sqlite3.sqlite_version_info < OLDEST:
            raise Unavailable(
                f"This Python's SQLite is {sqlite3.sqlite_version}; 3.35 or later is needed.",
                remedy="Use a Python with a newer SQLite, or set database.url to a PostgreSQL server.",
            )
        self.dialect = "sqlite"
        self.path = path
        self.clock = clock
        self.hints = hints
        self.wait = wait
        self._turn = _Turn(path)
        self._queue = _Queue()
        self._writer = Writer()
        self._here = threading.local()
        self._here_connections: list[sa.Connection] = []
        self._write_engine = sa.create_engine("sqlite://", creator=self._connect_writer, poolclass=NullPool)
        self._write_connection = self._write_engine.connect()
        self._driver = _driver(self._write_connection)
        self._read_engine = sa.create_engine(
            "sqlite://",
            creator=self._connect_reader,
            poolclass=QueuePool,
            pool_size=readers,
            max_overflow=0,
            pool_timeout=wait,
            pool_reset_on_return=None,
        )
        self._threads = ThreadPoolExecutor(readers, thread_name_prefix="read")
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def write(self, body: Body[T]) -> T:
        if threading.current_thread() is self._thread:
            raise RuntimeError("a body must use the transaction that it was given")
        future = self._submit(body)
        try:
            return cast("T", future.result(self.wait))
        except FutureTimeoutError:
            if future.cancel():
                raise _busy() from None
            return cast("T", future.result())

    async def write_async(self, body: Body[T]) -> T:
        future = self._submit(body)
        expired: list[bool] = []
        timer = asyncio.get_running_loop().call_later(self.wait, lambda: expired.append(future.cancel()))
        try:
            return cast("T", await asyncio.wrap_future(future))
        except asyncio.CancelledError:
            if any(expired):
                raise _busy() from None
            raise
        finally:
            timer.cancel()

    def read(self, body: Body[T]) -> T:
        with self._borrow_reader() as connection:
            driver = _driver(connection)
            driver.execute("BEGIN")
            try:
                return body(Transaction(connection, self.dialect, self._now))
            finally:
                connection.rollback()
                driver.rollback()

    async def read_async(self, body: Body[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.read, body)

    def read_here(self, body: Body[T]) -> T:
        connection: sa.Connection | None = getattr(self._here, "connection", None)
        if connection is None:
            connection = self._here.connection = self._open_here()
        try:
            return body(Transaction(connection, self.dialect, self._now))
        finally:
            connection.rollback()

    def copy_to(self, path: Path) -> None:
        source, target = self._connect_reader(), sqlite3.connect(path)
        try:
            source.backup(target)
        finally:
            target.close()
            source.close()

    def close(self) -> None:
        self._queue.close()
        self._thread.join()
        self._threads.shutdown()
        for connection in self._here_connections:
            connection.close()
        self._read_engine.dispose()
        self._write_connection.close()
        self._write_engine.dispose()
        self._turn.close()
        self.hints.close()

    def _borrow_reader(self) -> sa.Connection:
        try:
            return self._read_engine.connect()
        except sa.exc.TimeoutError as error:
            raise _busy() from error

    def _now(self, _connection: sa.Connection) -> int:
        return self.clock.now()

    def _submit(self, body: Callable[[Transaction], Any]) -> Future[Any]:
        work = _Work(body)
        self._queue.put(work)
        return work.future

    def _open_here(self) -> sa.Connection:
        engine = sa.create_engine("sqlite://", creator=self._connect_reader, poolclass=NullPool)
        connection = engine.connect()
        # The event loop must not stand still: readers wait for nobody but a recovery after a crash.
        connection.exec_driver_sql(f"PRAGMA busy_timeout={HERE_MILLISECONDS}").close()
        connection.rollback()
        self._here_connections.append(connection)
        return connection

    def _connect_writer(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = self._connect(f"file:{_quoted(self.path)}?mode=rwc")
        with self._turn.hold():
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA journal_size_limit={64 << 20}")
        self.path.chmod(0o600)
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        connection = self._connect(f"file:{_quoted(self.path)}?mode=ro")
        connection.execute("PRAGMA query_only=ON")
        return connection

    def _connect(self, uri: str) -> sqlite3.Connection:
        # isolation_level=None: BEGIN is written here, where its kind is known. The pool, not sqlite3, sees to it that
        # one thread at a time uses a connection.
        return sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=512
        )

    def _run(self) -> None:
        while (work := self._queue.take()) is not None:
            try:
                self._write_group(work)
            except BaseException:  # noqa: BLE001  the writer outlives every surprise; callers have been told
                _LOG.exception("the database writer met an error")

    def _write_group(self, first: _Work) -> None:
        with self._turn.hold():
            group = self._attempt_group(first)
        for work in group:
            work.resolve()

    def _attempt_group(self, first: _Work) -> list[_Work]:
        """Run bodies and commit; return them with their outcomes, after their hooks have run."""
        group: list[_Work] = []
        memory = dict(self._writer.memory)
        try:
            self._write_connection.begin()
            self._driver.execute("BEGIN IMMEDIATE")
            end = time.monotonic() + GROUP_SECONDS
            work: _Work | None = first
            while work is not None:
                if work.future.set_running_or_notify_cancel():
                    group.append(work)
                    memory = self._attempt(work, memory)
                open_ = len(group) < GROUP_BODIES and time.monotonic() < end
                work = self._queue.take_now() if open_ else None
            self._write_connection.commit()
        except Exception as error:  # noqa: BLE001  it goes to every caller
            self._abandon(first, group, error)
            return group
        self._writer.memory = memory
        self._notify(group)
        return group

    def _attempt(self, work: _Work, memory: dict[str, Any]) -> dict[str, Any]:
        """Run one body in a savepoint; return what the writer remembers if the group commits."""
        driver = self._driver
        driver.execute("SAVEPOINT body")
        tx = Transaction(self._write_connection, self.dialect, self._now, Writer(self._writer.id, memory))
        try:
            work.value = work.body(tx)
        except BaseException as error:  # noqa: BLE001  it goes to the caller
            work.error = _translated(error)
            # Some errors (disk full, input/output) make SQLite undo the whole transaction; then this raises too, and
            # the group fails as one.
            driver.execute("ROLLBACK TO body")
            driver.execute("RELEASE body")
            return memory
        driver.execute("RELEASE body")
        work.hooks, work.topics = tx.hooks, tx.topics
        return tx.memory

    def _abandon(self, first: _Work, group: list[_Work], error: Exception) -> None:
        """Undo the group, tell every caller, and begin a new line of transactions: the outcome is not certain."""
        _LOG.warning("a commit failed: %s", error)
        self._write_connection.rollback()
        self._driver.rollback()  # SQLAlchemy may take a transaction for ended whose commit failed
        self._writer = Writer()
        if not group and first.future.set_running_or_notify_cancel():
            group.append(first)
        for work in group:
            work.error = work.error or _translated(error)

    def _notify(self, group: list[_Work]) -> None:
        topics: set[str] = set()
        for work in group:
            topics |= work.topics
            for hook in work.hooks:
                try:
                    hook()
                except Exception:  # noqa: BLE001  what follows a commit cannot undo it
                    _LOG.exception("what was to follow a commit failed")
        self.hints.send(topics)


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    """Return the connection below SQLAlchemy's: BEGIN and SAVEPOINT cost 2 µs there, and 70 through SQLAlchemy."""
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _busy() -> Busy:
    return Busy("The database is busy.", remedy="Nothing was changed. Repeat the request in a moment.", retry_after=1.0)


def _translated(error: BaseException) -> BaseException:
    """Return what callers should see: SQLite's own words for a lock or a full disk tell them nothing to do."""
    if not isinstance(error, (sa.exc.OperationalError, sqlite3.OperationalError)):
        return error
    text = str(error.orig) if isinstance(error, sa.exc.OperationalError) else str(error)
    if "locked" in text or "busy" in text:
        translated: Unavailable = _busy()
    elif "full" in text:
        translated = Unavailable("The disk is full.", remedy="Nothing was changed. Free some space; then repeat.")
    elif "disk I/O" in text or "readonly" in text:
        translated = Unavailable(f"The database cannot write: {text}.", remedy="See `pratique doctor`.")
    else:
        return error
    translated.__cause__ = error
    return translated
