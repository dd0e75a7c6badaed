"""Groups: what they hold acts on their members at once, and nobody grows through them."""

import pytest
from tests.corpus.hostile_names import NAMES
from tests.identity.conftest import World
from tests.identity.test_rights import caller

from pratique.core.errors import Conflict, Denied, Invalid
from pratique.core.permissions import OPERATOR, Caller, Permission, Scope
from pratique.identity.errors import BeyondOwnRights, NameTaken
from pratique.identity.types import Principal, PrincipalName

PULL, PUSH = Permission.REGISTRY_CONTENT_READ, Permission.REGISTRY_CONTENT_WRITE


def group(world: World, name: str = "builders") -> Principal:
    return world.write(lambda tx: world.identity.groups.create(tx, OPERATOR, PrincipalName.parse(name)))


def add(world: World, into: Principal, principal: Principal, who: Caller = OPERATOR) -> None:
    world.write(lambda tx: world.identity.groups.add(tx, who, into, principal))


def remove(world: World, out_of: Principal, principal: Principal, who: Caller = OPERATOR) -> None:
    world.write(lambda tx: world.identity.groups.remove(tx, who, out_of, principal))


def test_a_group_gives_its_members_what_it_holds_and_takes_it_at_once(both: World) -> None:
    builders, ada = group(both), both.create("ada", "user")
    both.assign(builders, "AcrPush", "/registry/team")
    assert not both.may(ada, PUSH, "/registry/team/app")
    add(both, builders, ada)
    add(both, builders, ada)
    assert both.may(ada, PUSH, "/registry/team/app")
    told = both.identity.authorizer.explain(ada.id, PUSH, Scope.parse("/registry/team/app"))
    assert told.summary == "Allowed by AcrPush at /registry/team, through the group builders."
    assert [
        member.principal.name for member in both.read(lambda tx: both.identity.groups.members(tx, builders)).items
    ] == ["ada"]
    remove(both, builders, ada)
    assert not both.may(ada, PUSH, "/registry/team/app")


def test_what_a_group_is_denied_its_members_are_denied(both: World) -> None:
    builders, ada = group(both), both.create("ada", "user")
    both.assign(ada, "Owner", "/")
    both.assign(builders, "AcrPush", "/registry/prod", effect="deny")
    add(both, builders, ada)
    assert not both.may(ada, PUSH, "/registry/prod/app")
    with pytest.raises(BeyondOwnRights):
        remove(both, builders, ada, caller(ada))
    with pytest.raises(Conflict, match="denied something"):
        both.write(lambda tx: both.identity.groups.delete(tx, caller(ada), builders))
    with pytest.raises(Invalid):
        both.write(lambda tx: both.identity.principals.delete(tx, caller(ada), builders))
    with pytest.raises(Invalid):
        both.write(lambda tx: both.identity.principals.set_active(tx, caller(ada), builders, active=False))


def test_a_provider_says_who_belongs_beside_what_is_said_here(world: World) -> None:
    first, second, ada = group(world, "first"), group(world, "second"), world.create("ada", "user")
    add(world, first, ada)
    groups = world.identity.groups
    world.write(lambda tx: groups.follow(tx, ada, "corp", [first.id, second.id]))
    told = world.read(lambda tx: groups.of(tx, ada))
    assert [(one.name, source) for one, source in told] == [
        ("first", "corp"), ("first", "direct"), ("second", "corp")
    ]  # fmt: skip
    world.write(lambda tx: groups.follow(tx, ada, "corp", []))
    assert [(one.name, source) for one, source in world.read(lambda tx: groups.of(tx, ada))] == [("first", "direct")]


def test_groups_hold_no_groups_and_share_their_names_with_nobody(world: World) -> None:
    builders = group(world)
    with pytest.raises(Invalid):
        add(world, builders, group(world, "others"))
    with pytest.raises(NameTaken):
        world.create("builders")
    with pytest.raises(NameTaken):
        group(world, "Builders")
    with pytest.raises(Invalid):
        world.secret(builders)
    with pytest.raises(Invalid):
        world.write(lambda tx: world.identity.links.make(tx, OPERATOR, builders))


@pytest.mark.parametrize("fault", NAMES)
def test_unclear_names_are_refused(world: World, fault: str) -> None:
    with pytest.raises(Invalid):
        group(world, NAMES[fault])


def test_nobody_puts_into_a_group_what_they_do_not_hold(world: World) -> None:
    admins, pullers = group(world, "admins"), group(world, "pullers")
    world.assign(admins, "Owner", "/registry")
    world.assign(pullers, "AcrPull", "/registry")
    helper = world.create("helper", "user")
    for role in ("AcrPull", "Reader"):
        world.assign(helper, role, "/")
    world.write(lambda tx: _may_write_groups(world, tx, helper))
    add(world, pullers, helper, caller(helper))
    for victim in (helper, world.create("friend")):
        with pytest.raises(BeyondOwnRights):
            add(world, admins, victim, caller(helper))
    stranger = world.create("stranger", "user")
    with pytest.raises(Denied):
        add(world, pullers, stranger, caller(stranger))


def test_a_role_for_a_group_is_a_role_for_oneself(world: World) -> None:
    lead, team = world.create("lead", "user"), group(world, "team")
    world.assign(lead, "Owner", "/registry/team")
    add(world, team, lead)
    give = world.identity.assignments.create
    from pratique.identity import roles

    with pytest.raises(Denied):
        world.write(lambda tx: give(tx, caller(lead), team, roles.find("Owner"), Scope.parse("/registry")))


def test_the_last_owner_may_be_one_through_a_group(world: World) -> None:
    owners, one, two = group(world, "owners"), world.create("one", "user"), world.create("two", "user")
    world.assign(owners, "Owner", "/")
    add(world, owners, one)
    with pytest.raises(Conflict, match="last owner"):
        remove(world, owners, one)
    with pytest.raises(Conflict, match="last owner"):
        world.write(lambda tx: world.identity.principals.delete(tx, OPERATOR, one))
    add(world, owners, two)
    remove(world, owners, one)


def _may_write_groups(world: World, tx: object, principal: Principal) -> None:
    from pratique.identity.custom_roles import Definition

    role = world.identity.roles.create(tx, OPERATOR, "Group Editor", Definition(("identity/groups/write",)))  # type: ignore[arg-type]
    world.identity.assignments.create(tx, OPERATOR, principal, role, Scope.root())  # type: ignore[arg-type]
