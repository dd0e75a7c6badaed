"""Wrong tries cost the same work whether or not a name exists, so their time tells nothing.

CPU time is compared and not the clock, as medians of interleaved tries: load meets both alike. A refusal that spares
the hash is some hundred times quicker, so the bounds are wide and still cannot be met by it; a test below shows that.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.identity.conftest import World
from tests.identity.test_people import check_password, enrol, link_for

from pratique.core.errors import Unauthenticated
from pratique.core.permissions import OPERATOR
from pratique.identity.errors import SignInRefused
from pratique.identity.passwords import Passwords

ROUNDS = 15
LEAST, MOST = 0.4, 2.5


def spent(world: World, name: str, address: str) -> float:
    began = time.process_time()
    with pytest.raises(SignInRefused):
        check_password(world, name, "wrong password here", address)
    return time.process_time() - began


def quotient(world: World, other: str) -> float:
    """CPU time of a wrong password for somebody who exists, through that for another name."""
    spent(world, other, "192.0.2.9")  # the decoy is made with the first unknown name
    pairs = [
        (spent(world, "ann", f"10.0.{number}.1"), spent(world, other, f"10.1.{number}.1")) for number in range(ROUNDS)
    ]
    known, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))
    return known / unknown


@pytest.fixture
def costly(world: World) -> World:
    """A world whose hash costs tens of milliseconds, and one person in it."""
    world.identity.people._passwords.close()
    world.identity.people._passwords = Passwords(memory_kib=16 * 1024, passes=3)
    enrol(world, link_for(world, world.create("ann", "user")))
    return world


@pytest.mark.parametrize("other", ["nobody", "not a name", "linked-only"])
def test_a_wrong_password_costs_the_same_for_names_that_do_not_exist(costly: World, other: str) -> None:
    if other == "linked-only":
        costly.create(other, "user")  # exists, and has no password
    assert LEAST < quotient(costly, other) < MOST


def test_a_refusal_without_a_hash_would_be_seen(costly: World, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = costly.identity.people._passwords
    original: Callable[..., Any] = passwords.matches

    async def hasty(stored: bytes | None, password: str) -> bool:
        return stored is not None and await original(stored, password)

    monkeypatch.setattr(passwords, "matches", hasty)
    assert quotient(costly, "nobody") > MOST


def test_a_wrong_secret_is_hashed_once_for_every_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    known, disabled = world.create("builder"), world.create("sleeper")
    world.secret(known)
    world.secret(known)
    world.write(lambda tx: world.identity.principals.set_active(tx, OPERATOR, disabled, active=False))
    hashed: list[int] = []
    original: Callable[..., bytes] = world.keys.hmac

    def counted(purpose: Any, message: bytes) -> bytes:
        hashed.append(len(message))
        return original(purpose, message)

    monkeypatch.setattr(world.keys, "hmac", counted)
    work = {}
    for number, name in enumerate(("builder", "sleeper", "nobody-here", "not a name")):
        hashed.clear()
        with pytest.raises(Unauthenticated):
            world.ask(name, "pqs_" + "x" * 43, address=f"10.2.{number}.1")
        work[name] = list(hashed)
    assert len(work["builder"]) == 1
    assert all(done == work["builder"] for done in work.values()), work
