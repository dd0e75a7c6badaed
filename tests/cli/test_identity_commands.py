"""The commands of identity against a whole installation that really runs."""

import hashlib
import io
import json
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from pratique.cli.main import main


class Installation:
    """One installation in a folder of its own, and its command line."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PRATIQUE_DATA__DIRECTORY": str(self.state),
            "PRATIQUE_SERVER__PORT": str(self.port),
            "PRATIQUE_SERVER__DRAIN": "1",
            "REGISTRY_AUTH_FILE": str(folder / "auth.json"),
            "DOCKER_CONFIG": str(folder / "docker"),
        }

    def begin(self) -> None:
        self.spawn("up")

    def end(self) -> None:
        self.spawn("down")

    def spawn(self, *words: str) -> None:
        command = [sys.executable, "-m", "pratique", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *words: str, expect: int = 0) -> str:
        """Run a command in this process, which spares some fifty starts of the interpreter."""
        printed = io.StringIO()
        code: Any = 0
        with (
            patch.dict(os.environ, self.environment, clear=True),
            redirect_stdout(printed),
            redirect_stderr(printed),
        ):
            try:
                main(list(words))
            except SystemExit as end:
                code = end.code or 0
        assert int(code) == expect, printed.getvalue()
        return printed.getvalue()

    def json(self, *words: str, expect: int = 0) -> Any:
        return json.loads(self.run(*words, "--output", "json", expect=expect))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("identity-cli")
    made = Installation(folder)
    try:
        made.begin()
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


def test_the_first_link_is_offered_in_a_private_file(installation: Installation) -> None:
    file = installation.state / "first-sign-in.txt"
    link, who, anchor = file.read_text().splitlines()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert re.fullmatch(rf"https://localhost:{installation.port}/sign-in/link#pql_[\w-]{{43}}", link)
    assert who.startswith("signs in admin; works once")
    assert anchor.startswith("CA SHA-256 ")
    der = ssl.PEM_cert_to_DER_cert((installation.state / "tls" / "ca.pem").read_text())
    assert anchor.removeprefix("CA SHA-256 ").replace(":", "").lower() == hashlib.sha256(der).hexdigest()


def test_another_link_takes_the_place_of_the_offer(installation: Installation) -> None:
    made = installation.json("admin", "link")
    assert made["url"].startswith(f"https://localhost:{installation.port}/sign-in/link#pql_")
    assert made["principal"] == "admin"
    assert not (installation.state / "first-sign-in.txt").exists()
    assert made["url"].partition("#")[2] not in "".join(
        path.read_text() for path in (installation.state / "logs").iterdir()
    )


def test_a_principal_gets_a_login_that_works(installation: Installation) -> None:
    words = ("principal", "create", "ci", "--role", "AcrPush", "--scope", "/registry/team/")
    printed = installation.run(*words, "--login", "podman", "--login", "docker")
    assert "AcrPush at /registry/team" in printed
    assert "pqs_" not in printed
    host = f"localhost:{installation.port}"
    files = [installation.environment["REGISTRY_AUTH_FILE"], installation.environment["DOCKER_CONFIG"] + "/config.json"]
    for file in files:
        login = json.loads(Path(file).read_text())["auths"][host]["auth"]
        request = urllib.request.Request(
            f"https://{host}/oauth2/token?service=registry&scope=repository:team/app:pull,push",
            headers={"authorization": f"Basic {login}"},
        )
        context = ssl.create_default_context(cafile=str(installation.state / "tls" / "ca.pem"))
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:  # noqa: S310  https above
            assert json.loads(answer.read())["token"]


def test_a_secret_is_shown_only_when_asked_for(installation: Installation) -> None:
    assert "No secret yet" in installation.run("principal", "create", "quiet")
    shown = installation.run("principal", "create", "shown", "--show-secret", "--expires", "1h")
    assert len(re.findall(r"pqs_[\w-]{43}", shown)) == 1
    found = installation.json("principal", "show", "shown")
    assert found["secrets"][0]["expires_at"] is not None
    assert "pqs_" not in json.dumps(found)


def test_roles_are_given_explained_and_taken(installation: Installation) -> None:
    installation.run("principal", "create", "reader")
    asked = ("access", "explain", "reader", "registry/content/read", "/registry/team/app")
    assert "AcrPull at /registry/team/app would" in installation.run(*asked, expect=1)
    made = installation.json("assignment", "create", "reader", "--role", "AcrPull", "--scope", "/registry/team")
    assert installation.run(*asked).startswith("yes: Allowed by AcrPull at /registry/team")
    assert [row["id"] for row in installation.json("assignment", "list", "--principal", "reader")] == [made["id"]]
    installation.run("assignment", "delete", made["id"])
    installation.run(*asked, expect=1)


def test_a_principal_through_its_life(installation: Installation) -> None:
    installation.run("principal", "create", "brief", "--show-secret")
    for action in ("disable", "enable", "revoke-tokens"):
        installation.run("principal", action, "brief")
    installation.run("principal", "rotate", "brief", expect=2)
    assert "pqs_" in installation.run("principal", "rotate", "brief", "--show-secret", "--overlap", "1h")
    assert len(installation.json("principal", "show", "brief")["secrets"]) == 2
    installation.run("principal", "delete", "brief", "--yes")
    assert "There is no principal 'brief'" in installation.run("principal", "show", "brief", expect=3)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("principal", "create", "bad name"), 2, "is not a name"),
        (("principal", "create", "x", "--role", "AcrPushh", "--scope", "/registry"), 3, "Roles: AcrPull"),
        (("principal", "create", "x", "--role", "AcrPush", "--scope", "registry"), 2, "is not a scope"),
        (("principal", "create", "x", "--scope", "/registry"), 2, "--scope needs --role"),
        (("principal", "create", "x", "--login", "buildah"), 2, "--login takes"),
        (("principal", "create", "x", "--show-secret", "--expires", "90"), 2, "Write 90d"),
        (("access", "explain", "x", "registry/everything"), 2, "There is no permission"),
        (("session", "end", "none"), 3, "no such session"),
    ],
)
def test_mistakes_are_said_with_a_remedy_and_make_nothing(
    installation: Installation, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in installation.run(*words, expect=code)
    assert "x" not in {row["name"] for row in installation.json("principal", "list")}


def test_roles_and_sessions_are_listed(installation: Installation) -> None:
    assert "AcrImageSigner" in installation.run("role", "list")
    assert "registry/content/write" in installation.run("role", "show", "acrpush")
    assert installation.json("session", "list") == []


def test_the_audit_log_tells_and_verifies(installation: Installation) -> None:
    entries = installation.json("audit", "list", "--action", "identity.principal.*")
    assert {entry["principal"] for entry in entries} <= {"local-operator", "system"}
    assert any(entry["action"] == "identity.principal.create" for entry in entries)
    found = installation.json("audit", "verify")
    assert found["ok"]
    assert found["entries"] >= len(entries)


def test_without_a_server_the_commands_say_so(tmp_path: Path) -> None:
    nowhere = Installation(tmp_path)
    said = nowhere.run("principal", "list", expect=4)
    assert "pratique up" in said
