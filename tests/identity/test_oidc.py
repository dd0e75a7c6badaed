"""Sign-in through providers: who may come, as whom, and every way in which an answer can be for something else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.identity.conftest import World, make_world
from tests.identity.provider import FakeProvider, by_key_in_header, by_public_key, unsigned
from tests.identity.test_groups import group
from tests.identity.test_rights import caller
from tests.tls_server import Authority
from tests.tls_server import world as serving

from pratique.core.clock import FakeClock
from pratique.core.database import Database
from pratique.core.errors import Invalid, PratiqueError, Unauthenticated
from pratique.core.keys.client import Keys
from pratique.core.outward import OutwardClient, OutwardRules
from pratique.core.permissions import OPERATOR, Permission
from pratique.identity.errors import BeyondOwnRights, SignInRefused
from pratique.identity.oidc.types import NewProvider, Provider
from pratique.identity.types import NewSession

CALLBACK = "https://localhost:8443/sign-in/provider/corp/callback"


@dataclass
class Corp:
    """A world with a provider, and the walk of a browser."""

    world: World
    fake: FakeProvider
    provider: Provider

    def leave(self, following: str = "/recommendations") -> tuple[dict[str, str], str]:
        """Return what the provider is asked, and the cookie."""
        beginning = self.world.run(self.world.identity.flow.begin(self.provider.id, CALLBACK, following))
        asked = {name: values[0] for name, values in parse_qs(urlsplit(beginning.address).query).items()}
        self.fake.claims.setdefault("sub", "ada")
        self.fake.claims["nonce"] = asked["nonce"]
        return asked, beginning.cookie

    def come_back(self, cookie: str, **answer: str) -> NewSession:
        identity = self.world.identity
        told = {"code": "c", "iss": self.fake.issuer} | answer
        returned = self.world.run(identity.flow.finish(self.provider.id, CALLBACK, cookie, told))
        return self.world.write(lambda tx: identity.entering.enter(tx, returned, address="192.0.2.1", agent="test"))

    def sign_in(self, **claims: Any) -> NewSession:
        self.fake.claims = dict(claims)
        asked, cookie = self.leave()
        return self.come_back(cookie, state=asked["state"])

    def name_of(self, session: NewSession) -> str:
        return self.world.read(lambda tx: self.world.identity.principals.get(tx, session.session.principal_id)).name


ADA = {"sub": "ada", "email": "Ada@Corp.example", "email_verified": True, "groups": ["builders"], "name": "Ada"}


@pytest.fixture
def corp(sqlite_database: Database, keys: Keys, clock: FakeClock, tmp_path: Path) -> Iterator[Corp]:
    fake, authority = FakeProvider(clock), Authority(tmp_path)
    with serving(fake.asked, authority, fake.host) as server:
        fake.issuer = f"https://{fake.host}:{server.port}"
        rules = OutwardRules.of([fake.host])
        outward = OutwardClient(rules, ca=authority.path, resolver=lambda _host, _port: ["127.0.0.1"])
        made = make_world(sqlite_database, keys, clock, outward=outward)
        wanted = NewProvider(
            "corp", "Corp", fake.issuer, "pratique", client_secret="s&=+ ä", allowed_domains=("corp.example",)
        )
        provider = made.write(lambda tx: made.identity.providers.add(tx, OPERATOR, wanted))
        yield Corp(made, fake, provider)
        made.identity.close()
        outward.close()


def test_whoever_may_come_gets_a_session_and_no_rights(corp: Corp) -> None:
    session = corp.sign_in(**ADA)
    assert corp.name_of(session) == "ada@corp.example"
    assert session.session.method == "oidc/corp"
    person = corp.world.read(lambda tx: corp.world.identity.principals.get(tx, "ada@corp.example"))
    assert person.display_name == "Ada"
    assert not any(corp.world.may(person, permission, "/") for permission in Permission)
    assert corp.name_of(corp.sign_in(**ADA | {"email": "renamed@corp.example"})) == "ada@corp.example"


def test_the_exchange_proves_the_browser_and_the_client(corp: Corp) -> None:
    corp.sign_in(**ADA)
    import base64
    from urllib.parse import unquote_plus

    (form,) = corp.fake.exchanged
    assert len(form["code_verifier"]) >= 43
    assert form["redirect_uri"] == CALLBACK
    name, _, secret = base64.b64decode(form["authorization"].removeprefix("Basic ")).decode().partition(":")
    assert (unquote_plus(name), unquote_plus(secret)) == ("pratique", "s&=+ ä")


def test_groups_of_the_provider_become_groups_here_at_each_sign_in(corp: Corp) -> None:
    world, builders = corp.world, group(corp.world)
    world.assign(builders, "AcrPush", "/registry/team")
    world.write(lambda tx: world.identity.providers.map_group(tx, OPERATOR, corp.provider, "builders", builders))
    session = corp.sign_in(**ADA)
    person = world.read(lambda tx: world.identity.principals.get(tx, session.session.principal_id))
    assert world.may(person, Permission.REGISTRY_CONTENT_WRITE, "/registry/team/app")
    corp.sign_in(**ADA | {"groups": ["others"]})
    assert not world.may(person, Permission.REGISTRY_CONTENT_WRITE, "/registry/team/app")


def test_what_the_token_does_not_say_is_asked_of_the_same_person(corp: Corp) -> None:
    corp.fake.userinfo = dict(ADA)
    assert corp.name_of(corp.sign_in(sub="ada")) == "ada@corp.example"
    corp.fake.userinfo = ADA | {"sub": "eve"}
    with pytest.raises(SignInRefused, match="another person"):
        corp.sign_in(sub="ada")


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "x"},
        {"sub": "x", "email": "x@corp.example"},
        {"sub": "x", "email": "x@corp.example", "email_verified": "true"},
        {"sub": "x", "email": "x@evil.example", "email_verified": True},
        {"sub": "x", "email": "x@corp.example.evil.example", "email_verified": True},
        {"sub": "x", "email": "x@sub.corp.example", "email_verified": True},
        {"sub": "x", "email": "x@evil.example@corp.exampl\N{CYRILLIC SMALL LETTER IE}", "email_verified": True},
        {"sub": "x", "email": ["x@corp.example"], "email_verified": True},
        {"sub": "x", "groups": ["admins"]},
    ],
)
def test_whoever_nobody_allowed_stays_outside(corp: Corp, claims: dict[str, Any]) -> None:
    with pytest.raises(SignInRefused, match="may not come in"):
        corp.sign_in(**claims)
    assert corp.world.read(lambda tx: corp.world.identity.principals.list(tx, kind="user")).items == ()


def test_no_account_is_reached_by_its_name_or_address(corp: Corp) -> None:
    world = corp.world
    local = world.create("ada@corp.example", "user")
    world.assign(local, "Owner", "/")
    session = corp.sign_in(**ADA)
    assert session.session.principal_id != local.id
    assert corp.name_of(session).startswith("corp-")


def test_whoever_was_linked_comes_as_that_person(corp: Corp) -> None:
    world, local = corp.world, corp.world.create("grace", "user")
    world.write(lambda tx: world.identity.providers.link(tx, OPERATOR, corp.provider, "g-1", local))
    for _ in range(2):
        assert corp.sign_in(sub="g-1").session.principal_id == local.id
    world.write(lambda tx: world.identity.principals.set_active(tx, OPERATOR, local, active=False))
    with pytest.raises(SignInRefused, match="disabled"):
        corp.sign_in(sub="g-1")


def test_nobody_links_or_maps_to_more_than_they_hold(corp: Corp) -> None:
    world, helper, boss = corp.world, corp.world.create("helper", "user"), corp.world.create("boss", "user")
    world.assign(boss, "Owner", "/")
    admins = group(world, "admins")
    world.assign(admins, "Owner", "/")
    from pratique.core.permissions import Scope
    from pratique.identity.custom_roles import Definition

    def empower(tx: Any) -> None:
        role = world.identity.roles.create(tx, OPERATOR, "Provider Editor", Definition(("identity/providers/write",)))
        world.identity.assignments.create(tx, OPERATOR, helper, role, Scope.root())

    world.write(empower)
    service = world.identity.providers
    with pytest.raises(BeyondOwnRights):
        world.write(lambda tx: service.link(tx, caller(helper), corp.provider, "me", boss))
    with pytest.raises(BeyondOwnRights):
        world.write(lambda tx: service.map_group(tx, caller(helper), corp.provider, "everybody", admins))


def claim(name: str, value: Any) -> Callable[[FakeProvider, dict[str, Any]], str]:
    return lambda fake, claims: fake.sign(claims | {name: value})


FORGERIES: dict[str, Callable[[FakeProvider, dict[str, Any]], str]] = {
    "no signature": unsigned,
    "public key as secret": by_public_key,
    "key in the header": by_key_in_header,
    "key that nobody knows": lambda fake, claims: fake.sign(claims, kid="two"),
    "another issuer": claim("iss", "https://evil.example"),
    "issuer with a slash": lambda fake, claims: fake.sign(claims | {"iss": claims["iss"] + "/"}),
    "another audience": claim("aud", "other"),
    "two audiences, no party": claim("aud", ["pratique", "other"]),
    "another party": claim("azp", "other"),
    "another nonce": claim("nonce", "other"),
    "no nonce": claim("nonce", None),
    "over": claim("exp", 1),
    "no end": claim("exp", None),
    "nobody": claim("sub", ""),
    "number as subject": claim("sub", 7),
    "no token at all": lambda _fake, _claims: "a.b.c",
}


@pytest.mark.parametrize("fault", FORGERIES)
def test_forged_tokens_are_refused(corp: Corp, fault: str) -> None:
    corp.fake.forge = FORGERIES[fault]
    with pytest.raises(Unauthenticated):
        corp.sign_in(**ADA)


def test_an_answer_counts_once_in_its_browser_from_its_provider(corp: Corp) -> None:
    corp.fake.claims = dict(ADA)
    asked, cookie = corp.leave()
    other_asked, other_cookie = corp.leave()
    corp.fake.claims["nonce"] = asked["nonce"]
    for wrong_cookie, answer in (
        ("", {"state": asked["state"]}),
        ("x" * 300, {"state": asked["state"]}),
        (cookie[:-4] + "AAAA", {"state": asked["state"]}),
        (other_cookie, {"state": asked["state"]}),
        (cookie, {"state": other_asked["state"]}),
        (cookie, {"state": ""}),
        (cookie, {"state": asked["state"], "iss": "https://evil.example"}),
        (cookie, {"state": asked["state"], "iss": ""}),
        (cookie, {"state": asked["state"], "code": ""}),
        (cookie, {"state": asked["state"], "error": "access_denied"}),
    ):
        with pytest.raises(SignInRefused):
            corp.come_back(wrong_cookie, **answer)
    corp.come_back(cookie, state=asked["state"])
    with pytest.raises(SignInRefused, match="used already"):
        corp.come_back(cookie, state=asked["state"])


def test_a_cookie_for_one_provider_is_none_for_another(corp: Corp) -> None:
    world, wanted = corp.world, NewProvider("other", "Other", corp.fake.issuer, "pratique")
    world.write(lambda tx: world.identity.providers.add(tx, OPERATOR, wanted))
    corp.fake.claims = dict(ADA)
    asked, cookie = corp.leave()
    with pytest.raises(SignInRefused):
        world.run(world.identity.flow.finish("other", CALLBACK, cookie, {"code": "c", "state": asked["state"]}))


def test_a_sign_in_that_takes_too_long_is_over(corp: Corp) -> None:
    corp.fake.claims = dict(ADA)
    asked, cookie = corp.leave()
    corp.world.clock.advance(601)
    with pytest.raises(SignInRefused, match="too long"):
        corp.come_back(cookie, state=asked["state"])


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://idp.test/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
        {"token_endpoint": "https://169.254.169.254/token"},
        {"userinfo_endpoint": "https://user:pass@idp.test/"},
    ],
)
def test_a_configuration_that_leads_elsewhere_is_refused(corp: Corp, configuration: dict[str, Any]) -> None:
    corp.fake.configuration = configuration
    with pytest.raises(PratiqueError):
        corp.leave()


def test_pressing_the_button_often_asks_a_broken_provider_seldom(corp: Corp) -> None:
    corp.fake.configuration = {"issuer": "https://evil.example"}
    for _ in range(20):
        with pytest.raises(PratiqueError):
            corp.leave()
    assert corp.fake.answers == 1
    corp.fake.configuration = {}
    corp.world.clock.advance(16)
    corp.leave()


@pytest.mark.parametrize(
    "wanted",
    [
        NewProvider("Corp!", "x", "https://idp.test", "c"),
        NewProvider("direct", "x", "https://idp.test", "c"),
        NewProvider("a/../b", "x", "https://idp.test", "c"),
        NewProvider("plain", "x", "http://idp.test", "c"),
        NewProvider("inside", "x", "https://127.0.0.1:1", "c"),
        NewProvider("query", "x", "https://idp.test/?a", "c"),
        NewProvider("nobody", "x", "https://idp.test", ""),
        NewProvider("stars", "x", "https://idp.test", "c", allowed_domains=("*.corp.example",)),
        NewProvider("top", "x", "https://idp.test", "c", allowed_domains=("example",)),
        NewProvider("odd", "x", "https://idp.test", "c", scopes=("a b",)),
    ],
)
def test_a_provider_that_is_unclear_is_refused(corp: Corp, wanted: NewProvider) -> None:
    with pytest.raises(Invalid):
        corp.world.write(lambda tx: corp.world.identity.providers.add(tx, OPERATOR, wanted))


def test_the_secret_of_a_provider_is_not_stored_readably(corp: Corp) -> None:
    import sqlalchemy as sa

    from pratique.identity.oidc.tables import providers

    row = corp.world.read(lambda tx: tx.execute(sa.select(providers)).one())
    assert b"s&=+" not in bytes(row.client_secret)
    assert "s&=+" not in repr(corp.provider) + repr(NewProvider("a", "b", "c", "d", client_secret="s&=+"))


def test_removing_a_provider_takes_its_groups_and_its_way_in(corp: Corp) -> None:
    world, builders = corp.world, group(corp.world)
    world.write(lambda tx: world.identity.providers.map_group(tx, OPERATOR, corp.provider, "builders", builders))
    signed_in = corp.sign_in(**ADA).session
    person = world.read(lambda tx: world.identity.principals.get(tx, signed_in.principal_id))
    world.write(lambda tx: world.identity.providers.delete(tx, OPERATOR, corp.provider))
    assert world.read(lambda tx: world.identity.groups.of(tx, person)) == []
    with pytest.raises(PratiqueError):
        corp.leave()
