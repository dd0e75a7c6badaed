"""What a unit of work may do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from pratique.core.ids import new_id

DialectName = Literal["sqlite", "postgresql"]
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class Writer:
    """One line of committed transactions: whatever its `memory` says is in the database, in that order.

    Each process has one on SQLite and one per connection on PostgreSQL, so nothing else comes between two of its
    transactions. The audit chain keeps its head here. After a commit of unknown outcome a new writer begins.
    """

    id: str = field(default_factory=new_id)
    memory: dict[str, Any] = field(default_factory=dict)


class Transaction:
    """Everything done through it becomes visible at once, or not at all.

    A body that gets a transaction must be idempotent: on PostgreSQL it runs again after a serialisation failure.
    """

    def __init__(
        self,
        connection: sa.Connection,
        dialect: DialectName,
        now: Callable[[sa.Connection], int],
        writer: Writer | None = None,
    ) -> None:
        self.connection = connection
        self.dialect: DialectName = dialect
        self.writer_id = writer.id if writer else ""
        self.memory = dict(writer.memory) if writer else {}
        """What the writer remembers from one committed transaction to the next; values are immutable."""
        self.hooks: list[Callable[[], None]] = []
        self.topics: set[str] = set()
        self._read_now = now
        self._now: int | None = None

    @property
    def now(self) -> int:
        """The instant of this transaction in microseconds, by the database's clock; the same whenever it is asked."""
        if self._now is None:
            self._now = self._read_now(self.connection)
        return self._now

    def execute(self, statement: sa.Executable, parameters: Parameters | None = None) -> sa.CursorResult[Any]:
        return cast("sa.CursorResult[Any]", self.connection.execute(statement, parameters))

    def insert(self, table: sa.Table) -> sqlite.Insert:
        """Return an INSERT with `on_conflict_do_update` and `on_conflict_do_nothing` of the engine in use."""
        if self.dialect == "sqlite":
            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql

        return cast("sqlite.Insert", postgresql.insert(table))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what was done inside if it raises; the transaction goes on (needed to catch IntegrityError)."""
        memory, hooks, topics = dict(self.memory), list(self.hooks), set(self.topics)
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            self.memory, self.hooks, self.topics = memory, hooks, topics
            raise

    def after_commit(self, hint: Callable[[], None]) -> None:
        """Run `hint` after the commit, on the committing thread: quick, and never required for correctness."""
        self.hooks.append(hint)

    def hint(self, topic: str) -> None:
        """Tell listeners of `topic` in all processes after the commit; may be lost, so listeners also poll."""
        self.topics.add(topic)
