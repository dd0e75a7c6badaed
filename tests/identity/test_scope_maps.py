"""Scope maps and tokens of repositories give what they say, where they say it, and nobody grows by them."""

from typing import Any

import pytest
from tests.identity.conftest import World
from tests.identity.test_rights import caller

from pratique.core.clock import SECOND
from pratique.core.database import Transaction
from pratique.core.errors import Conflict, Denied, Invalid
from pratique.core.permissions import OPERATOR, Caller, Permission, Scope
from pratique.identity.custom_roles import Definition
from pratique.identity.errors import (
    BeyondOwnRights,
    NameTaken,
    RegistryTokenNotFound,
    ScopeMapNotFound,
    SignInRefused,
    TokenRefused,
)
from pratique.identity.scope_maps.types import SYSTEM_MAPS, RegistryToken, ScopeMap, parse_rules
from pratique.identity.types import Audience, Principal

READ, PUSH = Permission.REGISTRY_CONTENT_READ, Permission.REGISTRY_CONTENT_WRITE
DELETE, SEE = Permission.REGISTRY_CONTENT_DELETE, Permission.REGISTRY_METADATA_READ


def a_map(world: World, name: str, *actions: str, who: Caller = OPERATOR) -> ScopeMap:
    texts = [f"repositories/{action}" for action in actions]
    return world.write(lambda tx: world.identity.scope_maps.create(tx, who, name, texts))


def a_token(world: World, scope_map: str, name: str = "robot", who: Caller = OPERATOR) -> RegistryToken:
    maps, tokens = world.identity.scope_maps, world.identity.registry_tokens
    return world.write(lambda tx: tokens.create(tx, who, name, maps.get(tx, who, scope_map)))


def reread(world: World, name: str = "robot") -> RegistryToken:
    return world.read(lambda tx: world.identity.registry_tokens.get(tx, OPERATOR, name))


def password(world: World, which: Any = "password1", **more: Any) -> str:
    token, tokens = reread(world), world.identity.registry_tokens
    return world.write(lambda tx: tokens.generate(tx, OPERATOR, token, which, **more)).value


def held(world: World, permission: Permission, *names: str) -> list[str]:
    principal = reread(world).principal
    return [name for name in names if world.may(principal, permission, f"/registry/{name}")]


NAMES = ("team/app", "team/app/sub", "team/app2", "team/other", "teams/app", "team", "base/a", "base/b")


@pytest.mark.parametrize(
    ("target", "reached"),
    [
        ("team/app", ["team/app"]),
        ("team/app*", ["team/app", "team/app/sub", "team/app2"]),
        ("team/app/*", ["team/app/sub"]),
        ("team/*", ["team/app", "team/app/sub", "team/app2", "team/other"]),
        ("team*", ["team/app", "team/app/sub", "team/app2", "team/other", "teams/app", "team"]),
        ("*", list(NAMES)),
    ],
)
def test_a_rule_reaches_the_repositories_that_it_names_and_no_neighbour(
    both: World, target: str, reached: list[str]
) -> None:
    a_map(both, "one", f"{target}/content/read")
    a_token(both, "one")
    assert held(both, READ, *NAMES) == reached
    assert not any(held(both, permission, *NAMES) for permission in (PUSH, DELETE, SEE))


def test_rules_of_one_place_are_joined_and_each_action_stays_where_it_was_given(both: World) -> None:
    rules = ("team/a*/content/read", "team/b*/content/read", "team/b*/content/write", "team/c/content/delete")
    a_map(both, "mixed", *rules, "team/c/content/read", "base/*/metadata/read")
    a_token(both, "mixed")
    names = ("team/a1", "team/b1", "team/c", "team/d", "base/x")
    assert held(both, READ, *names) == ["team/a1", "team/b1", "team/c"]
    assert held(both, PUSH, *names) == ["team/b1"]
    assert held(both, DELETE, *names) == ["team/c"]
    assert held(both, SEE, *names) == ["base/x"]


def test_the_maps_of_the_system_are_azures_and_cannot_be_changed(both: World) -> None:
    assert [one.name for one in SYSTEM_MAPS] == [
        "_repositories_admin",
        "_repositories_pull",
        "_repositories_pull_metadata_read",
        "_repositories_push",
        "_repositories_push_metadata_write",
    ]
    service = both.identity.scope_maps
    for one in SYSTEM_MAPS:
        with pytest.raises(Conflict):
            both.write(lambda tx, one=one: service.change(tx, OPERATOR, one, ["repositories/*/content/read"]))  # type: ignore[misc]
        with pytest.raises(Conflict):
            both.write(lambda tx, one=one: service.delete(tx, OPERATOR, one))  # type: ignore[misc]
    with pytest.raises(Invalid):
        a_map(both, "_repositories_mine", "*/content/read")
    a_token(both, "_repositories_push")
    assert held(both, PUSH, "any/where") == ["any/where"]
    assert held(both, DELETE, "any/where") == []


def test_a_changed_map_acts_at_once_on_its_tokens_and_leaves_other_assignments(both: World) -> None:
    former = a_map(both, "team", "team/*/content/read", "team/*/content/write")
    token = a_token(both, "team")
    both.assign(token.principal, "AcrDelete", "/registry/given/by/hand")
    service = both.identity.scope_maps
    both.write(lambda tx: service.change(tx, OPERATOR, former, ["repositories/team/*/content/read"]))
    assert held(both, READ, "team/a") == ["team/a"]
    assert held(both, PUSH, "team/a") == []
    now = both.read(lambda tx: service.get(tx, OPERATOR, "team"))
    both.write(lambda tx: service.change(tx, OPERATOR, now, ["repositories/base/*/content/read"]))
    assert held(both, READ, "team/a", "base/a") == ["base/a"]
    assert held(both, DELETE, "given/by/hand") == ["given/by/hand"]


def test_a_token_gets_another_map_and_a_map_in_use_stays(both: World) -> None:
    one = a_map(both, "one", "team/a/content/read")
    other = a_map(both, "other", "team/b/content/read")
    token = a_token(both, "one")
    service = both.identity.scope_maps
    with pytest.raises(Conflict, match="robot"):
        both.write(lambda tx: service.delete(tx, OPERATOR, one))
    both.write(lambda tx: both.identity.registry_tokens.assign(tx, OPERATOR, token, other))
    assert held(both, READ, "team/a", "team/b") == ["team/b"]
    both.write(lambda tx: service.delete(tx, OPERATOR, one))
    with pytest.raises(ScopeMapNotFound):
        both.read(lambda tx: service.get(tx, OPERATOR, "one"))


def test_two_passwords_change_over_without_a_gap_and_end(both: World) -> None:
    a_token(both, "_repositories_pull")
    first, second = password(both), password(both, "password2", lifetime=60)
    bearer = both.ask("robot", first, "repository:team/app:pull").access_token
    assert both.identity.tokens.caller(bearer, Audience.REGISTRY).name == "robot"
    anew = password(both)
    with pytest.raises(TokenRefused):
        both.identity.tokens.caller(bearer, Audience.REGISTRY)
    with pytest.raises(SignInRefused):
        both.ask("robot", first)
    both.ask("robot", anew)
    both.ask("robot", second)
    assert [one.label for one in reread(both).passwords] == ["password1", "password2"]
    both.clock.advance(61 * SECOND)
    with pytest.raises(SignInRefused):
        both.ask("robot", second)
    token = reread(both)
    both.write(lambda tx: both.identity.registry_tokens.revoke(tx, OPERATOR, token, "password1"))
    with pytest.raises(SignInRefused):
        both.ask("robot", anew)


def test_a_disabled_token_is_refused_at_once_and_a_deleted_one_is_gone(both: World) -> None:
    token = a_token(both, "_repositories_pull")
    value, tokens = password(both), both.identity.registry_tokens
    bearer = both.ask("robot", value, "repository:team/app:pull").access_token
    both.write(lambda tx: tokens.set_active(tx, OPERATOR, token, active=False))
    with pytest.raises(TokenRefused):
        both.identity.tokens.caller(bearer, Audience.REGISTRY)
    both.write(lambda tx: tokens.set_active(tx, OPERATOR, reread(both), active=True))
    both.ask("robot", value)
    both.write(lambda tx: tokens.delete(tx, OPERATOR, token))
    with pytest.raises(RegistryTokenNotFound):
        reread(both)
    with pytest.raises(SignInRefused):
        both.ask("robot", value)


def a_team_lead(world: World) -> Caller:
    """Holds pushing and giving roles within /registry/team, and may write principals."""
    lead = world.create("lead")
    world.assign(lead, "Container Registry Repository Writer", "/registry/team")
    make_giver(world, lead)
    return caller(lead)


def make_giver(world: World, lead: Principal) -> None:
    service = world.identity

    def give(tx: Transaction) -> None:
        giver = Definition(("identity/assignments/write", "identity/assignments/read"))
        writer = Definition(("identity/principals/write", "identity/principals/read"))
        at_team = service.roles.create(tx, OPERATOR, "Giver", giver)
        everywhere = service.roles.create(tx, OPERATOR, "Principal writer", writer)
        service.assignments.create(tx, OPERATOR, lead, at_team, Scope.parse("/registry/team"))
        service.assignments.create(tx, OPERATOR, lead, everywhere, Scope.root())

    world.write(give)


def test_nobody_makes_or_hands_out_a_scope_map_with_more_than_they_hold(both: World) -> None:
    lead = a_team_lead(both)
    made = a_map(both, "mine", "team/*/content/read", "team/app/content/write", who=lead)
    for beyond in ("team/*/content/delete", "other/*/content/read", "*/content/read", "team*/content/read"):
        with pytest.raises(Denied):
            a_map(both, "more", beyond, who=lead)
        with pytest.raises(Denied):
            both.write(
                lambda tx, beyond=beyond: both.identity.scope_maps.change(  # type: ignore[misc]
                    tx, lead, made, [f"repositories/{beyond}"]
                )
            )
    a_token(both, "mine", who=lead)
    wide = a_map(both, "wide", "team/*/content/delete")
    tokens = both.identity.registry_tokens
    with pytest.raises(BeyondOwnRights):
        both.write(lambda tx: tokens.create(tx, lead, "thief", wide))
    with pytest.raises(BeyondOwnRights):
        both.write(lambda tx: tokens.assign(tx, lead, reread(both), wide))
    with pytest.raises(ScopeMapNotFound):
        a_token(both, "_repositories_pull", "thief", who=lead)
    for one in SYSTEM_MAPS:
        with pytest.raises(Denied):
            both.write(lambda tx, one=one: tokens.create(tx, lead, "thief", one))  # type: ignore[misc]
    both.write(lambda tx: tokens.assign(tx, OPERATOR, reread(both), wide))
    with pytest.raises(BeyondOwnRights):
        both.write(lambda tx: tokens.generate(tx, lead, tokens.get(tx, lead, "robot"), "password1"))


def test_maps_are_seen_where_assignments_are_seen(both: World) -> None:
    lead = a_team_lead(both)
    a_map(both, "mine", "team/*/content/read")
    a_map(both, "other", "other/*/content/read")
    service = both.identity.scope_maps
    assert [one.name for one in both.read(lambda tx: service.list(tx, lead))] == ["mine"]
    with pytest.raises(ScopeMapNotFound):
        both.read(lambda tx: service.get(tx, lead, "other"))
    nobody = caller(both.create("nobody"))
    assert not both.read(lambda tx: service.list(tx, nobody))
    with pytest.raises(Denied):
        both.read(lambda tx: both.identity.registry_tokens.list(tx, nobody))


def test_a_role_that_somebody_has_bent_is_not_handed_out(both: World) -> None:
    bent = Definition(("registry/content/read", "registry/content/delete"))
    both.write(lambda tx: both.identity.roles.create(tx, OPERATOR, "Scope map content-read", bent))
    with pytest.raises(Conflict, match="Scope map content-read"):
        a_token(both, "_repositories_pull")
    with pytest.raises(RegistryTokenNotFound):
        reread(both)


@pytest.mark.parametrize(
    "text",
    [
        "", "repositories/", "team/app/content/read", "repositories//content/read", "repositories/a/content",
        "repositories/a/content/purge", "repositories/a/b*c/content/read", "repositories/**/content/read",
        "repositories/A/content/read", "repositories/a/../b/content/read", "repositories/a'/content/read",
        "repositories/a/content/read\n", "repositories/a/content/read ", "repositories/ä/content/read",
        "repositories/a//b/content/read", "repositories/-a/content/read", "repositories/a*/metadata/delete",
        "repositories/" + "a" * 300 + "/content/read", "repositories/a?/content/read",
    ],
)  # fmt: skip
def test_what_is_no_action_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_rules([text])


def test_how_much_a_map_may_say_is_bounded(both: World) -> None:
    with pytest.raises(Invalid):
        parse_rules([])
    with pytest.raises(Invalid):
        parse_rules(f"repositories/a{number}/content/read" for number in range(201))
    a_map(both, "one", "a/content/read")
    with pytest.raises(NameTaken):
        a_map(both, "one", "a/content/read")


def test_tokens_are_listed_by_name_in_pages_and_as_ordinary_principals(both: World) -> None:
    for name in ("c", "a", "b"):
        a_token(both, "_repositories_pull", name)
    both.create("no-token")
    tokens = both.identity.registry_tokens
    first = both.read(lambda tx: tokens.list(tx, OPERATOR, limit=2))
    rest = both.read(lambda tx: tokens.list(tx, OPERATOR, limit=2, cursor=first.next))
    assert [one.principal.name for one in (*first.items, *rest.items)] == ["a", "b", "c"]
    assert rest.next is None
    assert both.read(lambda tx: both.identity.principals.get(tx, "a")).kind == "service"
