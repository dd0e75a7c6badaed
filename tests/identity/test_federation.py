"""Federated credentials: what a token of another issuer must say, and where its keys are never looked for."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.corpus.hostile_federation import CROSSINGS, ISSUERS, SUBJECTS
from tests.identity.conftest import World, make_world
from tests.identity.serving import OPERATOR, Issuer
from tests.tls_server import Asked, Authority, Reply
from tests.tls_server import world as serve

from pratique.core.clock import HOUR, MINUTE, SECOND, FakeClock, SystemClock
from pratique.core.database import Database
from pratique.core.errors import Invalid, PratiqueError
from pratique.core.keys.client import Keys
from pratique.core.outward import OutwardClient, OutwardRules
from pratique.core.outward.errors import OutwardRefused, OutwardUnavailable
from pratique.identity.federation import assertions
from pratique.identity.federation.subjects import check_subject, subject_matches
from pratique.identity.oauth.errors import ClientRefused
from pratique.identity.oauth.requests import GrantRequest, Place

SUBJECT = "system:serviceaccount:team:web"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PLACE = Place("https://localhost:8443", "common")


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        ("repo:team/app:ref:refs/heads/*", "repo:team/app:ref:refs/heads/main"),
        ("repo:team/*:environment:prod", "repo:team/app:environment:prod"),
    ],
)
def test_wildcards_stand_for_one_part(pattern: str, subject: str) -> None:
    check_subject(pattern, "wildcard")
    assert subject_matches(pattern, "wildcard", subject)


@pytest.mark.parametrize(("pattern", "subject"), CROSSINGS.values(), ids=CROSSINGS.keys())
def test_wildcards_never_cross_a_boundary(pattern: str, subject: str) -> None:
    check_subject(pattern, "wildcard")
    assert not subject_matches(pattern, "wildcard", subject)


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS.keys())
def test_patterns_that_reach_too_far_are_not_written_down(subject: str) -> None:
    with pytest.raises(Invalid):
        check_subject(subject, "wildcard")
    with pytest.raises(Invalid):
        check_subject(subject if "*" in subject else subject + " *", "exact")


@pytest.fixture
def issuer() -> Issuer:
    return Issuer("https://kubernetes.default.svc")


@pytest.fixture
def world(sqlite_database: Database, keys: Keys) -> Any:
    made = make_world(sqlite_database, keys, SystemClock())
    yield made
    made.identity.close()


def trust(world: World, issuer: Issuer, **more: Any) -> None:
    principal = world.create("web")
    given = {"issuer": issuer.url, "subject": SUBJECT, "keys": issuer.jwks, **more}
    world.write(lambda tx: world.identity.federation.add(tx, OPERATOR, principal, **given))


def ask(world: World, token: str, client: str = "web") -> dict[str, Any]:
    fields = {
        "grant_type": "client_credentials",
        "client_id": client,
        "scope": "https://containerregistry.azure.net/.default",
        "client_assertion_type": BEARER,
        "client_assertion": token,
    }
    return world.run(world.identity.machines.grants.answer(GrantRequest(PLACE, fields, address="192.0.2.1")))


def test_a_token_of_the_issuer_proves_the_principal(world: World, issuer: Issuer) -> None:
    trust(world, issuer)
    assert ask(world, issuer.token(SUBJECT))["token_type"] == "Bearer"


def _with_header(issuer: Issuer, **header: Any) -> str:
    claims = jwt.decode(issuer.token(SUBJECT), options={"verify_signature": False})
    return jwt.encode(claims, issuer.key, algorithm="RS256", headers={"kid": issuer.key_id, **header})


def _hs(issuer: Issuer) -> str:
    """The public key, which everybody has, taken for the key of a keyed hash."""
    import base64
    import hmac

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = jwt.decode(issuer.token(SUBJECT), options={"verify_signature": False})
    signed = f"{part({'alg': 'HS256', 'kid': issuer.key_id, 'typ': 'JWT'})}.{part(claims)}"
    pem = issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mac = base64.urlsafe_b64encode(hmac.digest(pem, signed.encode(), "sha256")).rstrip(b"=").decode()
    return f"{signed}.{mac}"


def _none(issuer: Issuer) -> str:
    claims = jwt.decode(issuer.token(SUBJECT), options={"verify_signature": False})
    return jwt.encode(claims, "", algorithm="none", headers={"kid": issuer.key_id})


ATTACKS: dict[str, Callable[[Issuer], str]] = {
    "no algorithm": _none,
    "keyed hash with the public key": _hs,
    "another key under the same id": lambda one: Issuer(one.url, one.key_id).token(SUBJECT),
    "unknown key id": lambda one: _with_header(one, kid="k2"),
    "key id that is a path": lambda one: _with_header(one, kid="../../dev/null"),
    "key id that is an address": lambda one: _with_header(one, kid="https://evil.example/k"),
    "another issuer": lambda one: one.token(SUBJECT, iss="https://evil.example"),
    "issuer with a slash more": lambda one: one.token(SUBJECT, iss=one.url + "/"),
    "issuer in capitals": lambda one: one.token(SUBJECT, iss=one.url.upper()),
    "another audience": lambda one: one.token(SUBJECT, aud="https://kubernetes.default.svc"),
    "two audiences": lambda one: one.token(SUBJECT, aud=["api://AzureADTokenExchange", "vault"]),
    "no audience": lambda one: one.token(SUBJECT, aud=None),
    "another subject": lambda one: one.token("system:serviceaccount:team:other"),
    "subject in capitals": lambda one: one.token(SUBJECT.upper()),
    "subject with a look-alike": lambda one: one.token(SUBJECT.replace("e", "\u0435", 1)),
    "subject with a blank": lambda one: one.token(SUBJECT + " "),
    "subject with a control": lambda one: one.token(SUBJECT + "\x00"),
    "expired": lambda one: one.token(SUBJECT, exp=1_700_000_000),
    "no end": lambda one: one.token(SUBJECT, exp=None),
    "for years": lambda one: one.token(SUBJECT, exp=9_000_000_000),
    "not yet": lambda one: one.token(SUBJECT, nbf=8_000_000_000),
    "made in the future": lambda one: one.token(SUBJECT, iat=8_000_000_000),
    "extensions that must be understood": lambda one: _with_header(one, crit=["x"], x=1),
    "too long": lambda one: one.token(SUBJECT, pad="x" * 20_000),
    "no token": lambda _: "a.b.c",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_attacks_are_refused(world: World, issuer: Issuer, attack: Callable[[Issuer], str]) -> None:
    trust(world, issuer)
    with pytest.raises(ClientRefused):
        ask(world, attack(issuer))


def test_keys_and_addresses_in_a_header_are_not_followed(world: World, issuer: Issuer) -> None:
    """A thief's key inside the header, or at an address in it, does not count; nor does it hurt a good token."""
    trust(world, issuer)
    thief = Issuer(issuer.url, "thief")
    jwk = thief.jwks["keys"][0]  # type: ignore[index]
    claims = jwt.decode(issuer.token(SUBJECT), options={"verify_signature": False})
    for extra in ({"jwk": jwk}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example/c"}):
        forged = jwt.encode(claims, thief.key, algorithm="RS256", headers={"kid": issuer.key_id, **extra})
        with pytest.raises(ClientRefused, match="does not verify"):
            ask(world, forged)


def test_names_that_stand_twice_are_refused() -> None:
    import base64

    def part(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    with pytest.raises(ClientRefused):
        assertions.opened(".".join([part('{"alg":"RS256"}'), part('{"sub":"a","sub":"b"}'), "AA"]))


@pytest.mark.parametrize("issuer_url", ISSUERS.values(), ids=ISSUERS.keys())
def test_issuers_that_lead_inside_are_not_written_down(world: World, issuer_url: str) -> None:
    principal = world.create("web")
    with pytest.raises(PratiqueError) as raised:
        world.write(
            lambda tx: world.identity.federation.add(tx, OPERATOR, principal, issuer=issuer_url, subject=SUBJECT)
        )
    assert raised.value.status in (400, 403)


class Site:
    """An issuer's documents behind the outward client's interface of numbers: every request is counted."""

    def __init__(self, issuer: Issuer, world: World) -> None:
        self.issuer = issuer
        self.up = True
        self.asked = 0
        self.configuration: dict[str, Any] = {"issuer": issuer.url, "jwks_uri": issuer.url + "/jwks"}
        issuers = world.identity.federation.issuers
        issuers._json = self.json  # type: ignore[method-assign]

    def json(self, address: str) -> Any:
        self.asked += 1
        if not self.up:
            raise OutwardUnavailable("away")
        return self.configuration if address.endswith("configuration") else self.issuer.jwks


def test_an_issuer_may_be_away_for_a_stated_time(sqlite_database: Database, keys: Keys, clock: FakeClock) -> None:
    world = make_world(sqlite_database, keys, clock, issuer_away=86400.0)
    site = Site(Issuer(), world)
    issuers = world.identity.federation.issuers

    def candidates(key_id: str = "k1") -> int:
        return len(asyncio.run(issuers.keys(site.issuer.url, key_id)))

    try:
        assert candidates() == 1
        assert site.asked == 2
        candidates()
        assert site.asked == 2, "kept for an hour"
        clock.advance(2 * HOUR // SECOND)
        site.up = False
        assert candidates() == 1
        clock.advance(21 * HOUR // SECOND)
        assert candidates() == 1
        clock.advance(2 * HOUR // SECOND)
        with pytest.raises(OutwardUnavailable, match="too old"):
            candidates()
        site.up = True
        clock.advance(2 * MINUTE // SECOND)
        assert candidates() == 1
        before = site.asked
        for number in range(20):
            assert candidates(f"unknown-{number}") == 0
        assert site.asked <= before + 2, "a stranger's key ids make nobody ask again and again"
        site.issuer.key_id = "k2"
        clock.advance(2 * MINUTE // SECOND)
        assert candidates("k2") == 1
    finally:
        world.identity.close()


def test_a_configuration_of_another_issuer_is_refused(world: World) -> None:
    site = Site(Issuer(), world)
    site.configuration["issuer"] = "https://evil.example"
    with pytest.raises(OutwardRefused, match="another issuer"):
        world.identity.federation.issuers.fetch(site.issuer.url)


def test_a_name_that_leads_inside_is_not_asked(sqlite_database: Database, keys: Keys, clock: FakeClock) -> None:
    outward = OutwardClient(resolver=lambda _host, _port: ["10.0.0.7"])
    world = make_world(sqlite_database, keys, clock, outward=outward)
    try:
        with pytest.raises(OutwardRefused, match="private address"):
            world.identity.federation.issuers.fetch("https://issuer.test")
    finally:
        world.identity.close()


ISSUER = "https://issuer.test"


class Forge:
    """A real issuer over TLS under a name of its own, whose answers a test can bend."""

    def __init__(self) -> None:
        self.issuer = Issuer(ISSUER)
        self.bent: dict[str, Reply] = {}

    def answer(self, asked: Asked) -> Reply:
        if asked.path in self.bent:
            return self.bent[asked.path]
        if asked.path == "/.well-known/openid-configuration":
            return Reply(body=json.dumps({"issuer": self.issuer.url, "jwks_uri": f"{self.issuer.url}/jwks"}).encode())
        return Reply(body=json.dumps(self.issuer.jwks).encode())


@pytest.fixture
def forge(sqlite_database: Database, keys: Keys, tmp_path: Path) -> Iterator[tuple[Forge, World]]:
    made, authority = Forge(), Authority(tmp_path)
    with serve(made.answer, authority, "issuer.test") as server:
        made.issuer.url = f"https://issuer.test:{server.port}"
        outward = OutwardClient(
            OutwardRules.of(["issuer.test", "other.test"]), ca=authority.path, resolver=lambda _h, _p: ["127.0.0.1"]
        )
        world = make_world(sqlite_database, keys, SystemClock(), outward=outward)
        yield made, world
        world.identity.close()
        outward.close()


def test_keys_of_a_real_issuer_prove_a_workload(forge: tuple[Forge, World]) -> None:
    made, world = forge
    trust(world, made.issuer, keys=None)
    assert ask(world, made.issuer.token(SUBJECT))["access_token"]


@pytest.mark.parametrize(
    ("path", "reply"),
    [
        ("/.well-known/openid-configuration", Reply(302, {"location": "https://other.test/c"})),
        ("/.well-known/openid-configuration", Reply(302, {"location": "http://issuer.test/c"})),
        ("/.well-known/openid-configuration", Reply(302, {"location": "https://169.254.169.254/latest"})),
        ("/.well-known/openid-configuration", Reply(302, {"location": "file:///etc/passwd"})),
        ("/.well-known/openid-configuration", Reply(body=b"[" * 100_000)),
        ("/.well-known/openid-configuration", Reply(body=b" " * 300_000)),
        ("/.well-known/openid-configuration", Reply(500)),
        ("/jwks", Reply(302, {"location": "https://10.0.0.1/jwks"})),
        ("/jwks", Reply(body=b'{"keys":[]}')),
        ("/jwks", Reply(body=b'{"keys":[{"kty":"oct","k":"AAAA","kid":"k1"}]}')),
    ],
)
def test_a_bent_issuer_proves_nobody(forge: tuple[Forge, World], path: str, reply: Reply) -> None:
    made, world = forge
    trust(world, made.issuer, keys=None)
    made.bent[path] = reply
    with pytest.raises(PratiqueError) as raised:
        ask(world, made.issuer.token(SUBJECT))
    assert raised.value.status in (401, 503)


@pytest.mark.parametrize(
    "address",
    [
        "http://issuer.test/k",
        "file:///etc/passwd",
        "https://127.0.0.1/k",
        "https://[::ffff:169.254.169.254]/k",
        "gopher://x",
    ],
)
def test_keys_are_not_fetched_from_inside(forge: tuple[Forge, World], address: str) -> None:
    made, world = forge
    document = {"issuer": made.issuer.url, "jwks_uri": address}
    made.bent["/.well-known/openid-configuration"] = Reply(body=json.dumps(document).encode())
    with pytest.raises(OutwardRefused):
        world.identity.federation.issuers.fetch(made.issuer.url)
