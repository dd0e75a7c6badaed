"""Tokens: who gets one, what it is good for, and every way in which a wrong one is refused."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tests.corpus.forged_tokens import NAMES, forged_tokens
from tests.identity.conftest import World, make_world

from pratique.core.clock import FakeClock
from pratique.core.errors import Invalid
from pratique.core.keys.client import Keys, local_keys
from pratique.core.keys.tokens import compact, issuer_of
from pratique.core.keys.types import Role as KeyRole
from pratique.core.permissions import OPERATOR, Permission, Scope
from pratique.identity.errors import LockedOut, SignInRefused, TokenRefused
from pratique.identity.secrets import new_secret
from pratique.identity.token_requests import TokenRequest
from pratique.identity.tokens import Tokens
from pratique.identity.types import Audience, NewSecret, Principal

PULL_PUSH = "repository:team/app:pull,push"


@pytest.fixture
def builder(world: World) -> tuple[Principal, NewSecret]:
    principal = world.create("builder")
    secret = world.secret(principal)
    world.assign(principal, "AcrPush", "/registry/team")
    return principal, secret


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def test_a_token_says_who_and_what_for(world: World, builder: tuple[Principal, NewSecret]) -> None:
    principal, secret = builder
    issued = world.ask("builder", secret.value, PULL_PUSH)
    claims = claims_of(issued.access_token)
    assert set(claims) == {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cid", "access"}
    assert claims["access"] == [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}]
    caller = world.identity.tokens.caller(issued.access_token, Audience.REGISTRY)
    assert (caller.principal_id, caller.name, caller.credential_id) == (
        principal.id, "builder", secret.credential.id,
    )  # fmt: skip
    assert world.identity.authorizer.allowed(
        caller, Permission.REGISTRY_CONTENT_WRITE, Scope.for_repository("team/app")
    )


@pytest.mark.parametrize("name", ["builder", "BUILDER", "id"])
def test_name_in_any_case_or_id(world: World, builder: tuple[Principal, NewSecret], name: str) -> None:
    principal, secret = builder
    assert world.ask(principal.id if name == "id" else name, secret.value).access_token


def test_only_the_granted_part_is_in_the_token(world: World, builder: tuple[Principal, NewSecret]) -> None:
    _, secret = builder
    issued = world.ask(
        "builder",
        secret.value,
        "repository:team/app:pull,push,delete",
        "repository:other/app:pull",
        "registry:catalog:*",
    )
    assert [(one.name, one.actions) for one in issued.access] == [("team/app", ("pull", "push"))]


def test_the_catalogue_is_granted_to_whoever_may_list_names_somewhere(world: World) -> None:
    lister = world.create("lister")
    secret = world.secret(lister)
    assert not world.ask("lister", secret.value, "registry:catalog:*").access
    world.assign(lister, "Container Registry Repository Catalog Lister", "/registry/team")
    issued = world.ask("lister", secret.value, "registry:catalog:*")
    assert [one.name for one in issued.access] == ["catalog"]
    caller = world.identity.tokens.caller(issued.access_token, Audience.REGISTRY)
    extent = world.identity.authorizer.extent(caller, Permission.REGISTRY_CATALOG_LIST)
    assert extent.covers(Scope.for_repository("team/app"))
    assert not extent.covers(Scope.for_repository("other/app"))
    assert not world.identity.authorizer.allowed(
        caller, Permission.REGISTRY_CONTENT_READ, Scope.for_repository("team/app")
    )


def test_a_bound_does_not_reach_other_repositories(world: World, builder: tuple[Principal, NewSecret]) -> None:
    _, secret = builder
    token = world.ask("builder", secret.value, "repository:team/app:pull").access_token
    caller = world.identity.tokens.caller(token, Audience.REGISTRY)
    allowed = world.identity.authorizer.allowed
    assert allowed(caller, Permission.REGISTRY_CONTENT_READ, Scope.for_repository("team/app"))
    assert not allowed(caller, Permission.REGISTRY_CONTENT_WRITE, Scope.for_repository("team/app"))
    assert not allowed(caller, Permission.REGISTRY_CONTENT_READ, Scope.for_repository("team/other"))
    assert not allowed(caller, Permission.REGISTRY_CONTENT_READ, Scope.for_repository("team/app/sub"))


def test_a_right_taken_away_stops_a_token_that_has_it(world: World, builder: tuple[Principal, NewSecret]) -> None:
    principal, secret = builder
    token = world.ask("builder", secret.value, PULL_PUSH).access_token
    caller = world.identity.tokens.caller(token, Audience.REGISTRY)
    given = world.read(lambda tx: world.identity.assignments.list(tx, OPERATOR, principal_id=principal.id)).items[0]
    world.write(lambda tx: world.identity.assignments.delete(tx, OPERATOR, given))
    assert not world.identity.authorizer.allowed(
        caller, Permission.REGISTRY_CONTENT_WRITE, Scope.for_repository("team/app")
    )


@pytest.mark.parametrize("how", ["secret", "principal", "tokens", "rotate", "delete"])
def test_revocation_acts_on_tokens_at_once(world: World, builder: tuple[Principal, NewSecret], how: str) -> None:
    principal, secret = builder
    issued = world.ask("builder", secret.value, PULL_PUSH, offline=True)
    world.identity.tokens.caller(issued.access_token, Audience.REGISTRY)
    service = world.identity.principals
    actions = {
        "secret": lambda tx: service.revoke_secret(tx, OPERATOR, principal, secret.credential.id),
        "principal": lambda tx: service.set_active(tx, OPERATOR, principal, active=False),
        "tokens": lambda tx: service.revoke_tokens(tx, OPERATOR, principal),
        "rotate": lambda tx: service.rotate(tx, OPERATOR, principal),
        "delete": lambda tx: service.delete(tx, OPERATOR, principal),
    }
    world.write(actions[how])
    with pytest.raises(TokenRefused):
        world.identity.tokens.caller(issued.access_token, Audience.REGISTRY)
    with pytest.raises(TokenRefused):
        world.run(world.identity.token_service.issue(TokenRequest("refresh", "", issued.refresh_token or ""), ""))


def test_rotation_with_overlap_lets_both_secrets_work_for_a_while(
    world: World, builder: tuple[Principal, NewSecret]
) -> None:
    principal, old = builder
    new = world.write(lambda tx: world.identity.principals.rotate(tx, OPERATOR, principal, overlap=60))
    assert world.ask("builder", old.value).access_token
    assert world.ask("builder", new.value).access_token
    world.clock.advance(61)
    with pytest.raises(SignInRefused):
        world.ask("builder", old.value)
    assert world.ask("builder", new.value).access_token


def test_a_secret_ends_when_its_time_is_over(world: World) -> None:
    principal = world.create("short")
    secret = world.secret(principal, lifetime=60.0)
    token = world.ask("short", secret.value).access_token
    world.clock.advance(61)
    with pytest.raises(SignInRefused):
        world.ask("short", secret.value)
    with pytest.raises(TokenRefused):
        world.identity.tokens.caller(token, Audience.REGISTRY)


def test_a_token_ends_also_when_it_is_remembered(world: World, builder: tuple[Principal, NewSecret]) -> None:
    token = world.ask("builder", builder[1].value).access_token
    world.identity.tokens.caller(token, Audience.REGISTRY)
    world.clock.advance(3601)
    with pytest.raises(TokenRefused):
        world.identity.tokens.caller(token, Audience.REGISTRY)


def test_a_refresh_token_gives_tokens_and_nothing_else(world: World, builder: tuple[Principal, NewSecret]) -> None:
    _, secret = builder
    refresh = world.ask("builder", secret.value, offline=True).refresh_token
    assert refresh is not None
    request = TokenRequest("refresh", "", refresh, (PULL_PUSH,))
    issued = world.run(world.identity.token_service.issue(request, ""))
    assert issued.access[0].actions == ("pull", "push")
    for audience in (Audience.REGISTRY, Audience.MANAGEMENT):
        with pytest.raises(TokenRefused):
            world.identity.tokens.caller(refresh, audience)


def test_audiences_are_kept_apart(world: World, builder: tuple[Principal, NewSecret]) -> None:
    _, secret = builder
    registry = world.ask("builder", secret.value).access_token
    management = world.ask("builder", secret.value, service="management").access_token
    assert world.identity.tokens.caller(management, Audience.MANAGEMENT).name == "builder"
    for token, audience in (
        (registry, Audience.MANAGEMENT),
        (management, Audience.REGISTRY),
        (registry, Audience.REFRESH),
    ):
        with pytest.raises(TokenRefused):
            world.identity.tokens.caller(token, audience)


def test_the_operator_of_the_machine_is_accepted_for_management_only(world: World, admin_keys: Keys) -> None:
    token = admin_keys.operator_token()
    caller = world.identity.tokens.caller(token, Audience.MANAGEMENT)
    assert (caller.principal_id, caller.kind) == (OPERATOR.principal_id, "operator")
    with pytest.raises(TokenRefused):
        world.identity.tokens.caller(token, Audience.REGISTRY)


def forge(world: World, **changes: Any) -> str:
    """A token signed with the real key, with some claims changed."""
    now = world.clock.now() // 1_000_000
    claims = {
        "iss": issuer_of(world.keys.installation()), "sub": "s", "aud": "registry", "exp": now + 60, "nbf": now,
        "iat": now, "jti": "j", "cid": "c", **changes,
    }  # fmt: skip
    kid = world.keys.public_keys("token")[0].key_id
    return compact(kid, {k: v for k, v in claims.items() if v is not None}, lambda m: world.keys.sign("token", m))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "urn:pratique:installation:other"}, {"iss": None}, {"aud": "vault"}, {"aud": ["registry", "management"]},
        {"aud": None}, {"exp": 1}, {"exp": None}, {"exp": "never"}, {"nbf": 2**40}, {"cid": None}, {"sub": None},
        {"sub": 7}, {"access": "all"}, {"access": [{"type": "repository", "name": "../x", "actions": ["pull"]}]},
        {"access": [{}]},
    ],
)  # fmt: skip
def test_claims_that_do_not_fit_are_refused(world: World, changes: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        world.identity.tokens.verify(forge(world, **changes), Audience.REGISTRY)


def test_a_whole_token_of_ones_own_verifies(world: World) -> None:
    assert world.identity.tokens.verify(forge(world), Audience.REGISTRY).subject == "s"


@pytest.mark.parametrize("fault", NAMES)
def test_forged_tokens_are_refused(world: World, fault: str) -> None:
    forged = forged_tokens(forge(world), world.keys.public_keys("token")[0].jwk)
    assert set(forged) == set(NAMES)
    with pytest.raises(TokenRefused):
        world.identity.tokens.verify(forged[fault], Audience.REGISTRY)


def test_a_token_of_another_installation_is_refused(world: World, tmp_path: Path, clock: FakeClock) -> None:
    other_keys = local_keys(tmp_path / "other-keys", KeyRole.API, clock=clock)
    other = Tokens(other_keys, world.identity.memory, clock)
    with pytest.raises(TokenRefused):
        world.identity.tokens.caller(other.issue("s", "c", Audience.REGISTRY, 60), Audience.REGISTRY)
    other_keys.close()


def test_tokens_of_a_rotated_key_go_on(world: World, builder: tuple[Principal, NewSecret], admin_keys: Keys) -> None:
    before = world.ask("builder", builder[1].value).access_token
    admin_keys.rotate("token")
    world.clock.advance(2)
    after = world.ask("builder", builder[1].value).access_token
    for token in (before, after):
        assert world.identity.tokens.caller(token, Audience.REGISTRY).name == "builder"


class Counting:
    """A key client that counts what it is asked."""

    def __init__(self, keys: Keys) -> None:
        self.keys, self.asked = keys, 0

    def hmac(self, purpose: str, data: bytes) -> bytes:
        self.asked += 1
        return self.keys.hmac(purpose, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.keys, name)


@pytest.mark.parametrize("name", ["builder", "nobody", "", "b\u00fcilder", "x" * 500, "builder ", "../builder"])
def test_unknown_names_cost_the_same_work_and_get_the_same_answer(
    world: World, builder: tuple[Principal, NewSecret], keys: Keys, name: str
) -> None:
    counting = Counting(keys)
    watched = make_world(world.database, counting, world.clock)  # type: ignore[arg-type]
    with pytest.raises(SignInRefused) as refused:
        watched.ask(name, new_secret())
    assert counting.asked == 1
    assert str(refused.value).startswith("Name and secret do not fit together")


def test_a_secret_of_one_principal_proves_no_other(world: World, builder: tuple[Principal, NewSecret]) -> None:
    world.secret(world.create("other"))
    with pytest.raises(SignInRefused):
        world.ask("other", builder[1].value)
    with pytest.raises(SignInRefused):
        world.ask("builder", "")


def test_wrong_tries_make_their_sender_wait_and_lock_nobody_out(
    world: World, builder: tuple[Principal, NewSecret]
) -> None:
    for _ in range(5):
        with pytest.raises(SignInRefused):
            world.ask("builder", "wrong", address="198.51.100.7")
    with pytest.raises(LockedOut) as locked:
        world.ask("BUILDER", "wrong", address="198.51.100.7")
    assert 0 < locked.value.retry_after <= 900
    with pytest.raises(SignInRefused):
        world.ask("builder", "wrong", address="198.51.100.8")
    assert world.ask("builder", builder[1].value, address="198.51.100.7").access_token


def test_secrets_are_shell_safe_and_not_in_the_database(world: World, builder: tuple[Principal, NewSecret]) -> None:
    value = builder[1].value
    assert value.startswith("pqs_")
    assert set(value) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    assert value not in repr(builder[1])
    path = Path(str(world.database.path)) if hasattr(world.database, "path") else None
    files = list(path.parent.glob("pratique.db*")) if path else []
    for file in files:
        assert value.encode() not in file.read_bytes()


def test_strangers_get_no_token_unless_a_scope_is_open(world: World, keys: Keys) -> None:
    request = TokenRequest("none", scopes=("repository:public/app:pull,push",))
    with pytest.raises(SignInRefused):
        world.run(world.identity.token_service.issue(request, ""))
    opened = make_world(world.database, keys, world.clock, anonymous_pull=("/registry/public",))
    issued = opened.run(opened.identity.token_service.issue(request, ""))
    assert [one.actions for one in issued.access] == [("pull",)]
    assert opened.identity.tokens.caller(issued.access_token, Audience.REGISTRY).is_anonymous


@pytest.mark.parametrize(
    "scope",
    ["repository", "repository:", "repository:x", "repository::pull", "repository:../x:pull", "repository:a//b:pull",
     "repository:a%2fb:pull", "vault:x:read", "x" * 600, "repository:\u212aube:pull"],
)  # fmt: skip
def test_scopes_that_are_none_are_refused(world: World, builder: tuple[Principal, NewSecret], scope: str) -> None:
    with pytest.raises(Invalid):
        world.ask("builder", builder[1].value, scope)


def test_many_scopes_are_refused(world: World, builder: tuple[Principal, NewSecret]) -> None:
    with pytest.raises(Invalid):
        world.ask("builder", builder[1].value, " ".join(f"repository:r{index}:pull" for index in range(40)))


def test_use_of_a_secret_is_noted(world: World, builder: tuple[Principal, NewSecret]) -> None:
    principal, secret = builder
    world.ask("builder", secret.value)
    noted = world.read(lambda tx: world.identity.principals.secrets(tx, principal))[0]
    assert noted.last_used_at == world.clock.now()
