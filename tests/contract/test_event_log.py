"""What the event log guarantees, on every engine: nothing missed, nothing twice, in order, only for those who may see."""

import threading
from collections.abc import Sequence

import pytest

from pratique.core.clock import DAY, FakeClock
from pratique.core.cloudevents import EventLog, Filter, OutwardType
from pratique.core.cloudevents.types import PositionGone
from pratique.core.database import Database, Transaction
from pratique.core.errors import Invalid
from pratique.core.events import Event, EventBus
from pratique.core.jobs import JobHandlers, JobQueue
from pratique.core.permissions import Extent, NamePattern, Scope

PUSHED = "pratique.registry.manifest.pushed.v1"
MOVED = "pratique.registry.tag.moved.v1"
INNER = "pratique.scan.layer.read.v1"
EVERYTHING = Filter()


@pytest.fixture
def log() -> EventLog:
    return EventLog(
        [OutwardType(PUSHED, "", {"repository": "", "digest": ""}), OutwardType(MOVED, "", {"repository": "", "n": ""})]
    )


@pytest.fixture
def bus(log: EventLog) -> EventBus:
    bus = EventBus(JobQueue(), JobHandlers())
    log.attach(bus)
    return bus


def publish(database: Database, bus: EventBus, *events: Event) -> None:
    database.write(lambda tx: bus.publish_many(tx, events))


def moved(repository: str, n: int) -> Event:
    return Event(MOVED, f"{repository}:latest", {"repository": repository, "n": n})


def numbers(database: Database, log: EventLog, after: int = 0, wanted: Filter = EVERYTHING) -> list[int]:
    log.place(database)
    return [event.data["n"] for event in database.read(lambda tx: log.read(tx, after, wanted, limit=500))[0]]


def test_an_event_is_there_exactly_if_its_transaction_was_committed(
    database: Database, log: EventLog, bus: EventBus
) -> None:
    publish(database, bus, Event(PUSHED, "a@sha256:1", {"repository": "a", "digest": "sha256:1", "inner": "kept in"}))
    publish(database, bus, Event(INNER, "a", {}))

    def fails(tx: Transaction) -> None:
        bus.publish(tx, moved("a", 1))
        raise Invalid("no")

    with pytest.raises(Invalid):
        database.write(fails)
    assert log.place(database) == 1
    (event,), reached = database.read(lambda tx: log.read(tx, 0, EVERYTHING))
    shown = event.as_json("urn:pratique:x")
    assert reached == 1
    assert shown == {
        "specversion": "1.0",
        "id": event.id,
        "source": "urn:pratique:x",
        "type": PUSHED,
        "subject": "a@sha256:1",
        "time": "2026-01-01T00:00:00.000000Z",
        "datacontenttype": "application/json",
        "sequence": "00000000000000000001",
        "data": {"repository": "a", "digest": "sha256:1"},
    }


def test_events_without_a_position_are_not_seen(database: Database, log: EventLog, bus: EventBus) -> None:
    publish(database, bus, moved("a", 1))
    assert database.read(lambda tx: log.read(tx, 0, EVERYTHING)) == ([], 0)


def test_many_writers_and_sequencers_lose_nothing_and_keep_the_order_of_each_subject(  # noqa: C901  threads
    database: Database, log: EventLog, bus: EventBus
) -> None:
    stop = threading.Event()
    seen: list[tuple[str, int]] = []
    positions: list[int] = []

    def write(name: str) -> None:
        for number in range(25):
            publish(database, bus, moved(name, number))

    def place() -> None:
        while not stop.is_set():
            log.place(database)

    def follow() -> None:
        after = 0
        while len(seen) < 100 and not stop.wait(0.001):
            found, after = database.read(lambda tx, after=after: log.read(tx, after, EVERYTHING, limit=7))  # type: ignore[misc]
            seen.extend((event.data["repository"], event.data["n"]) for event in found)
            positions.extend(event.position for event in found)

    sequencers = [threading.Thread(target=place) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c", "d")]
    reader = threading.Thread(target=follow)
    for thread in (*sequencers, reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    reader.join(60)
    stop.set()
    for thread in sequencers:
        thread.join()
    assert positions == list(range(1, 101))
    for name in ("a", "b", "c", "d"):
        assert [n for repository, n in seen if repository == name] == list(range(25))


def test_a_reader_goes_on_where_it_was(database: Database, log: EventLog, bus: EventBus) -> None:
    publish(database, bus, *(moved("a", n) for n in range(10)))
    log.place(database)
    found, reached = database.read(lambda tx: log.read(tx, 0, EVERYTHING, limit=4))
    assert [event.data["n"] for event in found] == [0, 1, 2, 3]
    found, reached = database.read(lambda tx: log.read(tx, reached, EVERYTHING, limit=100))
    assert [event.data["n"] for event in found] == [4, 5, 6, 7, 8, 9]
    assert database.read(lambda tx: log.read(tx, reached, EVERYTHING)) == ([], 10)


def test_patterns_choose_types_and_subjects(database: Database, log: EventLog, bus: EventBus) -> None:
    publish(database, bus, moved("a", 1), Event(PUSHED, "a@sha256:1", {"repository": "a"}), moved("b", 2))
    assert numbers(database, log, wanted=Filter(types=("*.tag.*",))) == [1, 2]
    assert numbers(database, log, wanted=Filter(types=(MOVED,), subjects=("b:*",))) == [2]
    found, reached = database.read(lambda tx: log.read(tx, 0, Filter(types=("none",))))
    assert (found, reached) == ([], 3)


@pytest.mark.parametrize(
    ("extent", "expected"),
    [
        (Extent(), []),
        (Extent(allowed=(Scope.parse("/"),)), [1, 2, 3, 4]),
        (Extent(allowed=(Scope.parse("/registry/team"),)), [1, 2]),
        (Extent(allowed=(Scope.parse("/"),), denied=(Scope.parse("/registry/team/app"),)), [1, 3, 4]),
        (Extent(allowed=(Scope.parse("/registry/team/app"), Scope.parse("/registry/other"))), [2, 4]),
        (Extent(allowed=(Scope.parse("/vaults"),)), []),
        (Extent(names=(NamePattern(Scope.parse("/registry"), "team/", exact=False),)), [2]),
        (Extent(names=(NamePattern(Scope.parse("/registry/team"), "team", exact=False),)), [1, 2]),
        (Extent(names=(NamePattern(Scope.parse("/"), "team", exact=True),)), [1]),
        (Extent((), (Scope.parse("/registry/team"),), None, (NamePattern(Scope.parse("/"), "t", exact=False),)), [3]),
    ],
)
def test_a_reader_sees_what_its_rights_cover(
    database: Database, log: EventLog, bus: EventBus, extent: Extent, expected: Sequence[int]
) -> None:
    publish(database, bus, moved("team", 1), moved("team/app", 2), moved("teams", 3), moved("other", 4))
    assert numbers(database, log, wanted=Filter(extent=extent)) == expected


def test_old_events_are_forgotten_and_who_missed_them_is_told(
    database: Database, log: EventLog, bus: EventBus, clock: FakeClock
) -> None:
    publish(database, bus, *(moved("a", n) for n in range(5)))
    log.place(database)
    clock.advance(8 * DAY / 1_000_000)
    publish(database, bus, *(moved("a", n) for n in range(5, 8)))
    log.place(database)
    before = clock.now() - 7 * DAY
    assert database.write(lambda tx: log.forget(tx, before)) == 5
    assert database.write(lambda tx: log.forget(tx, before)) == 0
    assert numbers(database, log) == [5, 6, 7]
    assert numbers(database, log, after=5) == [5, 6, 7]
    with pytest.raises(PositionGone, match="5"):
        numbers(database, log, after=3)
    assert numbers(database, log, after=7) == [7]
