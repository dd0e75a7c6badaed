"""Scope maps and tokens by the command line: skopeo signs in with a token's name and password, as docker does."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Installation
from tests.interop.layouts import write_layout
from tests.registry.images import image

pytestmark = pytest.mark.usefixtures("skopeo")


def made(installation: Installation, *arguments: str) -> dict[str, str]:
    """Create a token; return its passwords by name."""
    printed = json.loads(installation.ok("registry", "token", "create", *arguments, "-o", "json"))
    return {one["name"]: one["value"] for one in printed["passwords"]}


def push(
    installation: Installation, layout: Path, where: str, secret: str, who: str = "maps-bot"
) -> subprocess.CompletedProcess[str]:
    target = f"docker://{installation.host}/{where}:v1"
    return installation.skopeo("copy", "--dest-creds", f"{who}:{secret}", f"oci:{layout}", target)


def test_a_token_pushes_where_its_map_says_until_it_is_taken_away(installation: Installation, tmp_path: Path) -> None:
    layout = write_layout(tmp_path / "layout", image(b"scope maps"))
    actions = [f"--action=repositories/maps/app*/content/{verb}" for verb in ("read", "write")]
    installation.ok("registry", "scope-map", "create", "maps-app", *actions)
    passwords = made(installation, "maps-bot", "--scope-map", "maps-app", "--expires", "90d")
    first, second = passwords["password1"], passwords["password2"]
    assert push(installation, layout, "maps/app", first).returncode == 0
    assert push(installation, layout, "maps/app/part", second).returncode == 0
    refused = push(installation, layout, "maps/other", first)
    assert refused.returncode != 0
    assert "maps-bot lacks the right registry/content/write at /registry/maps/other" in refused.stderr

    anew = json.loads(installation.ok("registry", "token", "generate", "maps-bot", "-o", "json"))["value"]
    assert push(installation, layout, "maps/app", first).returncode != 0
    assert push(installation, layout, "maps/app", anew).returncode == 0
    installation.ok("registry", "token", "revoke", "maps-bot", "--password", "password2")
    assert push(installation, layout, "maps/app", second).returncode != 0

    installation.ok("registry", "scope-map", "update", "maps-app", "--action", "repositories/maps/*/content/read")
    assert push(installation, layout, "maps/new", anew).returncode != 0
    installation.ok("registry", "token", "update", "maps-bot", "--scope-map", "_repositories_push")
    assert push(installation, layout, "maps/new", anew).returncode == 0
    installation.ok("registry", "token", "disable", "maps-bot")
    assert push(installation, layout, "maps/new", anew).returncode != 0
    installation.ok("registry", "token", "enable", "maps-bot")
    assert push(installation, layout, "maps/new", anew).returncode == 0


def test_lists_show_no_password_and_what_is_wrong_is_named(installation: Installation) -> None:
    values = made(installation, "maps-shown", "--scope-map", "_repositories_pull").values()
    printed = "".join(
        installation.ok("registry", "token", *words, "-o", how)
        for words in (("list",), ("show", "maps-shown"))
        for how in ("json", "table")
    )
    assert "maps-shown" in printed
    assert not any(value in printed for value in values)
    assert "_repositories_admin" in installation.ok("registry", "scope-map", "list")
    wrong = installation.run("registry", "scope-map", "create", "maps-wrong", "--action", "repositories/a/pull")
    assert wrong.returncode != 0
    assert "content/delete, content/read, content/write" in wrong.stderr
    installation.ok("registry", "token", "delete", "maps-shown")
    assert installation.run("registry", "token", "show", "maps-shown").returncode != 0
