"""Who may do what: default deny, deny wins, changes act at once, and the reason is said."""

import time
from pathlib import Path

import pytest
from tests.corpus.hostile_names import NAMES
from tests.identity.conftest import World, make_world

from pratique.core.clock import FakeClock
from pratique.core.database import open_database
from pratique.core.errors import Conflict, Denied, Invalid
from pratique.core.keys.client import Keys
from pratique.core.permissions import ANONYMOUS, OPERATOR, Bound, Caller, Permission, Scope
from pratique.identity import roles
from pratique.identity.errors import BeyondOwnRights, NameTaken, PrincipalNotFound, RoleNotFound
from pratique.identity.types import Principal, PrincipalName

PULL, PUSH = Permission.REGISTRY_CONTENT_READ, Permission.REGISTRY_CONTENT_WRITE


def caller(principal: Principal, **more: object) -> Caller:
    return Caller(principal.id, principal.name, principal.kind, **more)  # type: ignore[arg-type]


def test_nothing_is_allowed_without_an_assignment(both: World) -> None:
    principal = both.create()
    for permission in Permission:
        assert not both.may(principal, permission, "/")


def test_a_role_holds_at_its_scope_and_below_and_nowhere_else(both: World) -> None:
    principal = both.create()
    both.assign(principal, "AcrPush", "/registry/team/")
    assert both.may(principal, PUSH, "/registry/team/app")
    assert both.may(principal, PULL, "/registry/team")
    assert not both.may(principal, PUSH, "/registry/teams")
    assert not both.may(principal, PUSH, "/registry")
    assert not both.may(principal, Permission.REGISTRY_CONTENT_DELETE, "/registry/team/app")


def test_deny_wins_over_every_allow(both: World) -> None:
    principal = both.create()
    both.assign(principal, "Owner", "/")
    both.assign(principal, "AcrPush", "/registry/prod", effect="deny")
    assert both.may(principal, PUSH, "/registry/team")
    assert not both.may(principal, PUSH, "/registry/prod/app")
    explanation = both.identity.authorizer.explain(principal.id, PUSH, Scope.parse("/registry/prod/app"))
    assert "deny wins" in explanation.summary


def test_an_assignment_ends_when_its_time_is_over(world: World) -> None:
    principal = world.create()
    world.assign(principal, "AcrPull", "/registry", lifetime=60.0)
    assert world.may(principal, PULL, "/registry/app")
    world.clock.advance(61)
    assert not world.may(principal, PULL, "/registry/app")


def test_a_revoked_right_stops_at_once(both: World) -> None:
    principal = both.create()
    given = both.assign(principal, "AcrPush", "/registry/team")
    assert both.may(principal, PUSH, "/registry/team/app")
    both.write(lambda tx: both.identity.assignments.delete(tx, OPERATOR, given))
    assert not both.may(principal, PUSH, "/registry/team/app")


@pytest.mark.parametrize("hinted", [True, False])
def test_another_process_follows(
    database_url: str, both: World, state_dir: Path, keys: Keys, clock: FakeClock, *, hinted: bool
) -> None:
    other_database = open_database(database_url, clock=clock, hints_directory=state_dir / "hints" if hinted else None)
    other = make_world(other_database, keys, clock)
    principal = both.create()
    given = both.assign(principal, "AcrPush", "/registry/team")
    assert other.may(principal, PUSH, "/registry/team/app")
    both.write(lambda tx: both.identity.assignments.delete(tx, OPERATOR, given))
    deadline = time.monotonic() + 1.5
    while other.may(principal, PUSH, "/registry/team/app"):
        assert time.monotonic() < deadline, "the other process still allows it"
        time.sleep(0.01)
    other_database.close()


def test_nobody_is_allowed_anything_when_the_records_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    principal = world.create()
    world.assign(principal, "AcrPush", "/registry/team")
    assert world.may(principal, PUSH, "/registry/team/app")
    world.database.hints.deliver(["epoch:identity"])

    def broken(_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(world.database, "read_here", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        world.may(principal, PUSH, "/registry/team/app")


def test_a_disabled_principal_is_refused_everywhere(both: World) -> None:
    principal = both.create()
    both.assign(principal, "Owner", "/")
    with pytest.raises(Conflict):
        both.write(lambda tx: both.identity.principals.set_active(tx, OPERATOR, principal, active=False))
    both.other_owner()
    both.write(lambda tx: both.identity.principals.set_active(tx, OPERATOR, principal, active=False))
    assert not both.may(principal, PULL, "/registry/app")
    both.write(lambda tx: both.identity.principals.set_active(tx, OPERATOR, principal, active=True))
    assert both.may(principal, PULL, "/registry/app")


def test_a_re_created_principal_inherits_nothing(both: World) -> None:
    principal = both.create("builder")
    secret = both.secret(principal)
    both.assign(principal, "Owner", "/")
    both.other_owner()
    both.write(lambda tx: both.identity.principals.delete(tx, OPERATOR, principal))
    again = both.create("builder")
    assert again.id != principal.id
    assert not both.may(again, PULL, "/registry/app")
    assert both.read(lambda tx: both.identity.principals.secrets(tx, again)) == []
    assert secret.value


def test_a_bound_narrows_and_never_adds(world: World) -> None:
    principal = world.create()
    world.assign(principal, "AcrPull", "/registry/team")
    scope = Scope.for_repository("team/app")
    allowed = world.identity.authorizer.allowed
    wide = (Bound(Scope.root(), frozenset(Permission)),)
    assert allowed(caller(principal, bound=wide), PULL, scope)
    assert not allowed(caller(principal, bound=wide), PUSH, scope)
    assert not allowed(caller(principal, bound=()), PULL, scope)


def test_a_refusal_names_the_right_and_the_role(world: World) -> None:
    principal = world.create()
    with pytest.raises(Denied, match="registry/content/write at /registry/team/app") as refused:
        world.identity.authorizer.require(caller(principal), PUSH, Scope.for_repository("team/app"))
    assert "AcrPush" in refused.value.remedy
    assert refused.value.detail["role"] == "AcrPush"


def test_explain_says_which_assignment_or_which_role(world: World) -> None:
    principal = world.create()
    scope = Scope.for_repository("team/app")
    before = world.identity.authorizer.explain(principal.id, PULL, scope)
    assert (before.allowed, before.roles[0].name) == (False, "AcrPull")
    given = world.assign(principal, "AcrPull", "/registry/team")
    after = world.identity.authorizer.explain(principal.id, PULL, scope)
    assert (after.allowed, after.by) == (True, (given,))
    unknown = world.identity.authorizer.explain("no-such-id", PULL, scope)
    assert not unknown.allowed


def test_extent_says_where_for_lists(world: World) -> None:
    principal = world.create()
    world.assign(principal, "AcrPull", "/registry/team")
    world.assign(principal, "AcrPull", "/registry/team/secret", effect="deny")
    extent = world.identity.authorizer.extent(caller(principal), PULL)
    assert extent.covers(Scope.for_repository("team/app"))
    assert not extent.covers(Scope.for_repository("team/secret/app"))
    assert world.identity.authorizer.extent(caller(principal), PUSH).is_empty
    assert world.identity.authorizer.extent(OPERATOR, PUSH).is_everything


def test_strangers_may_pull_only_where_settings_say(world: World, keys: Keys) -> None:
    scope = Scope.for_repository("public/app")
    assert not world.identity.authorizer.allowed(ANONYMOUS, PULL, scope)
    opened = make_world(world.database, keys, world.clock, anonymous_pull=("/registry/public/",))
    assert opened.identity.authorizer.allowed(ANONYMOUS, PULL, scope)
    assert not opened.identity.authorizer.allowed(ANONYMOUS, PUSH, scope)
    assert not opened.identity.authorizer.allowed(ANONYMOUS, PULL, Scope.for_repository("team/app"))


@pytest.mark.parametrize("name", ["Bui1der", "BUI1DER"])
def test_one_name_in_any_case(world: World, name: str) -> None:
    world.create("bui1der")
    with pytest.raises(NameTaken):
        world.create(name)
    assert world.read(lambda tx: world.identity.principals.get(tx, name)).name == "bui1der"


@pytest.mark.parametrize("fault", NAMES)
def test_unclear_names_are_refused(fault: str) -> None:
    with pytest.raises(Invalid):
        PrincipalName.parse(NAMES[fault])


@pytest.mark.parametrize("name", ["local-operator", "anonymous", "System"])
def test_built_in_names_cannot_be_taken(world: World, name: str) -> None:
    with pytest.raises(Invalid):
        world.create(name)


def test_the_last_owner_stays(world: World) -> None:
    one, two = world.create("one"), world.create("two")
    first = world.assign(one, "Owner", "/")
    for remove in (
        lambda tx: world.identity.assignments.delete(tx, OPERATOR, first),
        lambda tx: world.identity.principals.delete(tx, OPERATOR, one),
    ):
        with pytest.raises(Conflict):
            world.write(remove)
    world.assign(two, "Owner", "/")
    world.write(lambda tx: world.identity.assignments.delete(tx, OPERATOR, first))


def test_nobody_gives_what_they_do_not_hold(world: World) -> None:
    lead, friend = world.create("lead", "user"), world.create("friend")
    world.assign(lead, "Owner", "/registry/team")
    give = world.identity.assignments.create
    scope = Scope.parse("/registry/team/app")
    world.write(lambda tx: give(tx, caller(lead), friend, roles.find("AcrPush"), scope))
    with pytest.raises(Denied):
        world.write(lambda tx: give(tx, caller(lead), friend, roles.find("AcrPush"), Scope.parse("/registry/prod")))
    world.assign(lead, "UserAccessAdministrator", "/registry/team", effect="deny")
    with pytest.raises(Denied):
        world.write(lambda tx: give(tx, caller(lead), friend, roles.find("AcrPull"), scope))


def test_nobody_takes_hold_of_a_stronger_principal(world: World) -> None:
    helper, boss = world.create("helper", "user"), world.create("boss")
    world.assign(boss, "Owner", "/")
    world.assign(helper, "Contributor", "/")
    with pytest.raises(BeyondOwnRights):
        world.write(lambda tx: world.identity.principals.add_secret(tx, caller(helper), boss))
    weak = world.create("weak")
    world.assign(weak, "AcrPull", "/registry")
    assert world.write(lambda tx: world.identity.principals.add_secret(tx, caller(helper), weak)).value


def test_unknown_things_are_said_to_be_unknown(world: World) -> None:
    with pytest.raises(PrincipalNotFound):
        world.read(lambda tx: world.identity.principals.get(tx, "nobody"))
    with pytest.raises(RoleNotFound, match="AcrPull"):
        roles.find("AcrPulll")


def test_lists_come_in_pages_and_only_what_may_be_seen(both: World) -> None:
    people = [both.create(f"p{index}") for index in range(5)]
    for principal in people:
        both.assign(principal, "AcrPull", f"/registry/{principal.name}")
    first = both.read(lambda tx: both.identity.principals.list(tx, limit=3))
    second = both.read(lambda tx: both.identity.principals.list(tx, limit=3, cursor=first.next))
    assert [p.name for p in (*first.items, *second.items)] == [p.name for p in people]
    both.assign(people[0], "Owner", "/registry/p3")
    seen = both.read(lambda tx: both.identity.assignments.list(tx, caller(people[0])))
    assert {str(a.scope) for a in seen.items} == {"/registry/p3"}


def test_azure_names_and_ids_find_the_same_role() -> None:
    assert roles.find("acrpull") is roles.find("7f951dda-4ed3-4680-a7ca-43fe172d538d")
    assert {role.name for role in roles.granting(Permission.REGISTRY_CONTENT_SIGN)} >= {"AcrImageSigner", "Owner"}
    assert not roles.find("Reader").permissions & {Permission.REGISTRY_QUARANTINE_READ, PUSH}
    assert not any(p.value.endswith("/write") for p in roles.find("SecurityReader").permissions)
