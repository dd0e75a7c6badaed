import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.corpus.hostile_names import SCOPES

from pratique.core.errors import Invalid
from pratique.core.permissions import ANONYMOUS, Bound, Caller, Extent, Permission, Scope


def test_permissions_are_sorted_and_documented() -> None:
    values = [permission.value for permission in Permission]
    assert values == sorted(values)
    assert all(permission.sentence.endswith(".") for permission in Permission)
    assert all(permission.name == permission.value.replace("/", "_").upper() for permission in Permission)
    assert Permission("registry/content/read") is Permission.REGISTRY_CONTENT_READ


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("/", "/"),
        ("/registry", "/registry"),
        ("/registry/", "/registry"),
        ("/Registry/Team/", "/registry/team"),
        ("/registry/team/app.x_y--z", "/registry/team/app.x_y--z"),
        ("/vaults/prod/secrets/db-password", "/vaults/prod/secrets/db-password"),
    ],
)
def test_scope_is_canonical_once_parsed(text: str, canonical: str) -> None:
    assert str(Scope.parse(text)) == canonical


@pytest.mark.parametrize("fault", SCOPES)
def test_unclear_scopes_are_refused(fault: str) -> None:
    with pytest.raises(Invalid):
        Scope.parse(SCOPES[fault])


@given(st.text(max_size=40))
def test_parsing_is_stable_or_refused(text: str) -> None:
    try:
        scope = Scope.parse("/registry/" + text)
    except Invalid:
        return
    assert Scope.parse(str(scope)) == scope
    assert str(scope).isascii()


def test_a_scope_covers_itself_and_what_is_below_by_whole_segments() -> None:
    team = Scope.parse("/registry/team")
    assert team.covers(team)
    assert team.covers(Scope.for_repository("team/app"))
    assert not team.covers(Scope.for_repository("teams/app"))
    assert not Scope.for_repository("team/app").covers(team)
    assert Scope.root().covers(team)


def test_an_exact_bound_does_not_reach_below() -> None:
    read = Permission.REGISTRY_CONTENT_READ
    bound = Bound(Scope.for_repository("team"), frozenset({read}), exact=True)
    caller = Caller(principal_id="p", name="n", kind="service", bound=(bound,))
    assert caller.admits(read, Scope.for_repository("team"))
    assert not caller.admits(read, Scope.for_repository("team/app"))
    assert not caller.admits(Permission.REGISTRY_CONTENT_WRITE, Scope.for_repository("team"))


def test_no_bound_admits_and_an_empty_bound_does_not() -> None:
    assert ANONYMOUS.admits(Permission.REGISTRY_CONTENT_READ, Scope.root())
    nothing = Caller(principal_id="p", name="n", kind="service", bound=())
    assert not nothing.admits(Permission.REGISTRY_CONTENT_READ, Scope.root())


def test_deny_wins_in_an_extent() -> None:
    extent = Extent((Scope.parse("/registry"),), (Scope.parse("/registry/team"),))
    assert extent.covers(Scope.for_repository("other/app"))
    assert not extent.covers(Scope.for_repository("team/app"))
    assert not extent.is_everything
