"""Conditions on names of repositories: Azure's text, three values, and lists that never show more than is allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.corpus.hostile_conditions import CONDITIONS
from tests.identity.conftest import World

from pratique.core.errors import Invalid
from pratique.core.permissions import Caller, Permission, Scope
from pratique.identity import conditions
from pratique.identity.wildcards import fits

PULL, PUSH, SEE = Permission.REGISTRY_CONTENT_READ, Permission.REGISTRY_CONTENT_WRITE, Permission.REGISTRY_METADATA_READ
NAME = "@Request[Microsoft.ContainerRegistry/registries/repositories:name]"
ACTION = "Microsoft.ContainerRegistry/registries/repositories"
PORTAL = f"""
(
 (
  !(ActionMatches{{'{ACTION}/content/read'}})
  AND
  !(ActionMatches{{'{ACTION}/metadata/read'}})
 )
 OR
 (
  {NAME} StringStartsWithIgnoreCase 'Team/'
 )
)
"""


def repository(name: str) -> Scope:
    return Scope.for_repository(name)


@pytest.mark.parametrize(
    ("text", "name", "holds"),
    [
        (f"{NAME} StringEquals 'team/app'", "team/app", True),
        (f"{NAME} StringEquals 'team/app'", "team/app/x", False),
        (f"{NAME} StringEqualsIgnoreCase 'Team/App'", "team/app", True),
        (f"{NAME} StringNotEquals 'team/app'", "team/app", False),
        (f"{NAME} StringStartsWith 'team/'", "team/app", True),
        (f"{NAME} StringStartsWith 'team/'", "team", False),
        (f"{NAME} StringStartsWith 'team/'", "teams/app", False),
        (f"{NAME} StringLike 'team/*-dev'", "team/a/b-dev", True),
        (f"{NAME} StringLike 'team/?'", "team/ab", False),
        (f"{NAME} StringNotLike '*/secret/*'", "team/secret/x", False),
        (f"{NAME} ForAnyOfAnyValues:StringEquals {{'a', 'b'}}", "b", True),
        (f"{NAME} StringStartsWith 'a' AND !({NAME} StringEquals 'ab')", "ab", False),
        (f"{NAME} StringEquals 'a' || {NAME} StringEquals 'b' && {NAME} StringStartsWith 'x'", "a", True),
        (f"not {NAME} StringEquals 'a'", "b", True),
    ],
)
def test_a_comparison_means_what_azure_says(text: str, name: str, *, holds: bool) -> None:
    assert conditions.parse(text).allows(PULL, repository(name)) is holds


def test_what_the_portal_writes_guards_the_named_actions_only() -> None:
    condition = conditions.parse(PORTAL)
    assert condition.allows(PULL, repository("team/app"))
    assert not condition.allows(PULL, repository("other/app"))
    assert condition.allows(PUSH, repository("other/app")), "the condition does not name content/write"
    assert not condition.allows(SEE, repository("other/app"))


def test_unknown_allows_nothing_and_denies() -> None:
    negated = conditions.parse(f"!({NAME} StringEquals 'secret')")
    for scope in (Scope.root(), Scope.parse("/registry"), Scope.parse("/vaults/v")):
        assert not negated.allows(PULL, scope)
        assert negated.denies(PULL, scope)


@pytest.mark.parametrize("fault", CONDITIONS)
def test_what_cannot_be_told_exactly_is_refused(fault: str) -> None:
    with pytest.raises(Invalid):
        conditions.parse(CONDITIONS[fault])


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        conditions.parse(text)
    except Invalid:
        return


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=12))
def test_patterns_match_as_the_standard_library_says(pattern: str, text: str) -> None:
    import fnmatch

    assert fits(pattern, text, question=True) == fnmatch.fnmatchcase(text, pattern)


def test_a_pattern_of_many_stars_costs_no_more() -> None:
    import time

    begun = time.thread_time()
    assert not fits("*a" * 120 + "b", "a" * 255)
    assert time.thread_time() - begun < 0.5


SHAPES = (
    f"{NAME} StringEquals 'team/app'",
    f"{NAME} StringStartsWith 'team/'",
    f"{NAME} StringStartsWith 'tea'",
    f"{NAME} StringLike 'team/a*'",
    f"{NAME} StringLike 't*m/app'",
    f"{NAME} StringStartsWith 'team/' AND {NAME} StringStartsWith 'team/app'",
    f"{NAME} StringEquals 'other' OR {NAME} StringStartsWith 'team/app'",
    f"!({NAME} StringEquals 'team/app')",
    PORTAL,
)
NAMES = ("team", "team/app", "team/app/x", "team/apple", "teams", "other", "tea", "te")


@pytest.mark.parametrize("text", SHAPES)
@pytest.mark.parametrize("permission", [PULL, PUSH])
def test_lists_show_no_more_than_is_allowed(world: World, text: str, permission: Permission) -> None:
    principal = world.create()
    world.assign(principal, "AcrPush", "/registry", condition=text)
    who = Caller(principal.id, principal.name, "service")
    extent = world.identity.authorizer.extent(who, permission)
    for name in NAMES:
        if extent.covers(repository(name)):
            assert world.identity.authorizer.allowed(who, permission, repository(name)), name


def test_a_condition_narrows_an_assignment_on_each_engine(both: World) -> None:
    principal = both.create()
    both.assign(principal, "Container Registry Repository Reader", "/registry", condition=PORTAL)
    assert both.may(principal, PULL, "/registry/team/app")
    assert not both.may(principal, PULL, "/registry/team")
    assert not both.may(principal, PULL, "/registry/other")
    told = both.identity.authorizer.explain(principal.id, PULL, repository("other"))
    assert "condition" in told.summary


def test_a_denial_with_a_condition_wins_where_it_holds(world: World) -> None:
    principal = world.create()
    world.assign(principal, "AcrPush", "/registry")
    world.assign(principal, "AcrPush", "/registry", effect="deny", condition=f"{NAME} StringStartsWith 'prod/'")
    assert world.may(principal, PUSH, "/registry/team/app")
    assert not world.may(principal, PUSH, "/registry/prod/app")
    assert not world.may(principal, PUSH, "/registry"), "where no repository is named, the denial holds"


def test_a_condition_on_a_vault_is_refused(world: World) -> None:
    with pytest.raises(Invalid):
        world.assign(world.create(), "Key Vault Reader", "/vaults/v", condition=f"{NAME} StringEquals 'a'")
