"""What publishing an event guarantees, on every engine."""

import pytest

from pratique.core.database import Database, Transaction
from pratique.core.errors import Invalid
from pratique.core.events import Event, EventBus
from pratique.core.jobs import JobContext, JobHandlers, JobQueue, Worker

PUSHED = "pratique.registry.manifest.pushed.v1"
QUEUE = JobQueue()


@pytest.fixture
def handlers() -> JobHandlers:
    return JobHandlers()


@pytest.fixture
def bus(handlers: JobHandlers) -> EventBus:
    return EventBus(QUEUE, handlers)


def test_each_durable_subscriber_gets_each_event_that_was_committed(
    database: Database, bus: EventBus, handlers: JobHandlers
) -> None:
    seen: list[tuple[str, Event]] = []

    def keep(name: str) -> None:
        def handler(_context: JobContext, event: Event) -> None:
            seen.append((name, event))

        bus.subscribe(PUSHED, name, handler)

    keep("scan.assess")
    keep("recommendations.refresh")
    event = Event(PUSHED, "registry/team/app@sha256:aa", {"kind": "image", "sizes": [1, 2]})
    database.write(lambda tx: bus.publish(tx, event))

    def fails(tx: Transaction) -> None:
        bus.publish(tx, event)
        raise Invalid("no")

    with pytest.raises(Invalid):
        database.write(fails)
    assert Worker(database, QUEUE, handlers).drain() == 2
    assert sorted(seen, key=str) == [("recommendations.refresh", event), ("scan.assess", event)]


def test_a_subscriber_that_fails_is_asked_again_and_disturbs_nobody(
    database: Database, bus: EventBus, handlers: JobHandlers
) -> None:
    good: list[str] = []
    bus.subscribe(PUSHED, "a.bad", lambda _context, _event: 1 / 0)  # type: ignore[arg-type,return-value]
    bus.subscribe(PUSHED, "b.good", lambda _context, event: good.append(event.subject))
    database.write(lambda tx: bus.publish(tx, Event(PUSHED, "s")))
    Worker(database, QUEUE, handlers).drain()
    assert good == ["s"]
    states = {one.kind: one.state for one in database.read(QUEUE.search)}
    assert states[f"event/a.bad/{PUSHED}"] == "queued"
    assert states[f"event/b.good/{PUSHED}"] == "done"


def test_an_inline_subscriber_is_part_of_the_transaction(database: Database, bus: EventBus) -> None:
    bus.subscribe_inline(PUSHED, lambda tx, event: QUEUE.enqueue(tx, "inline", {"subject": event.subject}) and None)
    database.write(lambda tx: bus.publish(tx, Event(PUSHED, "s")))
    assert [one.payload for one in database.read(QUEUE.search)] == [{"subject": "s"}]

    def refuse(_tx: Transaction, _event: Event) -> None:
        raise Invalid("no")

    bus.subscribe_inline(PUSHED, refuse)
    with pytest.raises(Invalid):
        database.write(lambda tx: bus.publish(tx, Event(PUSHED, "t")))
    assert len(database.read(QUEUE.search)) == 1


def test_events_of_a_lane_are_handled_one_at_a_time(database: Database, bus: EventBus) -> None:
    bus.subscribe(PUSHED, "a.b", lambda _context, _event: None, lane=lambda event: event.subject, priority=7)
    database.write(lambda tx: bus.publish(tx, Event(PUSHED, "s")))
    (job,) = database.read(QUEUE.search)
    assert (job.lane, job.priority) == ("s", 7)


@pytest.mark.parametrize("name", ["pushed", "pratique.registry", "pratique.Registry.x.y.v1", PUSHED + "0x", ""])
def test_a_name_that_is_no_event_type_is_refused(bus: EventBus, name: str) -> None:
    with pytest.raises(ValueError, match="not an event type"):
        bus.subscribe_inline(name, lambda _tx, _event: None)


def test_a_subscriber_has_one_handler(bus: EventBus) -> None:
    bus.subscribe(PUSHED, "a.b", lambda _context, _event: None)
    with pytest.raises(ValueError, match="handler already"):
        bus.subscribe(PUSHED, "a.b", lambda _context, _event: None)
