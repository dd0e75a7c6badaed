"""Passkeys: set up by link, used to sign in, and every answer that must not be accepted."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.identity.authenticator import SoftPasskey, encode
from tests.identity.conftest import World
from tests.identity.test_people import link_for

from pratique.core.errors import Conflict, Invalid
from pratique.core.permissions import OPERATOR, Caller
from pratique.identity.errors import LinkGone, SignInRefused, SignInTooOld
from pratique.identity.passkeys import RelyingParty
from pratique.identity.types import NewSession

PARTY = RelyingParty.of("localhost:8443")
HERE: dict[str, str] = {"address": "192.0.2.1", "agent": "test"}


def passkey() -> SoftPasskey:
    return SoftPasskey("https://localhost:8443", "localhost")


def register(world: World, key: SoftPasskey, name: str = "ann") -> NewSession:
    principal = world.create(name, "user")
    secret = link_for(world, principal).secret
    ticket = world.write(lambda tx: world.identity.links.open(tx, secret))
    options = world.run(world.identity.passkeys.registration_options(ticket.value, PARTY))
    answer = key.create(options)
    return world.run(world.identity.passkeys.register(ticket.value, answer, PARTY, label="laptop", **HERE))


def sign_in(world: World, answer: dict[str, Any], party: RelyingParty = PARTY) -> NewSession:
    return world.run(world.identity.passkeys.sign_in(answer, party, **HERE))


@pytest.fixture
def key(world: World) -> SoftPasskey:
    made = passkey()
    register(world, made)
    return made


def test_a_passkey_signs_its_owner_in(world: World, key: SoftPasskey) -> None:
    session = sign_in(world, key.get(world.identity.passkeys.sign_in_options(PARTY)))
    caller = world.run(world.identity.sessions.caller(session.cookie))
    assert caller.name == "ann"


def test_options_ask_for_verification_and_name_nobody(world: World, key: SoftPasskey) -> None:
    options = world.identity.passkeys.sign_in_options(PARTY)
    assert options["userVerification"] == "required"
    assert not options.get("allowCredentials")
    assert options["rpId"] == "localhost"


def test_an_answer_is_accepted_once(world: World, key: SoftPasskey) -> None:
    answer = key.get(world.identity.passkeys.sign_in_options(PARTY))
    sign_in(world, answer)
    with pytest.raises(SignInRefused):
        sign_in(world, answer)


def test_many_at_once_use_an_answer_once(both: World) -> None:
    made = passkey()
    register(both, made)
    made.count = -1  # a passkey that does not count: only the challenge protects from a replay
    answer = made.get(both.identity.passkeys.sign_in_options(PARTY))

    async def race() -> list[NewSession | BaseException]:
        tries = (both.identity.passkeys.sign_in(answer, PARTY, **HERE) for _ in range(5))
        return await asyncio.gather(*tries, return_exceptions=True)

    results = asyncio.run(race())
    assert sum(isinstance(result, NewSession) for result in results) == 1
    assert sum(isinstance(result, SignInRefused) for result in results) == 4


def test_a_challenge_ends_after_five_minutes(world: World, key: SoftPasskey) -> None:
    options = world.identity.passkeys.sign_in_options(PARTY)
    world.clock.advance(301)
    with pytest.raises(SignInRefused, match="too long"):
        sign_in(world, key.get(options))


Change = Callable[[SoftPasskey], None]


@pytest.mark.parametrize(
    "change",
    [
        lambda key: setattr(key, "origin", "https://evil.example"),
        lambda key: setattr(key, "origin", "https://localhost:9999"),
        lambda key: setattr(key, "host", "evil.example"),
        lambda key: setattr(key, "verified", False),
        lambda key: setattr(key, "key", passkey().key),
        lambda key: setattr(key, "id", b"x" * 32),
        lambda key: setattr(key, "count", -1),
    ],
    ids=["other-origin", "other-port", "other-party", "not-verified", "other-key", "unknown-id", "count-went-back"],
)
def test_answers_that_do_not_fit_are_refused(world: World, key: SoftPasskey, change: Change) -> None:
    sign_in(world, key.get(world.identity.passkeys.sign_in_options(PARTY)))
    change(key)
    with pytest.raises(SignInRefused):
        sign_in(world, key.get(world.identity.passkeys.sign_in_options(PARTY)))


@pytest.mark.parametrize("challenge", [b"", b"x" * 16, b"x" * 56, b"\xff" * 80])
def test_made_up_challenges_are_refused(world: World, key: SoftPasskey, challenge: bytes) -> None:
    with pytest.raises(SignInRefused):
        sign_in(world, key.get({"challenge": encode(challenge)}))


@pytest.mark.parametrize("answer", [{}, {"id": 1}, {"response": []}, {"response": {"clientDataJSON": "!"}}])
def test_answers_that_are_none_are_refused(world: World, key: SoftPasskey, answer: dict[str, Any]) -> None:
    with pytest.raises(SignInRefused):
        sign_in(world, answer)


def test_a_disabled_owner_is_refused(world: World, key: SoftPasskey) -> None:
    principal = world.read(lambda tx: world.identity.principals.get(tx, "ann"))
    world.write(lambda tx: world.identity.principals.set_active(tx, OPERATOR, principal, active=False))
    with pytest.raises(SignInRefused):
        sign_in(world, key.get(world.identity.passkeys.sign_in_options(PARTY)))


def test_registration_needs_its_own_challenge_and_uses_the_ticket_up(world: World) -> None:
    principal = world.create("bob", "user")
    secret = link_for(world, principal).secret
    ticket = world.write(lambda tx: world.identity.links.open(tx, secret))
    made = passkey()
    with pytest.raises(SignInRefused):
        world.run(world.identity.passkeys.register(ticket.value, {}, PARTY, label="", **HERE))
    options = world.run(world.identity.passkeys.registration_options(ticket.value, PARTY))
    assert options["authenticatorSelection"]["userVerification"] == "required"
    wrong = made.create({"challenge": encode(b"other")})
    with pytest.raises(SignInRefused):
        world.run(world.identity.passkeys.register(ticket.value, wrong, PARTY, label="", **HERE))
    good = made.create(options)
    world.run(world.identity.passkeys.register(ticket.value, good, PARTY, label="", **HERE))
    with pytest.raises(LinkGone):
        world.run(world.identity.passkeys.register(ticket.value, good, PARTY, label="", **HERE))


@pytest.mark.parametrize("host", ["127.0.0.1:8443", "[::1]:8443", ""])
def test_bare_addresses_have_no_passkeys(host: str) -> None:
    with pytest.raises(Invalid):
        RelyingParty.of(host)


class TestAddingWhileSignedIn:
    """A further passkey is made by who has just signed in, in that very session, once."""

    def session(self, world: World, key: SoftPasskey) -> Caller:
        session = sign_in(world, key.get(world.identity.passkeys.sign_in_options(PARTY)))
        return world.run(world.identity.sessions.caller(session.cookie))

    def options(self, world: World, caller: Caller) -> dict[str, Any]:
        return world.run(world.identity.passkeys.adding_options(caller, PARTY))

    def add(self, world: World, caller: Caller, answer: dict[str, Any]) -> None:
        world.run(world.identity.passkeys.add(caller, answer, PARTY, label="phone"))

    def test_the_second_one_signs_in_too(self, world: World, key: SoftPasskey) -> None:
        caller, second = self.session(world, key), passkey()
        options = self.options(world, caller)
        assert len(options["excludeCredentials"]) == 1
        self.add(world, caller, second.create(options))
        kept = world.read(lambda tx: world.identity.passkeys.list(tx, caller.principal_id))
        assert {one.label for one in kept} == {"laptop", "phone"}
        assert self.session(world, second).name == "ann"

    def test_an_answer_is_kept_once(self, world: World, key: SoftPasskey) -> None:
        caller = self.session(world, key)
        answer = passkey().create(self.options(world, caller))
        self.add(world, caller, answer)
        with pytest.raises((SignInRefused, Conflict)):
            self.add(world, caller, answer)

    def test_an_older_session_is_refused_at_both_steps(self, world: World, key: SoftPasskey) -> None:
        caller = self.session(world, key)
        world.clock.advance(9 * 60)
        answer = passkey().create(self.options(world, caller))
        world.clock.advance(2 * 60)
        with pytest.raises(SignInTooOld):
            self.add(world, caller, answer)
        with pytest.raises(SignInTooOld):
            self.options(world, caller)

    def test_the_challenge_of_another_session_or_of_signing_in_is_refused(self, world: World, key: SoftPasskey) -> None:
        one, other = self.session(world, key), self.session(world, key)
        with pytest.raises(SignInRefused):
            self.add(world, one, passkey().create(self.options(world, other)))
        signing = world.identity.passkeys.sign_in_options(PARTY)["challenge"]
        with pytest.raises(SignInRefused):
            self.add(world, one, passkey().create({**self.options(world, one), "challenge": signing}))
