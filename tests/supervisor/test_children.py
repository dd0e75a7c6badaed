from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.supervisor.children import FIRST_DELAY, LONGEST_DELAY, REFUSED, SETTLED, Child


def test_a_wanted_child_is_due_at_once_and_only_once() -> None:
    child = Child("api")
    child.want(5.0)
    assert child.due(5.0)
    child.asked()
    child.want(6.0)
    assert not child.due(6.0)
    child.started(10, 6.0)
    child.want(7.0)
    assert not child.due(7.0)
    assert child.state == "running"


def test_short_lives_wait_longer_each_time_and_a_settled_life_is_forgiven() -> None:
    child = Child("api")
    waits = []
    now = 0.0
    for _ in range(12):
        child.started(10, now)
        child.exited(1, now + 0.1, again=True)
        waits.append(child.wait(now + 0.1))
        now += waits[-1] + 0.1
    assert all(later >= earlier or later == pytest.approx(earlier) for earlier, later in pairwise(waits))
    assert waits[0] == pytest.approx(FIRST_DELAY)
    assert waits[-1] == pytest.approx(LONGEST_DELAY)
    child.started(10, now)
    child.exited(1, now + SETTLED, again=True)
    assert child.wait(now + SETTLED) == pytest.approx(0.0)


def test_a_child_that_was_held_back_stays_down() -> None:
    child = Child("api")
    child.started(10, 0.0)
    child.exited(0, 1.0, again=True)
    child.hold()
    assert not child.due(1e9)
    assert child.state == "stopped"


def test_three_refusals_in_a_row_are_final_and_a_crash_is_not() -> None:
    child = Child("api")
    for _ in range(2):
        child.started(10, 0.0)
        child.exited(REFUSED, 0.1, again=True)
        assert not child.refused()
    child.started(10, 0.0)
    child.exited(REFUSED, 0.1, again=True)
    assert child.refused()
    child.started(10, 0.0)
    child.exited(-9, 0.1, again=True)
    assert not child.refused()


@given(st.lists(st.sampled_from(["want", "start", "exit", "hold", "ask"]), max_size=60))
def test_whatever_happens_a_child_is_never_both_alive_and_due(events: list[str]) -> None:
    child, now = Child("api"), 0.0
    for event in events:
        now += 1.0
        if event == "want":
            child.want(now)
        elif event == "ask" and child.due(now):
            child.asked()
        elif event == "start" and (child.due(now) or child.state == "starting"):
            child.started(7, now)
        elif event == "exit" and child.pid is not None:
            child.exited(1, now, again=True)
        elif event == "hold":
            child.hold()
        assert not (child.pid is not None and child.due(now + 1e6))
