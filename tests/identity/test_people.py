"""How people sign in: one-time link, password with code, sessions; and how that cannot be abused."""

import asyncio
from collections.abc import Callable

import pyotp
import pytest
import sqlalchemy as sa
from tests.identity.conftest import World

from pratique.core.clock import SECOND
from pratique.core.errors import Busy, Invalid, PratiqueError
from pratique.core.permissions import OPERATOR, Permission, Scope
from pratique.identity.errors import ForgeryRefused, LinkGone, LockedOut, SignInRefused, TokenRefused
from pratique.identity.links import OneTimeLink
from pratique.identity.steps import Ticket
from pratique.identity.tables import login_failures
from pratique.identity.types import NewSession, Principal

PASSWORD = "five words make a password"
HERE = {"address": "192.0.2.1", "agent": "test"}


def link_for(world: World, principal: Principal) -> OneTimeLink:
    return world.write(lambda tx: world.identity.links.make(tx, OPERATOR, principal))


def code_at(world: World, secret: str, offset: int = 0) -> str:
    return pyotp.TOTP(secret).at(world.clock.now() // SECOND + offset)


def enrol(world: World, link: OneTimeLink, password: str = PASSWORD) -> tuple[NewSession, str]:
    ticket = world.write(lambda tx: world.identity.links.open(tx, link.secret))
    setup = world.run(world.identity.people.start_code(ticket.value))
    code = code_at(world, setup.secret)
    return world.run(world.identity.people.set_password(ticket.value, password, code, **HERE)), setup.secret


@pytest.fixture
def ann(world: World) -> tuple[Principal, str]:
    """A person with password and code."""
    principal = world.create("ann", "user")
    _, secret = enrol(world, link_for(world, principal))
    world.clock.advance(120)
    return principal, secret


def check_password(world: World, name: str, password: str, address: str = "192.0.2.1") -> Ticket:
    return world.run(world.identity.people.check_password(name, password, address=address))


def sign_in(world: World, secret: str, name: str = "ann") -> NewSession:
    ticket = check_password(world, name, PASSWORD)
    return world.run(world.identity.people.check_code(ticket.value, code_at(world, secret), **HERE))


def test_the_first_link_makes_an_owner_and_only_while_nobody_is_there(both: World) -> None:
    link = both.write(both.identity.links.first)
    assert link is not None
    again = both.write(both.identity.links.first)
    assert again is not None
    with pytest.raises(LinkGone):
        both.read(lambda tx: both.identity.links.look(tx, link.secret))
    session, _ = enrol(both, again)
    caller = both.run(both.identity.sessions.caller(session.cookie))
    assert caller.name == "admin"
    assert both.identity.authorizer.allowed(caller, Permission.IDENTITY_PRINCIPALS_WRITE, Scope.root())
    assert both.write(both.identity.links.first) is None


def test_looking_at_a_link_does_not_use_it_up(world: World) -> None:
    link = link_for(world, world.create("ann", "user"))
    for _ in range(3):
        assert world.read(lambda tx: world.identity.links.look(tx, link.secret)).name == "ann"
    assert world.write(lambda tx: world.identity.links.open(tx, link.secret))


def test_a_replayed_link_finds_nothing(both: World) -> None:
    link = link_for(both, both.create("ann", "user"))
    both.write(lambda tx: both.identity.links.open(tx, link.secret))
    with pytest.raises(LinkGone):
        both.write(lambda tx: both.identity.links.open(tx, link.secret))


def test_many_at_once_open_a_link_once(both: World) -> None:
    link = link_for(both, both.create("ann", "user"))

    async def race() -> list[Ticket | BaseException]:
        opening = (both.database.write_async(lambda tx: both.identity.links.open(tx, link.secret)) for _ in range(8))
        return await asyncio.gather(*opening, return_exceptions=True)

    results = asyncio.run(race())
    assert sum(isinstance(result, Ticket) for result in results) == 1
    assert sum(isinstance(result, LinkGone) for result in results) == 7


def test_a_link_ends_after_a_quarter_of_an_hour(world: World) -> None:
    link = link_for(world, world.create("ann", "user"))
    world.clock.advance(901)
    with pytest.raises(LinkGone):
        world.write(lambda tx: world.identity.links.open(tx, link.secret))


@pytest.mark.parametrize("secret", ["", "pql_x", "x" * 10_000, "\u00e9"])
def test_made_up_links_find_nothing(world: World, secret: str) -> None:
    with pytest.raises(LinkGone):
        world.write(lambda tx: world.identity.links.open(tx, secret))


def test_a_link_s_secret_stands_behind_the_hash(world: World) -> None:
    link = link_for(world, world.create("ann", "user"))
    assert link.url("https://localhost:8443/") == f"https://localhost:8443/sign-in/link#{link.secret}"
    assert link.secret not in repr(link)


def test_services_get_no_links(world: World) -> None:
    with pytest.raises(Invalid):
        link_for(world, world.create("builder"))


def test_password_and_code_end_in_a_session(world: World, ann: tuple[Principal, str]) -> None:
    principal, secret = ann
    session = sign_in(world, secret, "Ann")
    caller = world.run(world.identity.sessions.caller(session.cookie))
    assert (caller.principal_id, caller.session_id) == (principal.id, session.session.id)


@pytest.mark.parametrize(
    ("name", "password"), [("ann", "wrong password here"), ("nobody", PASSWORD), ("ann\x00", PASSWORD), ("", "")]
)
def test_wrong_names_and_passwords_get_one_answer(
    world: World, ann: tuple[Principal, str], name: str, password: str
) -> None:
    with pytest.raises(SignInRefused) as refused:
        check_password(world, name, password)
    assert str(refused.value) == "Name and password do not fit together."


@pytest.mark.parametrize(("password", "code"), [(PASSWORD, "000000"), ("wrong password here", "000000")])
def test_one_step_does_not_say_what_was_wrong(
    world: World, ann: tuple[Principal, str], password: str, code: str
) -> None:
    people = world.identity.people
    with pytest.raises(SignInRefused, match="Name, password and code do not fit together"):
        world.run(people.sign_in("ann", password, code, **HERE))
    assert world.run(people.sign_in("ann", PASSWORD, code_at(world, ann[1]), **HERE))


def test_unknown_names_cost_a_full_hash(
    world: World, ann: tuple[Principal, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = world.identity.people._passwords
    verified: list[str] = []
    original: Callable[[str, str], bool] = passwords._verify
    monkeypatch.setattr(passwords, "_verify", lambda stored, given: verified.append(stored) or original(stored, given))
    for name in ("ann", "nobody", "not a name"):
        with pytest.raises(SignInRefused):
            check_password(world, name, "wrong password here")
    assert len(verified) == 3
    assert len({stored.rsplit("$", 2)[0] for stored in verified}) == 1, "the decoy has other parameters"


@pytest.mark.parametrize("again", ["123 456", " 123456 ", "123456"])
def test_a_code_is_used_once_however_it_is_written(world: World, ann: tuple[Principal, str], again: str) -> None:
    _, secret = ann
    code = code_at(world, secret)
    first = check_password(world, "ann", PASSWORD)
    second = check_password(world, "ann", PASSWORD)
    world.run(world.identity.people.check_code(first.value, code, **HERE))
    written = again.replace("123", code[:3]).replace("456", code[3:])
    with pytest.raises(SignInRefused, match="used already"):
        world.run(world.identity.people.check_code(second.value, written, **HERE))


def test_many_at_once_use_a_code_once(both: World) -> None:
    principal = both.create("ann", "user")
    _, secret = enrol(both, link_for(both, principal))
    both.clock.advance(60)
    code = code_at(both, secret)
    tickets = [check_password(both, "ann", PASSWORD) for _ in range(4)]

    async def race() -> list[NewSession | BaseException]:
        tries = (both.identity.people.check_code(ticket.value, code, **HERE) for ticket in tickets)
        return await asyncio.gather(*tries, return_exceptions=True)

    results = asyncio.run(race())
    assert sum(isinstance(result, NewSession) for result in results) == 1


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666", "-12345", "0x1234"]
)
def test_codes_that_are_none_are_refused(world: World, ann: tuple[Principal, str], code: str) -> None:
    ticket = check_password(world, "ann", PASSWORD)
    with pytest.raises(SignInRefused):
        world.run(world.identity.people.check_code(ticket.value, code, **HERE))


def test_an_old_code_is_refused(world: World, ann: tuple[Principal, str]) -> None:
    ticket = check_password(world, "ann", PASSWORD)
    with pytest.raises(SignInRefused):
        world.run(world.identity.people.check_code(ticket.value, code_at(world, ann[1], -90), **HERE))


@pytest.mark.parametrize("spelling", ["ann", "ANN", " ann ", "Ann"])
def test_five_wrong_tries_lock_the_name_at_that_address(
    world: World, ann: tuple[Principal, str], spelling: str
) -> None:
    for name in ("ann", "ANN", "ann ", "Ann", "aNn"):
        with pytest.raises(SignInRefused):
            check_password(world, name, "wrong password here")
    with pytest.raises(LockedOut) as locked:
        check_password(world, spelling, PASSWORD)
    assert 0 < locked.value.retry_after <= 900
    world.clock.advance(901)
    assert check_password(world, spelling, PASSWORD)


def test_a_stranger_elsewhere_cannot_lock_somebody_out(world: World, ann: tuple[Principal, str]) -> None:
    for index in range(20):
        with pytest.raises(PratiqueError):
            check_password(world, "ann", "wrong password here", "203.0.113.9" if index < 10 else "203.0.113.10")
    assert check_password(world, "ann", PASSWORD, "192.0.2.1")


def test_unknown_names_lock_just_like_known_ones(world: World) -> None:
    for _ in range(5):
        with pytest.raises(SignInRefused):
            check_password(world, "nobody", "wrong password here")
    with pytest.raises(LockedOut):
        check_password(world, "nobody", "wrong password here")


def test_one_address_cannot_try_many_names(world: World) -> None:
    for index in range(50):
        with pytest.raises(SignInRefused):
            check_password(world, f"name{index}", "wrong password here", f"2001:db8:1:1::{index:x}")
    with pytest.raises(LockedOut):
        check_password(world, "another", "wrong password here", "2001:db8:1:1:ffff::1")


def test_wrong_codes_are_limited_too(world: World, ann: tuple[Principal, str]) -> None:
    ticket = check_password(world, "ann", PASSWORD)
    for _ in range(5):
        with pytest.raises(SignInRefused):
            world.run(world.identity.people.check_code(ticket.value, "000000", **HERE))
    with pytest.raises(LockedOut):
        world.run(world.identity.people.check_code(ticket.value, code_at(world, ann[1]), **HERE))


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "x" * 300])
def test_weak_passwords_are_refused_and_the_ticket_stays(world: World, password: str) -> None:
    link = link_for(world, world.create("ann", "user"))
    ticket = world.write(lambda tx: world.identity.links.open(tx, link.secret))
    setup = world.run(world.identity.people.start_code(ticket.value))
    with pytest.raises(Invalid):
        world.run(world.identity.people.set_password(ticket.value, password, code_at(world, setup.secret), **HERE))
    assert world.run(world.identity.people.set_password(ticket.value, PASSWORD, code_at(world, setup.secret), **HERE))


def test_a_ticket_is_good_once_and_for_its_step(world: World) -> None:
    link = link_for(world, world.create("ann", "user"))
    ticket = world.write(lambda tx: world.identity.links.open(tx, link.secret))
    setup = world.run(world.identity.people.start_code(ticket.value))
    with pytest.raises(LinkGone):
        world.run(world.identity.people.check_code(ticket.value, "000000", **HERE))
    world.run(world.identity.people.set_password(ticket.value, PASSWORD, code_at(world, setup.secret), **HERE))
    with pytest.raises(LinkGone):
        world.run(world.identity.people.set_password(ticket.value, PASSWORD, code_at(world, setup.secret), **HERE))


def test_a_new_password_ends_every_session(world: World, ann: tuple[Principal, str]) -> None:
    principal, secret = ann
    session = sign_in(world, secret)
    enrol(world, link_for(world, principal), "another phrase of words")
    with pytest.raises(TokenRefused):
        world.run(world.identity.sessions.caller(session.cookie))
    with pytest.raises(SignInRefused):
        check_password(world, "ann", PASSWORD)


def test_a_session_ends_by_idleness_and_by_age(world: World, ann: tuple[Principal, str]) -> None:
    idle = sign_in(world, ann[1])
    world.clock.advance(3601)
    with pytest.raises(TokenRefused):
        world.run(world.identity.sessions.caller(idle.cookie))
    old = sign_in(world, ann[1])
    for _ in range(24):
        world.clock.advance(1800)
        if world.clock.now() < old.session.expires_at:
            world.run(world.identity.sessions.caller(old.cookie))
    with pytest.raises(TokenRefused):
        world.run(world.identity.sessions.caller(old.cookie))


def test_a_session_ends_with_sign_out_and_with_its_principal(world: World, ann: tuple[Principal, str]) -> None:
    principal, secret = ann
    session = sign_in(world, secret)
    caller = world.run(world.identity.sessions.caller(session.cookie))
    world.write(lambda tx: world.identity.sessions.end(tx, caller, session.session))
    with pytest.raises(TokenRefused):
        world.run(world.identity.sessions.caller(session.cookie))
    world.clock.advance(60)
    second = sign_in(world, secret)
    world.write(lambda tx: world.identity.principals.set_active(tx, OPERATOR, principal, active=False))
    with pytest.raises(TokenRefused):
        world.run(world.identity.sessions.caller(second.cookie))
    with pytest.raises(SignInRefused):
        check_password(world, "ann", PASSWORD)


def test_sessions_are_listed_without_their_secrets(world: World, ann: tuple[Principal, str]) -> None:
    session = sign_in(world, ann[1])
    found = world.read(lambda tx: world.identity.sessions.list(tx, principal_id=ann[0].id))
    assert session.session in found.items
    assert session.cookie not in repr(found)


@pytest.mark.parametrize("cookie", ["", "x", "x" * 5000, "\u00e9", "' OR 1=1 --"])
def test_made_up_cookies_are_refused(world: World, cookie: str) -> None:
    with pytest.raises(TokenRefused):
        world.run(world.identity.sessions.caller(cookie))


def test_the_token_against_forgery_belongs_to_one_session(world: World) -> None:
    sessions = world.identity.sessions
    token = sessions.forgery_token("session-1")
    sessions.check_forgery_token("session-1", token)
    for subject, given in (("session-2", token), ("session-1", ""), ("session-1", token[:-1]), ("session-1", "\u00e9")):
        with pytest.raises(ForgeryRefused):
            sessions.check_forgery_token(subject, given)


def test_nothing_secret_is_stored_readably(world: World, ann: tuple[Principal, str]) -> None:
    session = sign_in(world, ann[1])
    link = link_for(world, world.create("bob", "user"))
    folder = world.database.hints._directory
    assert folder is not None
    stored = b"".join(path.read_bytes() for path in folder.parent.glob("pratique.db*"))
    assert b"ann" in stored
    for planted in (PASSWORD, ann[1], session.cookie, link.secret, "$argon2id$"):
        assert planted.encode() not in stored


def test_a_flood_of_sign_ins_is_shed_before_anything_is_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.identity.people._passwords, "_waiting", 16)
    with pytest.raises(Busy):
        check_password(world, "ann", PASSWORD)
    assert world.read(lambda tx: tx.execute(sa.select(login_failures)).all()) == []
