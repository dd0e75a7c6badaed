"""The event log: written in the transaction of what happened, given positions after its commit, kept for days.

- An event is in the log exactly if what it tells of was committed.
- Positions grow without holes in the order in which they become visible: whoever read up to N has seen all up to N.
- Events of one subject stand in the order in which they happened.

Rows get their number while several transactions are open, so numbers become visible out of order; a reader that went
by them would miss some. Hence a sequencer: whoever holds the row of the head gives the next positions to committed
rows, in the order of their numbers. Any process may do it; the row's lock lets one at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import SECOND
from pratique.core.cloudevents.tables import event_heads, outward_events
from pratique.core.cloudevents.types import Filter, LoggedEvent, OutwardType, PositionGone
from pratique.core.database import Database, Transaction
from pratique.core.events import Event, EventBus
from pratique.core.ids import new_id
from pratique.core.jobs import JobContext, JobHandlers
from pratique.core.permissions import Extent, NamePattern, Scope

TOPIC = "outward"
"""Hint: there are events without a position."""
PURGE = "events.purge"
_NAME = "events"
_BATCH = 500
_LOOKED_AT = 2000
"""Most rows that one question reads, however few fit its filter."""

_INSERT = sa.insert(outward_events)
_UNPLACED = (
    sa.select(outward_events.c.number)
    .where(sa.text("position IS NULL"))
    .order_by(outward_events.c.number)
    .limit(_BATCH)
)
_PLACE = (
    sa.update(outward_events).where(outward_events.c.number == sa.bindparam("of")).values(position=sa.bindparam("at_"))
)
_row = outward_events.c
_COLUMNS = (_row.position, _row.id, _row.type, _row.subject, _row.scope, _row.at, _row.data)


@dataclass(frozen=True, slots=True)
class Head:
    """Where the log begins and ends: positions `forgotten` + 1 to `last` can be read."""

    last: int = 0
    forgotten: int = 0


class EventLog:
    """Keeps the events of the types that were declared; see the invariants above."""

    def __init__(self, types: Sequence[OutwardType]) -> None:
        self.types: Mapping[str, OutwardType] = {each.name: each for each in types}

    def attach(self, bus: EventBus) -> None:
        """Record every event of the declared types that is published, in its own transaction."""
        for name in self.types:
            bus.collect(name, self.record)

    def record(self, tx: Transaction, events: Sequence[Event]) -> None:
        """Add events; only the declared fields of their data are kept."""
        tx.execute(_INSERT, [self._values(tx, event) for event in events])
        tx.hint(TOPIC)

    def place(self, database: Database) -> int:
        """Give positions to what was committed; returns how many got one. Any process, any thread, at any time."""
        if not database.read(lambda tx: tx.execute(_UNPLACED.limit(1)).first()):
            return 0
        placed = 0
        while done := database.write_relaxed(_place):
            placed += done
        return placed

    def head(self, tx: Transaction) -> Head:
        row = tx.execute(sa.select(event_heads.c.last, event_heads.c.forgotten)).one_or_none()
        return Head(row.last, row.forgotten) if row else Head()

    def read(self, tx: Transaction, after: int, wanted: Filter, *, limit: int = 100) -> tuple[list[LoggedEvent], int]:
        """Return events after a position, and the position up to which everything that fits was returned.

        Raises PositionGone when events in between are no longer kept.
        """
        head = self.head(tx)
        if after and after < head.forgotten:
            raise PositionGone(
                f"Events up to position {head.forgotten} are no longer kept.",
                remedy="Read what there is now by other means, then go on after the position that is given.",
                position=head.forgotten,
            )
        start = after or head.forgotten
        end = min(head.last, start + _LOOKED_AT)
        query = sa.select(*_COLUMNS).where(_row.position > start, _row.position <= end, _seen(wanted))
        found: list[LoggedEvent] = []
        for row in tx.execute(query.order_by(_row.position)):
            event = LoggedEvent(*tuple(row))
            if wanted.takes(event):
                found.append(event)
                if len(found) == limit:
                    return found, event.position
        return found, max(start, end)

    def forget(self, tx: Transaction, before: int, limit: int = 1000) -> int:
        """Remove up to `limit` events older than an instant; returns how many."""
        old = sa.select(_row.position).where(_row.position.is_not(None), _row.at < before)
        positions = tx.execute(old.order_by(_row.position).limit(limit)).scalars().all()
        if positions:
            tx.execute(sa.delete(outward_events).where(_row.position <= positions[-1]))
            tx.execute(sa.update(event_heads).values(forgotten=positions[-1]))
        return len(positions)

    def register(self, handlers: JobHandlers, *, keep: float) -> None:
        """Forget what is older than `keep` seconds, every hour."""

        def run(context: JobContext) -> None:
            before = context.database.clock.now() - round(keep * SECOND)
            while context.database.write(lambda tx: self.forget(tx, before)):
                context.raise_if_cancelled()

        handlers.register(PURGE, run, concurrency=1)
        handlers.schedule(PURGE, 3600.0)

    def _values(self, tx: Transaction, event: Event) -> dict[str, Any]:
        repository = event.data.get("repository")
        return {
            "id": new_id(),
            "type": event.type,
            "subject": event.subject,
            "scope": f"/registry/{repository}" if repository else "/",
            "data": {name: event.data[name] for name in self.types[event.type].fields if name in event.data},
            "at": tx.now,
        }


def _place(tx: Transaction) -> int:
    """Give positions to one batch; the head's row is locked first, so batches become visible one after the other."""
    tx.execute(tx.insert(event_heads).values(name=_NAME, last=0, forgotten=0).on_conflict_do_nothing())
    last: int = tx.execute(
        sa.update(event_heads).values(last=event_heads.c.last).returning(event_heads.c.last)
    ).scalar_one()
    numbers = tx.execute(_UNPLACED).scalars().all()
    if numbers:
        tx.execute(_PLACE, [{"of": number, "at_": last + place} for place, number in enumerate(numbers, 1)])
        tx.execute(sa.update(event_heads).values(last=last + len(numbers)))
    return len(numbers)


def _seen(wanted: Filter) -> sa.ColumnElement[bool]:
    condition = _below(Scope.parse(wanted.scope))
    return condition if wanted.extent is None else sa.and_(condition, _in_extent(wanted.extent))


def _in_extent(extent: Extent) -> sa.ColumnElement[bool]:
    condition = sa.and_(
        sa.or_(sa.false(), *(_below(scope) for scope in extent.allowed), *(_named(name) for name in extent.names)),
        sa.not_(sa.or_(sa.false(), *(_below(scope) for scope in extent.denied))),
    )
    if extent.bound is None:
        return condition
    bounds = ((_row.scope == str(b.scope)) if b.exact else _below(b.scope) for b in extent.bound)
    return sa.and_(condition, sa.or_(sa.false(), *bounds))


def _named(pattern: NamePattern) -> sa.ColumnElement[bool]:
    path = f"/registry/{pattern.text}"
    fits = _row.scope == path if pattern.exact else _row.scope.startswith(path, autoescape=True)
    return sa.and_(_below(pattern.scope), fits)


def _below(scope: Scope) -> sa.ColumnElement[bool]:
    path = str(scope)
    if path == "/":
        return sa.true()
    return sa.or_(_row.scope == path, _row.scope.startswith(path + "/", autoescape=True))
