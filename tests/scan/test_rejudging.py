"""A changed advisory reaches the images that have the package, and no other, without reading any."""

import pytest

from pratique.core.database import Database
from pratique.core.findings.types import Severity
from pratique.registry.types import GateState
from tests.scan.parts import Parts, Said


class Killed(Exception):  # noqa: N818  what happened
    """The worker ended here."""


@pytest.fixture
def parts(database: Database) -> Parts:
    return Parts(database)


def test_a_new_exploited_advisory_closes_the_gate_of_affected_images_only(parts: Parts) -> None:
    hit = parts.push("team/a", {"nginx": "1.0"})
    spared = parts.push("team/b", {"nginx": "1.1"})
    other = parts.push("team/c", {"zlib": "1.2"})
    read, matched = len(parts.shelf.opened), len(parts.store.matched)
    parts.store.say("nginx", Said("vg-1", ("1.0",), fix="1.1", exploited=True))
    done = parts.rejudger.run()
    assert [parts.shelf.state(place) for place in (hit, spared, other)] == [
        GateState.REFUSED,
        GateState.OPEN,
        GateState.OPEN,
    ]
    assert len(parts.shelf.opened) == read
    assert len(parts.store.matched) - matched == 2
    assert (done.packages, done.changed, done.images) == (2, 1, 1)


def test_an_advisory_that_is_withdrawn_opens_the_gate_and_ends_the_finding(parts: Parts) -> None:
    parts.store.say("nginx", Said("vg-1", ("1.0",), fix="1.1", exploited=True))
    parts.rejudger.run()
    place = parts.push("team/a", {"nginx": "1.0"})
    assert parts.shelf.state(place) is GateState.REFUSED
    parts.store.say("nginx")
    parts.rejudger.run()
    assert parts.shelf.state(place) is GateState.OPEN
    assert parts.shown(place) == {}


def test_other_findings_of_the_image_stay(parts: Parts) -> None:
    parts.store.say("zlib", Said("vg-7", ("1.2",), severity=Severity.LOW))
    parts.rejudger.run()
    place = parts.push("team/a", {"nginx": "1.0", "zlib": "1.2"})
    parts.store.say("nginx", Said("vg-1", ("1.0",), severity=Severity.MEDIUM))
    parts.rejudger.run()
    assert set(parts.shown(place)) == {"CVE-7 in zlib: a fault", "CVE-1 in nginx: a fault"}


def test_data_that_is_loaded_later_makes_packages_assessable(parts: Parts) -> None:
    parts.store.unloaded.add("debian:12")
    place = parts.push("team/a", {"nginx": "1.0"})
    assert parts.shelf.state(place) is GateState.HELD
    parts.store.unloaded.clear()
    parts.store.say("nginx")
    parts.rejudger.run()
    assert parts.shelf.state(place) is GateState.OPEN
    assert parts.shown(place) == {}


def test_a_run_with_nothing_new_matches_nothing(parts: Parts) -> None:
    parts.push("team/a", {"nginx": "1.0"})
    parts.rejudger.run()
    before = len(parts.store.matched)
    assert parts.rejudger.run().packages == 0
    assert len(parts.store.matched) == before


@pytest.mark.parametrize("step", range(8))
def test_a_worker_that_ends_at_any_point_leaves_work_that_the_next_one_finishes(parts: Parts, step: int) -> None:
    places = [parts.push(f"team/{number}", {"nginx": "1.0", "zlib": str(number)}) for number in range(6)]
    parts.store.say("nginx", Said("vg-1", ("1.0",), fix="1.1", exploited=True))
    _kill_at_write(parts, step)
    parts.rejudger.run()
    assert {parts.shelf.state(place) for place in places} == {GateState.REFUSED}


def test_an_image_pushed_while_advisories_change_is_judged_by_the_newest(parts: Parts) -> None:
    place = parts.shelf.put("team/a", [_layer()])
    original = parts.store.match

    def publish_meanwhile(*arguments: object, **options: object) -> object:
        report = original(*arguments, **options)  # type: ignore[arg-type]
        parts.store.match = original  # type: ignore[method-assign]
        parts.store.say("nginx", Said("vg-1", ("1.0",), fix="1.1", exploited=True))
        parts.rejudger.run()
        return report

    parts.store.match = publish_meanwhile  # type: ignore[assignment,method-assign]
    parts.index(place)
    assert parts.shelf.state(place) is GateState.REFUSED


def _layer() -> bytes:
    from tests.scan.parts import debian_layer

    return debian_layer({"nginx": "1.0"})


def _kill_at_write(parts: Parts, step: int) -> None:
    """Run a re-judgement whose database refuses the write number `step`."""
    real = parts.database.write
    count = 0

    def write(body: object) -> object:
        nonlocal count
        count += 1
        if count > step:
            raise Killed
        return real(body)  # type: ignore[arg-type]

    parts.database.write = write  # type: ignore[assignment,method-assign]
    try:
        parts.rejudger.run()
    except Killed:
        pass
    finally:
        del parts.database.write  # type: ignore[method-assign]
