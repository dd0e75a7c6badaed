"""Roles to activate for a time: reason, limit, approval by somebody else, an end by itself, and no growth from it."""

import threading
import time
from pathlib import Path

import pytest
from tests.identity.conftest import World, make_world
from tests.identity.test_groups import add, group, remove
from tests.identity.test_rights import caller

from pratique.core.clock import FakeClock
from pratique.core.database import open_database
from pratique.core.errors import Conflict, Denied, Invalid
from pratique.core.keys.client import Keys
from pratique.core.permissions import OPERATOR, Permission, Scope
from pratique.identity import activation, roles
from pratique.identity.activation import Activation, Eligibility
from pratique.identity.errors import BeyondOwnRights
from pratique.identity.types import Principal

PUSH = Permission.REGISTRY_CONTENT_WRITE
TEAM, APP = Scope.parse("/registry/team"), "/registry/team/app"


def offer(
    world: World, principal: Principal, role: str = "AcrPush", scope: Scope = TEAM, **more: object
) -> Eligibility:
    terms: dict[str, object] = {"longest": 3600.0} | more
    return world.write(
        lambda tx: world.identity.activations.offer(tx, OPERATOR, principal, roles.find(role), scope, **terms)  # type: ignore[arg-type]
    )


def activate(world: World, principal: Principal, what: Eligibility, duration: float = 1800.0) -> Activation:
    return world.write(
        lambda tx: world.identity.activations.activate(
            tx, caller(principal), what.id, reason="incident 4711", duration=duration
        )
    )


def decide(world: World, who: Principal, asked: Activation, *, approve: bool = True) -> Activation:
    return world.write(lambda tx: world.identity.activations.decide(tx, caller(who), asked.id, approve=approve))


def test_an_activated_role_holds_and_ends_by_itself(both: World) -> None:
    ada = both.create("ada", "user")
    what = offer(both, ada)
    assert not both.may(ada, PUSH, APP)
    active = activate(both, ada, what)
    assert active.state == "active"
    assert both.may(ada, PUSH, APP)
    both.clock.advance(1801)
    assert not both.may(ada, PUSH, APP)
    assert both.read(lambda tx: both.identity.activations.activation(tx, active.id)).state == "ended"
    assert both.write(activation.sweep) == 2
    assert activate(both, ada, what).state == "active"


def test_with_approval_it_waits_for_somebody_else(both: World) -> None:
    ada, boss, lead = (both.create(name, "user") for name in ("ada", "boss", "lead"))
    both.assign(boss, "Owner", "/")
    both.assign(lead, "Owner", "/registry/other")
    both.assign(ada, "Owner", "/registry/other")
    asked = activate(both, ada, offer(both, ada, approval=True))
    assert asked.state == "waiting"
    assert not both.may(ada, PUSH, APP)
    with pytest.raises(Denied):
        decide(both, lead, asked)
    assert decide(both, boss, asked).state == "active"
    assert both.may(ada, PUSH, APP)
    with pytest.raises(Conflict):
        decide(both, boss, asked)


def test_nobody_approves_their_own_request(world: World) -> None:
    boss = world.create("boss", "user")
    world.assign(boss, "UserAccessAdministrator", "/")
    asked = activate(world, boss, offer(world, boss, approval=True))
    with pytest.raises(Denied, match="own request"):
        decide(world, boss, asked)


def test_a_refused_or_late_request_gives_nothing(world: World) -> None:
    ada, boss = world.create("ada", "user"), world.create("boss", "user")
    world.assign(boss, "Owner", "/")
    what = offer(world, ada, approval=True)
    assert decide(world, boss, activate(world, ada, what), approve=False).state == "refused"
    late = activate(world, ada, what)
    world.clock.advance(86401)
    with pytest.raises(Conflict):
        decide(world, boss, late)
    assert not world.may(ada, PUSH, APP)


@pytest.mark.parametrize(
    ("reason", "duration"), [("", 600.0), ("    ", 600.0), ("incident", 3601.0), ("incident", 1.0)]
)
def test_reason_and_limit_are_asked_for(world: World, reason: str, duration: float) -> None:
    ada = world.create("ada", "user")
    what = offer(world, ada)
    with pytest.raises(Invalid):
        world.write(
            lambda tx: world.identity.activations.activate(tx, caller(ada), what.id, reason=reason, duration=duration)
        )


def test_only_whoever_is_eligible_activates(world: World) -> None:
    ada, eve = world.create("ada", "user"), world.create("eve", "user")
    what = offer(world, ada, lifetime=600.0)
    with pytest.raises(Denied):
        activate(world, eve, what)
    world.clock.advance(601)
    with pytest.raises(Denied):
        activate(world, ada, what)


def test_whoever_leaves_the_group_loses_what_they_activated_through_it(both: World) -> None:
    team, ada = group(both, "team"), both.create("ada", "user")
    add(both, team, ada)
    what = offer(both, team)
    activate(both, ada, what)
    assert both.may(ada, PUSH, APP)
    remove(both, team, ada)
    assert not both.may(ada, PUSH, APP)


def test_ending_and_withdrawing_act_at_once(both: World) -> None:
    ada = both.create("ada", "user")
    what = offer(both, ada)
    active = activate(both, ada, what)
    both.write(lambda tx: both.identity.activations.end(tx, caller(ada), active.id))
    assert not both.may(ada, PUSH, APP)
    activate(both, ada, what)
    both.write(lambda tx: both.identity.activations.withdraw(tx, OPERATOR, what))
    assert not both.may(ada, PUSH, APP)


def test_nothing_that_was_activated_outlasts_itself(world: World) -> None:
    """An hour as owner is no way to be owner for good: not for oneself, a friend, a credential, a role or a group."""
    ada, friend, strong = world.create("ada", "user"), world.create("friend"), world.create("strong")
    world.assign(strong, "Owner", "/")
    activate(world, ada, offer(world, ada, "Owner", Scope.root()))
    who, give = caller(ada), world.identity.assignments.create
    root, owner = Scope.root(), roles.find("Owner")
    from pratique.identity.custom_roles import Definition

    for attempt in (
        lambda tx: give(tx, who, ada, owner, Scope.parse("/registry")),
        lambda tx: give(tx, who, friend, owner, root, lifetime=7200.0),
        lambda tx: world.identity.principals.add_secret(tx, who, strong),
        lambda tx: world.identity.roles.create(tx, who, "Mine", Definition(("registry/content/write",))),
        lambda tx: world.identity.activations.offer(tx, who, friend, owner, root, longest=3600.0),
    ):
        with pytest.raises(BeyondOwnRights):
            world.write(attempt)
    world.write(lambda tx: give(tx, who, friend, roles.find("AcrPush"), TEAM, lifetime=600.0))


def test_nobody_offers_what_they_do_not_hold(world: World) -> None:
    lead, friend = world.create("lead", "user"), world.create("friend", "user")
    world.assign(lead, "Owner", "/registry/team")
    world.assign(lead, "AcrPush", "/registry/team/prod", effect="deny")
    offering = world.identity.activations.offer
    for role, scope in (("Owner", "/registry"), ("AcrPush", "/registry/team/prod"), ("AcrPush", "/registry/team")):
        with pytest.raises(Denied):
            world.write(
                lambda tx, role=role, scope=scope: offering(  # type: ignore[misc]
                    tx, caller(lead), friend, roles.find(role), Scope.parse(scope), longest=3600.0
                )
            )


def test_nobody_gives_around_a_denial_or_lifts_one_that_binds_them(world: World) -> None:
    lead, friend, boss = world.create("lead", "user"), world.create("friend"), world.create("boss", "user")
    world.assign(boss, "Owner", "/")
    world.assign(lead, "Owner", "/registry/team")
    denied = world.assign(lead, "AcrPush", "/registry/team/prod", effect="deny")
    give = world.identity.assignments.create
    with pytest.raises(BeyondOwnRights):
        world.write(lambda tx: give(tx, caller(lead), friend, roles.find("AcrPush"), TEAM))
    with pytest.raises(BeyondOwnRights):
        world.write(lambda tx: world.identity.assignments.delete(tx, caller(lead), denied))
    with pytest.raises(BeyondOwnRights):
        world.write(
            lambda tx: give(tx, caller(lead), lead, roles.find("AcrPush"), denied.scope, effect="deny", lifetime=1.0)
        )
    world.write(lambda tx: world.identity.assignments.delete(tx, caller(boss), denied))


def test_two_processes_agree_within_a_second(
    postgresql_url: str, state_dir: Path, keys: Keys, clock: FakeClock
) -> None:
    """An activation, and its end, reach another process on PostgreSQL: within a second, with hints or without."""
    here_database = open_database(postgresql_url, clock=clock)
    there_database = open_database(postgresql_url, clock=clock)
    here, there = make_world(here_database, keys, clock), make_world(there_database, keys, clock)
    try:
        ada = here.create("ada", "user")
        what = offer(here, ada)
        assert not there.may(ada, PUSH, APP)
        active = activate(here, ada, what)
        assert here.may(ada, PUSH, APP)
        until(lambda: there.may(ada, PUSH, APP))
        here.write(lambda tx: here.identity.activations.end(tx, caller(ada), active.id))
        assert not here.may(ada, PUSH, APP)
        until(lambda: not there.may(ada, PUSH, APP))
    finally:
        for world in (here, there):
            world.identity.close()
            world.database.close()


def until(holds: object) -> None:
    deadline = time.monotonic() + 1.5
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, "the other process did not follow"
        threading.Event().wait(0.01)
