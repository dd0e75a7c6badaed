import base64
import json
import os
import stat
from pathlib import Path

import pytest

from pratique.cli import logins
from pratique.cli.durations import optional_seconds_of, seconds_of
from pratique.cli.logins import Login, Tool, check, file_of, hint, store
from pratique.core.errors import Conflict, Invalid, Unavailable

LOGIN = Login("localhost:8443", "builder", "pqs_secret")
ENTRY = {"auth": base64.b64encode(b"builder:pqs_secret").decode()}


@pytest.mark.parametrize(
    ("tool", "environ", "account", "expected"),
    [
        (Tool.DOCKER, {"HOME": "/h"}, 1000, "/h/.docker/config.json"),
        (Tool.DOCKER, {"HOME": "/h", "DOCKER_CONFIG": "/d"}, 1000, "/d/config.json"),
        (Tool.PODMAN, {"HOME": "/h", "REGISTRY_AUTH_FILE": "/a.json"}, 1000, "/a.json"),
        (Tool.SKOPEO, {"HOME": "/h", "XDG_RUNTIME_DIR": "/run/user/7"}, 7, "/run/user/7/containers/auth.json"),
        (Tool.PODMAN, {"HOME": "/h"}, 0, "/run/containers/0/auth.json"),
        (Tool.PODMAN, {"HOME": "/h"}, 424242, "/h/.config/containers/auth.json"),
        (Tool.PODMAN, {"HOME": "/h", "XDG_CONFIG_HOME": "/c"}, 424242, "/c/containers/auth.json"),
    ],
)
def test_the_file_is_the_one_of_the_client(tool: Tool, environ: dict[str, str], account: int, expected: str) -> None:
    assert file_of(tool, environ, account=account) == Path(expected)


def test_a_folder_of_root_is_passed_by_and_the_variable_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "containers"
    (closed / "7").mkdir(parents=True)
    monkeypatch.setattr(logins, "_RUNTIME", closed)
    assert file_of(Tool.PODMAN, {"HOME": "/h"}, account=7) == closed / "7/auth.json"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "is_dir", refuse)
        path = file_of(Tool.PODMAN, {"HOME": "/h"}, account=7)
    assert path == Path("/h/.config/containers/auth.json")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert f"export REGISTRY_AUTH_FILE={path}" in hint(path, {"HOME": "/h"}, account=7)
    assert not hint(path, {"HOME": "/h", "XDG_RUNTIME_DIR": "/run/user/7"}, account=7)


def refuse(_path: Path) -> bool:
    raise PermissionError(13, "Permission denied")


def test_a_login_is_added_and_everything_else_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "containers" / "auth.json"
    path.parent.mkdir()
    before = {"auths": {"quay.io": {"auth": "eA=="}}, "HttpHeaders": {"X": "y"}}
    path.write_text(json.dumps(before))
    path.chmod(0o644)
    store(path, LOGIN)
    after = json.loads(path.read_text())
    assert after == {**before, "auths": {"quay.io": {"auth": "eA=="}, "localhost:8443": ENTRY}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_first_login_makes_file_and_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "auth.json"
    check(path)
    store(path, LOGIN)
    assert json.loads(path.read_text()) == {"auths": {"localhost:8443": ENTRY}}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", ["not json", "[]", '"text"', "{"])
def test_a_file_that_is_none_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "auth.json"
    path.write_text(content)
    for attempt in (lambda: check(path), lambda: store(path, LOGIN)):
        with pytest.raises(Conflict):
            attempt()
    assert path.read_text() == content


def test_logins_of_an_unknown_form_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text('{"auths": []}')
    with pytest.raises(Conflict):
        store(path, LOGIN)


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "auth.json"
    link.symlink_to(real)
    store(link, LOGIN)
    assert link.is_symlink()
    assert json.loads(real.read_text())["auths"]


def helper_in(folder: Path, script: str) -> None:
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize("named", [{"credsStore": "test"}, {"credHelpers": {"localhost:8443": "test"}}])
def test_a_credential_helper_gets_the_login_and_the_file_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: dict[str, object]
) -> None:
    helper_in(tmp_path, f'[ "$1" = store ] && cat > {tmp_path}/got')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(named))
    assert "helper" in store(path, LOGIN)
    assert json.loads((tmp_path / "got").read_text()) == {
        "ServerURL": "localhost:8443", "Username": "builder", "Secret": "pqs_secret",
    }  # fmt: skip
    assert json.loads(path.read_text()) == named


@pytest.mark.parametrize("helper", ["missing", "../../bin/sh", "a;b", ""])
def test_a_helper_that_is_none_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helper: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"credsStore": helper}))
    if helper:
        with pytest.raises(Unavailable):
            store(path, LOGIN)
    else:
        store(path, LOGIN)


def test_a_helper_that_fails_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper_in(tmp_path, "exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path = tmp_path / "config.json"
    path.write_text('{"credsStore": "test"}')
    with pytest.raises(Unavailable, match="failed"):
        store(path, LOGIN)


def test_the_secret_is_in_no_representation() -> None:
    assert "pqs_secret" not in repr(LOGIN)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 7_776_000), ("12h", 43_200), (" 30M ", 1800), ("45s", 45), ("0s", 0)]
)
def test_spans_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["90", "d", "-1d", "1.5h", "1y", "1d2h", "", "9999999999d"])
def test_spans_that_are_none(text: str) -> None:
    with pytest.raises(Invalid):
        seconds_of(text)


def test_never_is_no_span() -> None:
    assert optional_seconds_of("never") is None
    assert optional_seconds_of("") is None
