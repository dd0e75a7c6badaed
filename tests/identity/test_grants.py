"""The token endpoint of Entra's shape: what proofs are refused, what a token of one kind is no good for, what revokes."""

import base64
import hashlib
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.identity.conftest import World, make_world
from tests.identity.serving import OPERATOR, ClientKey, client_key, pipeline_of
from tests.identity.test_http import Site, basic

from pratique.core.clock import FakeClock, SystemClock
from pratique.core.database import Database, open_database
from pratique.core.keys.client import Keys
from pratique.core.keys.types import Purpose
from pratique.identity.errors import SignInRefused, TokenRefused, TokenRevoked
from pratique.identity.oauth.errors import ClientRefused, GrantRefused, PollSlower, RequestUnclear, ScopeRefused
from pratique.identity.oauth.requests import GrantRequest, Place
from pratique.identity.oauth.resources import Wanted
from pratique.identity.token_floor import raise_floor
from pratique.identity.token_requests import TokenRequest, from_exchange, from_form
from pratique.identity.types import Audience

BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
REGISTRY = "https://containerregistry.azure.net/.default"
PLACE = Place("https://localhost:8443", "common")
ENDPOINT = "https://localhost:8443/common/oauth2/v2.0/token"


def ask(world: World, address: str = "192.0.2.1", **fields: str) -> dict[str, Any]:
    given = {"grant_type": "client_credentials", "client_id": "builder", "scope": REGISTRY, **fields}
    return world.run(world.identity.machines.grants.answer(GrantRequest(PLACE, given, address=address)))


@pytest.fixture
def secret(world: World) -> str:
    principal = world.create()
    world.assign(principal, "AcrPush", "/registry/team")
    return world.secret(principal).value


# --- audiences: a token of one kind is good for nothing else -----------------------------------------------------


def kinds(world: World, secret: str) -> dict[Audience, str]:
    """One token of each kind, for the same principal."""
    exchange = ask(world, client_secret=secret)["access_token"]
    docker = world.ask("builder", secret, "repository:team/app:pull", offline=True)
    principal_id, credential_id = world.identity.tokens.verify(exchange, Audience.EXCHANGE).subject, ""
    return {
        Audience.EXCHANGE: exchange,
        Audience.MANAGEMENT: ask(world, client_secret=secret, scope="api://pratique/.default")["access_token"],
        Audience.REFRESH: world.run(world.identity.token_service.exchange(exchange)),
        Audience.REGISTRY: docker.access_token,
        Audience.SIGN_IN: world.identity.tokens.issue(principal_id, credential_id, Audience.SIGN_IN, 60, access=()),
        Audience.VAULT: ask(world, client_secret=secret, scope="https://vault.localhost/.default")["access_token"],
    }


def test_every_kind_of_token_is_refused_where_another_is_wanted(world: World, secret: str) -> None:
    made = kinds(world, secret)
    assert made.keys() == set(Audience)
    for audience, token in made.items():
        assert world.identity.tokens.verify(token, audience).audience is audience
        for other in set(Audience) - {audience}:
            with pytest.raises(TokenRefused):
                world.identity.tokens.verify(token, other)


def test_a_refresh_token_gives_no_management_token_and_nothing_by_itself(world: World, secret: str) -> None:
    refresh = kinds(world, secret)[Audience.REFRESH]
    assert jwt.get_unverified_header(refresh)["typ"] == "refresh+jwt"
    for service in ("management", "registry"):
        request = TokenRequest("refresh", "", refresh, ("repository:team/app:pull",), service)
        issue = world.identity.token_service.issue(request, "192.0.2.1")
        if service == "management":
            with pytest.raises(SignInRefused, match="for the registry alone"):
                world.run(issue)
        else:
            assert world.run(issue).access[0].actions == ("pull",)
    assert world.identity.tokens.caller(refresh, Audience.REFRESH).bound == ()
    with pytest.raises(TokenRefused):
        world.run(world.identity.token_service.exchange(refresh))
    with pytest.raises(GrantRefused):
        ask(world, grant_type="refresh_token", client_id="pratique", refresh_token=refresh)


def test_the_exchange_gives_a_refresh_token_with_an_end_that_dies_with_the_secret(world: World, secret: str) -> None:
    exchange = ask(world, client_secret=secret)["access_token"]
    refresh = world.run(world.identity.token_service.exchange(exchange))
    claims = jwt.decode(refresh, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 3 * 3600
    principal = world.read(lambda tx: world.identity.principals.get(tx, "builder"))
    world.write(lambda tx: world.identity.principals.rotate(tx, OPERATOR, principal))
    for token, audience in ((exchange, Audience.EXCHANGE), (refresh, Audience.REFRESH)):
        with pytest.raises(TokenRevoked):
            world.identity.tokens.caller(token, audience)


def test_the_whole_request_sequence_of_az_acr_login(world: World, secret: str) -> None:
    site = Site(world)
    access = ask(world, client_secret=secret, scope="https://management.azure.com//.default")["access_token"]
    form = {"grant_type": "access_token", "service": "localhost:8443", "tenant": "t", "access_token": access}
    exchanged = site("POST", "/oauth2/exchange", data=form)
    assert exchanged.status_code == 200
    refresh = exchanged.json()["refresh_token"]
    user = "00000000-0000-0000-0000-000000000000"
    query = {"service": "localhost:8443", "scope": "repository:team/app:pull,push", "account": user}
    got = site("GET", "/oauth2/token", params=query, headers=basic(user, refresh))
    me = site("GET", "/v2/", headers={"authorization": f"Bearer {got.json()['access_token']}"})
    assert me.json()["name"] == "builder"
    scope = "repository:team/app:metadata_read,pull registry:catalog:*"
    form = {"grant_type": "refresh_token", "service": "x", "scope": scope, "refresh_token": refresh}
    posted = site("POST", "/oauth2/token", data=form)
    assert posted.json()["scope"] == "repository:team/app:metadata_read,pull"


# --- forms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=password&grant_type=refresh_token&refresh_token=x",
        b"grant_type=refresh_token&refresh_token=a&refresh_token=b",
        b"grant_type=client_credentials&client_id=a&client_id=b&client_secret=c",
        b"&".join(b"a%d=1" % number for number in range(100)),
        b"grant_type=%ff%fe",
    ],
)
def test_forms_that_two_readers_could_take_differently_are_refused(body: bytes) -> None:
    for read in (lambda: from_form(body, ""), lambda: from_exchange(body)):
        with pytest.raises(Exception, match=r"twice|cannot be read|exchanged here|fewer") as raised:
            read()
        assert raised.value.status == 400  # type: ignore[attr-defined]


def test_oversize_and_double_forms_at_the_endpoint(world: World) -> None:
    site = Site(world)
    site.pipeline = pipeline_of(world)
    path = "/common/oauth2/v2.0/token"
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert site("POST", path, content=b"a=" + b"x" * 70_000, headers=kind).status_code == 413
    twice = site("POST", path, content=b"client_id=a&client_id=b", headers=kind)
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    assert site("POST", path, content=b"{}", headers={"content-type": "application/json"}).status_code == 400
    assert site("POST", "/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token").status_code == 404


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        ("https://graph.microsoft.com/.default", ScopeRefused),
        ("management/.default", ScopeRefused),
        ("refresh/.default", ScopeRefused),
        ("https://vault.localhost.evil.example/.default", ScopeRefused),
        ("https://evil.example/vault.localhost/.default", ScopeRefused),
        (f"{REGISTRY} https://vault.azure.net/.default", ScopeRefused),
        ("", ScopeRefused),
    ],
)
def test_resources_that_are_not_here(world: World, secret: str, scope: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        ask(world, client_secret=secret, scope=scope)


def test_a_client_proves_itself_once(world: World, secret: str) -> None:
    with pytest.raises(RequestUnclear, match="once"):
        ask(world, client_secret=secret, client_assertion="a.b.c")


# --- assertions that clients sign ---------------------------------------------------------------------------------


@pytest.fixture
def real(sqlite_database: Database, keys: Keys) -> Iterator[World]:
    made = make_world(sqlite_database, keys, SystemClock())
    yield made
    made.identity.close()


def signed(key: ClientKey, header: dict[str, Any] | None = None, algorithm: str = "PS256", **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "aud": ENDPOINT, "iss": "builder", "sub": "builder", "exp": now + 600, "nbf": now, "jti": str(uuid.uuid4()),
        **changes,
    }  # fmt: skip
    from cryptography.hazmat.primitives.serialization import Encoding

    digest = hashlib.sha256(key.certificate.public_bytes(Encoding.DER)).digest()
    named = {"x5t#S256": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()} if header is None else header
    given = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(given, key.key, algorithm=algorithm, headers=named)


def with_certificate(world: World, kind: str = "rsa") -> ClientKey:
    key, principal = client_key(kind=kind), world.create()
    world.write(lambda tx: world.identity.certificates.add(tx, OPERATOR, principal, key.pem))
    return key


@pytest.mark.parametrize(("kind", "algorithm"), [("rsa", "PS256"), ("rsa", "RS256"), ("ec", "ES256")])
def test_a_signed_assertion_is_good_once(real: World, kind: str, algorithm: str) -> None:
    key = with_certificate(real, kind)
    assertion = signed(key, algorithm=algorithm)
    more = {"client_assertion_type": BEARER, "client_assertion": assertion}
    assert ask(real, **more)["access_token"]
    with pytest.raises(ClientRefused, match="used before"):
        ask(real, **more)


BAD: dict[str, Callable[[ClientKey], str]] = {
    "for another installation": lambda key: signed(key, aud="https://login.other.example/common/oauth2/v2.0/token"),
    "for two": lambda key: signed(key, aud=[ENDPOINT, "https://evil.example"]),
    "for nobody": lambda key: signed(key, aud=None),
    "of another subject": lambda key: signed(key, sub="owner"),
    "of another client": lambda key: signed(key, iss="owner", sub="owner"),
    "without an id": lambda key: signed(key, jti=None),
    "without an end": lambda key: signed(key, exp=None),
    "for hours": lambda key: signed(key, exp=int(time.time()) + 4 * 3600),
    "ended": lambda key: signed(key, exp=int(time.time()) - 400, nbf=int(time.time()) - 900),
    "not yet": lambda key: signed(key, nbf=int(time.time()) + 400),
    "of another key": lambda key: signed(ClientKey(client_key().key, key.certificate)),
    "of another certificate": lambda _: signed(client_key()),
    "without a thumbprint": lambda key: signed(key, header={"kid": "x"}),
    "with two certificates": lambda key: signed(
        key, header={**jwt.get_unverified_header(signed(key)), "x5t": base64.urlsafe_b64encode(b"x" * 20).decode()}
    ),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_assertions_that_do_not_fit_are_refused(real: World, make: Callable[[ClientKey], str]) -> None:
    key = with_certificate(real)
    with pytest.raises(ClientRefused):
        ask(real, client_assertion_type=BEARER, client_assertion=make(key))


def test_a_removed_certificate_ends_its_tokens(real: World) -> None:
    key = with_certificate(real)
    token = ask(real, client_assertion_type=BEARER, client_assertion=signed(key))["access_token"]
    principal = real.read(lambda tx: real.identity.principals.get(tx, "builder"))
    (held,) = real.read(lambda tx: real.identity.certificates.list(tx, principal))
    real.write(lambda tx: real.identity.principals.revoke_secret(tx, OPERATOR, principal, held.credential.id))
    with pytest.raises(TokenRevoked):
        real.identity.tokens.caller(token, Audience.EXCHANGE)


# --- people ------------------------------------------------------------------------------------------------------


def sign_in(world: World) -> dict[str, Any]:
    person = world.create("ada", "user")
    devices = world.identity.machines.devices
    want = Wanted("https://containerregistry.azure.net", Audience.EXCHANGE, offline=True)
    made = world.run(devices.begin(GrantRequest(PLACE, {"client_id": "pratique"}, address="192.0.2.1"), want))
    from pratique.core.permissions import Caller

    caller = Caller(person.id, "ada", "user", session_id="s")
    polling = {"client_id": "pratique", "grant_type": "device_code", "device_code": made.device_code}
    with pytest.raises(GrantRefused, match="Nobody"):
        ask(world, **polling)
    with pytest.raises(PollSlower):
        ask(world, **polling)
    world.run(devices.decide(caller, made.user_code, "192.0.2.1", approve=True))
    world.clock.advance(5)
    return ask(world, **polling)


def test_a_refresh_token_that_was_copied_ends_the_sign_in(world: World) -> None:
    first = sign_in(world)
    more = {"grant_type": "refresh_token", "client_id": "pratique"}
    second = ask(world, **more, refresh_token=first["refresh_token"])
    assert ask(world, **more, refresh_token=first["refresh_token"])["refresh_token"], "a lost answer may be asked again"
    world.clock.advance(31)
    with pytest.raises(GrantRefused, match="somebody has a copy"):
        ask(world, **more, refresh_token=first["refresh_token"])
    with pytest.raises(GrantRefused):
        ask(world, **more, refresh_token=second["refresh_token"])
    with pytest.raises(TokenRevoked):
        world.identity.tokens.caller(second["access_token"], Audience.EXCHANGE)


def test_a_new_password_ends_sign_ins_at_terminals(world: World) -> None:
    made = sign_in(world)
    person = world.read(lambda tx: world.identity.principals.get(tx, "ada"))
    world.write(lambda tx: world.identity.sessions.end_all(tx, person.id))
    with pytest.raises(TokenRevoked):
        world.identity.tokens.caller(made["access_token"], Audience.EXCHANGE)


# --- managed identities ------------------------------------------------------------------------------------------


def test_a_managed_identity_acts_through_its_holder_alone(world: World) -> None:
    web, agent, other = world.create("web", "managed"), world.create("agent"), world.create("other")
    managed, principals = world.identity.machines.managed, world.identity.principals
    held = world.write(lambda tx: managed.add_holder(tx, OPERATOR, web, "agent"))
    from pratique.core.errors import Denied
    from pratique.core.permissions import Caller

    def token(who: Any) -> str:
        caller = Caller(who.id, who.name, "service")
        answer = world.run(managed.token(caller, "web", "https://containerregistry.azure.net"))
        return str(answer["access_token"])

    first = token(agent)
    assert world.identity.tokens.caller(first, Audience.EXCHANGE).name == "web"
    with pytest.raises(Denied):
        token(other)
    world.write(lambda tx: principals.set_active(tx, OPERATOR, agent, active=False))
    with pytest.raises(TokenRevoked, match="may not act"):
        world.identity.tokens.caller(first, Audience.EXCHANGE)
    world.write(lambda tx: principals.set_active(tx, OPERATOR, agent, active=True))
    assert world.identity.tokens.caller(first, Audience.EXCHANGE).name == "web"
    world.write(lambda tx: principals.revoke_secret(tx, OPERATOR, web, held.credential.id))
    with pytest.raises(TokenRevoked):
        world.identity.tokens.caller(first, Audience.EXCHANGE)


# --- keys and revocation -----------------------------------------------------------------------------------------


def test_rotation_overlaps_and_a_discarded_key_verifies_nothing(world: World, admin_keys: Keys, secret: str) -> None:
    first = ask(world, client_secret=secret)["access_token"]
    admin_keys.rotate(Purpose.TOKEN)
    world.clock.advance(1)
    second = ask(world, client_secret=secret)["access_token"]
    published = {key.key_id for key in world.keys.public_keys(Purpose.TOKEN)}
    assert {jwt.get_unverified_header(token)["kid"] for token in (first, second)} == published
    caller = world.identity.tokens.caller
    assert caller(first, Audience.EXCHANGE) == caller(second, Audience.EXCHANGE)
    assert admin_keys.discard(Purpose.TOKEN) == 1
    world.write(lambda tx: raise_floor(tx, OPERATOR, world.identity.memory.changed, world.identity.audit, why="theft"))
    for token in (first, second):
        with pytest.raises(TokenRefused):
            caller(token, Audience.EXCHANGE)
    world.clock.advance(1)
    assert caller(ask(world, client_secret=secret)["access_token"], Audience.EXCHANGE).name == "builder"


def test_a_replaced_key_is_published_until_its_last_token_has_ended(admin_keys: Keys, clock: FakeClock) -> None:
    admin_keys.rotate(Purpose.TOKEN)
    clock.advance(90 * 86400)
    assert len(admin_keys.public_keys(Purpose.TOKEN)) == 2
    clock.advance(1)
    assert len(admin_keys.public_keys(Purpose.TOKEN)) == 1


@pytest.mark.parametrize("how", ["principal", "credential", "everything"])
def test_revocation_reaches_another_process_within_a_second(
    postgresql_url: str, keys: Keys, tmp_path: Path, how: str
) -> None:
    """Two API processes as they are apart: own connections, own memory, own hints; one database."""
    made = [open_database(postgresql_url, clock=SystemClock(), hints_directory=tmp_path / str(n)) for n in (1, 2)]
    here, there = (make_world(database, keys, SystemClock()) for database in made)
    try:
        principal = here.create()
        value = here.secret(principal)
        token = ask(here, client_secret=value.value)["access_token"]
        assert there.identity.tokens.caller(token, Audience.EXCHANGE).name == "builder"
        time.sleep(1.1)  # tokens count whole seconds
        principals, identity = here.identity.principals, here.identity
        if how == "principal":
            here.write(lambda tx: principals.revoke_tokens(tx, OPERATOR, principal))
        elif how == "credential":
            here.write(lambda tx: principals.revoke_secret(tx, OPERATOR, principal, value.credential.id))
        else:
            here.write(lambda tx: raise_floor(tx, OPERATOR, identity.memory.changed, identity.audit, why="test"))
        began = time.monotonic()
        with pytest.raises(TokenRevoked):
            here.identity.tokens.caller(token, Audience.EXCHANGE)
        while True:
            try:
                there.identity.tokens.caller(token, Audience.EXCHANGE)
            except TokenRevoked:
                break
            assert time.monotonic() - began < 1.5
            time.sleep(0.02)
        assert time.monotonic() - began < 1.2
    finally:
        for world in (here, there):
            world.identity.close()
            world.database.close()


# --- time tells nothing ------------------------------------------------------------------------------------------


def test_unknown_clients_are_refused_after_the_same_time_as_known_ones(world: World, secret: str) -> None:
    """Medians of interleaved tries, so that load meets both alike; their quotient, so that no machine is too slow."""
    spent: dict[str, list[float]] = {"builder": [], "nobody-here": []}
    for number in range(30):
        for name, times in spent.items():
            began = time.monotonic()
            with pytest.raises(ClientRefused):
                ask(world, client_id=name, client_secret="pqs_wrong", address=f"192.0.{number}.{len(times) % 250}")
            times.append(time.monotonic() - began)
    known, unknown = (statistics.median(times) for times in spent.values())
    assert min(spent["builder"] + spent["nobody-here"]) >= 0.02
    assert 0.8 < known / unknown < 1.25
