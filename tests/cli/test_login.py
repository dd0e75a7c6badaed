"""People at a terminal: they sign in by a code, commands act as them, and it ends when it should."""

import io
import json
import os
import ssl
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.identity.serving import Serving, serving_identity
from tests.registry.tls import make_certificate

from pratique.cli import device_codes, login
from pratique.cli.exits import Exit
from pratique.cli.main import main
from pratique.cli.sign_ins import SignIn, SignIns, state_folder
from pratique.core.clock import SystemClock
from pratique.core.database import open_database
from pratique.core.errors import Invalid
from pratique.core.keys.client import local_keys
from pratique.core.permissions import OPERATOR, Caller


@pytest.fixture
def serving(sqlite_url: str, state_dir: Path, tmp_path: Path) -> Iterator[Serving]:
    database = open_database(sqlite_url, clock=SystemClock(), hints_directory=state_dir / "hints")
    keys = local_keys(state_dir / "keys")
    with serving_identity(database, keys, make_certificate(tmp_path)) as running:
        running.world.create("ada", "user")
        yield running
    keys.close()
    database.close()


class Terminal:
    """A person's account at a machine that is not the server's."""

    def __init__(self, serving: Serving, home: Path) -> None:
        self.serving, self.home = serving, home

    @property
    def kept(self) -> SignIns:
        return SignIns(self.home / "pratique")

    def decide(self, _: str, code: str, *, approve: bool = True) -> None:
        world = self.serving.world
        ada = world.read(lambda tx: world.identity.principals.get(tx, "ada"))
        person = Caller(ada.id, ada.name, "user", session_id="s")
        world.run(world.identity.machines.devices.decide(person, code, "127.0.0.1", approve=approve))

    def sign_in(self) -> SignIn:
        place = device_codes.find(self.serving.authority, self.serving.ca.read_text())
        begun = device_codes.sign_in(place, self.decide, sleep=lambda _: None)
        self.kept.keep(begun)
        return begun

    def run(self, *words: str, expect: int = 0) -> str:
        printed, said = io.StringIO(), io.StringIO()
        code: Any = 0
        with redirect_stdout(printed), redirect_stderr(said):
            try:
                main(list(words))
            except SystemExit as end:
                code = end.code or 0
        assert int(code) == expect, printed.getvalue() + said.getvalue()
        return printed.getvalue() + said.getvalue()


@pytest.fixture
def terminal(serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in [name for name in os.environ if name.startswith("PRATIQUE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PRATIQUE_DATA__DIRECTORY", str(tmp_path / "nothing-here"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return Terminal(serving, tmp_path / "home")


def test_commands_act_as_who_signed_in_until_they_log_out(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "_show", terminal.decide)
    server = terminal.serving.authority
    arguments = ("--server", server, "--ca", str(terminal.serving.ca), "--output", "json")
    assert json.loads(terminal.run("login", *arguments))["name"] == "ada"
    assert stat.S_IMODE(terminal.kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(terminal.kept.path.parent.stat().st_mode) == 0o700
    me = json.loads(terminal.run("whoami", "--output", "json"))
    assert (me["name"], me["kind"], me["server"]) == ("ada", "user", server)
    assert "right" in terminal.run("principal", "list", expect=Exit.DENIED)
    token = SignIns(terminal.home / "pratique").all()[0].access_token
    (ended,) = json.loads(terminal.run("logout", "--output", "json"))
    assert (ended["name"], ended["ended_there"]) == ("ada", True)
    assert terminal.kept.all() == []
    answer = device_codes.Place(server, "", "", terminal.serving.ca.read_text()).client()
    with answer:
        refused = answer.get(f"{server}/api/v1/me", headers={"authorization": f"Bearer {token}"})
    assert refused.status_code == 401
    assert "Nobody" in terminal.run("logout")


def test_tokens_are_renewed_once_by_commands_that_run_at_once(terminal: Terminal) -> None:
    begun = terminal.sign_in()
    terminal.kept.keep(replace(begun, expires_at=0.0))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: device_codes.fresh(terminal.kept), range(8)))
    assert len({one.access_token for one in found if one}) == 1
    assert found[0] != begun
    assert found[0] is not None
    assert found[0].refresh_token != begun.refresh_token
    assert "ada" in terminal.run("whoami")


def test_an_ended_sign_in_says_how_to_begin_another(terminal: Terminal) -> None:
    begun = terminal.sign_in()
    world = terminal.serving.world
    ada = world.read(lambda tx: world.identity.principals.get(tx, "ada"))
    world.write(lambda tx: world.identity.principals.revoke_tokens(tx, OPERATOR, ada))
    assert "pratique login --server" in terminal.run("whoami", expect=Exit.DENIED)
    terminal.kept.keep(replace(begun, expires_at=0.0))
    assert "pratique login --server" in terminal.run("whoami", expect=Exit.DENIED)
    assert "signed out" in terminal.run("logout")


def test_a_refusal_ends_the_wait(terminal: Terminal) -> None:
    place = device_codes.find(terminal.serving.authority, terminal.serving.ca.read_text())

    def refuse(address: str, code: str) -> None:
        terminal.decide(address, code, approve=False)

    with pytest.raises(Exception, match="refused this sign-in"):
        device_codes.sign_in(place, refuse, sleep=lambda _: None)


def test_a_server_whose_certificate_is_not_known_gets_nothing(terminal: Terminal) -> None:
    told = terminal.run("login", "--server", terminal.serving.authority, expect=Exit.RETRY)
    assert "--ca FILE" in told


@pytest.mark.parametrize(
    "address",
    ["http://console.x", "https://console.x/path", "https://me@console.x", "https://", "ftp://x", "https://x?y"],
)
def test_addresses_that_are_none_are_refused(address: str) -> None:
    with pytest.raises(Invalid, match="not an address"):
        device_codes.origin_of(address)


def test_a_file_that_is_broken_is_named(tmp_path: Path) -> None:
    kept = SignIns(tmp_path)
    for content in ("{", "[]", '{"sign_ins": [1]}', '{"sign_ins": [{"server": 1}]}', "\ud800"):
        kept.path.write_bytes(content.encode("utf-8", "surrogatepass"))
        with pytest.raises(Exception, match="cannot be read"):
            kept.current()


def test_the_state_folder_is_the_accounts_own() -> None:
    assert state_folder({"HOME": "/home/a"}) == Path("/home/a/.local/state/pratique")
    assert state_folder({"HOME": "/home/a", "XDG_STATE_HOME": "relative"}) == Path("/home/a/.local/state/pratique")
    assert state_folder({"HOME": "/home/a", "XDG_STATE_HOME": "/s"}) == Path("/s/pratique")


def test_tokens_are_not_shown() -> None:
    made = SignIn("https://x", "https://x/t", "r", "ada", "SECRET", "SECRET", 0.0)
    assert "SECRET" not in repr(made)
    assert isinstance(made.trust(), ssl.SSLContext)
