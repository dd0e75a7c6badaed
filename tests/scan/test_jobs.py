"""The scanner's jobs in the real queue, run by the real worker."""

from typing import Any, BinaryIO

import pytest

from pratique.core.clock import FakeClock
from pratique.core.database import Database
from pratique.core.events import Event
from pratique.core.jobs.worker import Worker
from pratique.inventory.types import ExpectedLayer, LayerReport
from pratique.registry.types import GateState
from pratique.scan.jobs import ScanJobs
from pratique.scan.types import DELETED, PUSHED, Place
from pratique.trust.jobs import TrustJobs
from tests.scan.parts import Parts, ReadHere, Said, debian_layer


class Faulty(ReadHere):
    """A reader that raises so many times before it works."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def read(self, stream: BinaryIO, media_type: str = "", *, expected: ExpectedLayer | None = None) -> LayerReport:
        if self.times:
            self.times -= 1
            raise OSError("no space left on device")
        return super().read(stream, media_type, expected=expected)


class Worked:
    """Parts with their jobs registered, and a worker that runs what is due."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.parts, self.clock = Parts(database), clock
        parts = self.parts
        store: Any = parts.store
        self.jobs = ScanJobs(
            database,
            parts.jobs,
            parts.events,
            store,
            indexer=parts.indexer,
            rejudger=parts.rejudger,
            announcer=parts.announcer,
        )
        self.jobs.register(parts.handlers)
        TrustJobs(parts.trust, parts.events).register(parts.handlers)
        self.worker = Worker(database, parts.jobs, parts.handlers)

    def push(self, place: Place) -> None:
        data = {**place.as_json(), "kind": "image"}
        self.parts.database.write(lambda tx: self.parts.events.publish(tx, Event(PUSHED, place.digest, data)))

    def delete(self, place: Place) -> None:
        data = {**place.as_json(), "kind": "image"}
        self.parts.database.write(lambda tx: self.parts.events.publish(tx, Event(DELETED, place.digest, data)))

    def settle(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.worker.drain()
            self.clock.advance(900)


@pytest.fixture
def worked(database: Database, clock: FakeClock) -> Worked:
    return Worked(database, clock)


def test_a_pushed_image_is_read_and_judged_by_the_worker(worked: Worked) -> None:
    worked.parts.store.say("nginx", Said("vg-1", ("1.0",), fix="1.1", exploited=True))
    place = worked.parts.shelf.put("team/a", [debian_layer({"nginx": "1.0"})])
    worked.push(place)
    assert worked.parts.shelf.state(place) is None
    worked.settle()
    assert worked.parts.shelf.state(place) is GateState.REFUSED


def test_a_reader_that_fails_five_times_and_then_works_ends_with_an_open_gate(worked: Worked) -> None:
    worked.parts.indexer._reader = Faulty(5)
    place = worked.parts.shelf.put("team/a", [debian_layer({"zlib": "1.2"})])
    worked.push(place)
    worked.settle(4)
    assert worked.parts.shelf.state(place) is GateState.HELD
    assert "reading it failed: OSError" in worked.parts.shelf.summary(place)
    worked.settle(4)
    assert worked.parts.shelf.state(place) is GateState.OPEN


def test_a_deleted_image_shows_no_findings_and_is_not_judged_again(worked: Worked) -> None:
    parts = worked.parts
    parts.store.say("nginx", Said("vg-1", ("1.0",), fix="1.1", exploited=True))
    place = parts.shelf.put("team/a", [debian_layer({"nginx": "1.0"})])
    worked.push(place)
    worked.settle()
    worked.delete(place)
    parts.shelf.gates.clear()
    parts.store.say("nginx", Said("vg-1", ("1.0",), fix="1.2", exploited=True))
    worked.settle(2)
    assert parts.shown(place) == {}
    assert parts.shelf.gates == {}


def test_an_asked_rescan_reads_what_could_not_be_read(worked: Worked) -> None:
    parts = worked.parts
    good = debian_layer({"zlib": "1.2"})
    place = parts.shelf.put("team/a", [good[: len(good) // 2]], config=b'{"rootfs": {"diff_ids": []}}')
    worked.push(place)
    worked.settle()
    parts.database.write(lambda tx: worked.jobs.request_rescan(tx, place))
    worked.settle()
    assert len(parts.reader.read_digests) == 2
