"""Clock, ids, errors, progress, pages."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core import errors
from pratique.core.clock import FakeClock, SystemClock
from pratique.core.database.paging import Cursors, check_limit
from pratique.core.errors import Busy, Invalid, PratiqueError, TooManyRequests
from pratique.core.findings.types import Finding, Severity, finding_key, lineage_covers
from pratique.core.ids import new_id
from pratique.core.progress import NullReporter, Reporter


def test_ids_are_uuid_version_7_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert all(uuid.UUID(one).version == 7 and uuid.UUID(one).variant == uuid.RFC_4122 for one in ids)
    stamps = [uuid.UUID(one).int >> 80 for one in ids]
    assert stamps == sorted(stamps)
    assert abs((stamps[0]) - SystemClock().now() // 1000) < 10_000


def test_a_fake_clock_moves_only_when_told() -> None:
    clock = FakeClock(5)
    assert clock.now() == clock.now() == 5
    clock.advance(1.5)
    assert clock.now() == 1_500_005


def test_every_error_has_a_code_of_its_own_and_a_status() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PratiqueError)]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert {kind.status for kind in kinds} == {400, 401, 403, 404, 409, 410, 412, 413, 416, 421, 423, 429, 500, 503}


def test_an_error_says_what_to_do() -> None:
    error = Invalid("The name is wrong.", remedy="Use letters.", name="1x")
    assert (str(error), error.detail) == ("The name is wrong. Use letters.", {"name": "1x"})
    assert (Busy("b", retry_after=3).retry_after, TooManyRequests("t").retry_after) == (3, 1.0)


def test_the_silent_reporter_is_a_reporter() -> None:
    reporter: Reporter = NullReporter()
    reporter.start("x", 3)
    reporter.advance()
    reporter.finish()


def test_severities_sort_by_how_bad_they_are() -> None:
    assert sorted(Severity, key=lambda one: -one.rank) == list(Severity)
    assert all(Severity.of_rank(one.rank) is one for one in Severity)


@given(st.tuples(st.text(), st.text(), st.text()), st.tuples(st.text(), st.text(), st.text()))
def test_a_finding_key_says_which_part_is_which(first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
    assert (finding_key(*first) == finding_key(*second)) == (first == second)
    assert len(finding_key(*first)) == 32


def test_a_finding_key_never_changes() -> None:
    found = Finding("scan", "vg-1", "registry/a", "pkg:deb/debian/b", "t", Severity.LOW, "s")
    assert found.key == finding_key("vg-1", "registry/a", "pkg:deb/debian/b") == "c301fb7db7f0bd06fa1ddac320e0b928"


@pytest.mark.parametrize(
    ("selector", "lineage", "covered"),
    [("", "a/b", True), ("a/", "a/b", True), ("a/", "ab", False), ("a/b", "a/b", True), ("a/b", "a/b/c", False)],
)
def test_lineage_selectors(selector: str, lineage: str, covered: bool) -> None:
    assert lineage_covers(selector, lineage) is covered


@given(st.lists(st.one_of(st.integers(-(2**53), 2**53), st.text(max_size=20), st.none()), max_size=5))
def test_a_cursor_brings_back_its_position(position: list[object]) -> None:
    cursors = Cursors(b"secret")
    assert cursors.decode("a", cursors.encode("a", position)) == position


@given(st.text(max_size=200))
def test_a_cursor_of_someone_elses_making_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Cursors(b"secret").decode("a", text)


def test_limits_have_a_limit() -> None:
    assert [check_limit(limit) for limit in (1, 500)] == [1, 500]
    for limit in (0, -1, 501):
        with pytest.raises(Invalid):
            check_limit(limit)
