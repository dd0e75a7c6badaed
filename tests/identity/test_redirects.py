"""Where a sign-in answers to: this very machine, and nowhere else."""

import pytest
from tests.corpus.hostile_redirects import REDIRECTS
from tests.identity.conftest import World

from pratique.identity.oauth.errors import RequestUnclear

ASKED = {
    "client_id": "pratique",
    "response_type": "code",
    "scope": "api://pratique/.default",
    "code_challenge": "x" * 43,
    "code_challenge_method": "S256",
}


@pytest.mark.parametrize("address", REDIRECTS.values(), ids=REDIRECTS.keys())
def test_no_other_place_gets_a_code(world: World, address: str) -> None:
    with pytest.raises(RequestUnclear):
        world.identity.machines.authorizations.read({**ASKED, "redirect_uri": address})


@pytest.mark.parametrize("address", ["http://localhost:8400", "http://127.0.0.1:1/", "http://[::1]:65535"])
def test_this_machine_gets_one(world: World, address: str) -> None:
    read = world.identity.machines.authorizations.read({**ASKED, "redirect_uri": address})
    assert read.answer(code="c").startswith(f"{address}?code=c")
