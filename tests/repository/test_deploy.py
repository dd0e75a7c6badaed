"""The files under deploy/ fit the product: settings, commands and folders that they name exist."""

import re
from importlib.util import find_spec
from pathlib import Path

from pratique.cli.main import COMMANDS
from pratique.core.settings.fields import walk
from pratique.core.settings.schema import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "deploy" / "compose.yaml").read_text()
CONTAINERFILE = (ROOT / "deploy" / "Containerfile").read_text()


def test_every_setting_in_the_deploy_files_is_one() -> None:
    known = {setting.variable for setting in walk(Settings)}
    named = set(re.findall(r"\bPRATIQUE_[A-Z]+__[A-Z_]+\b", COMPOSE + CONTAINERFILE))
    assert {"PRATIQUE_DATABASE__URL", "PRATIQUE_BLOBS__BUCKET"} <= named
    assert named <= known


def test_every_command_in_the_deploy_files_is_one() -> None:
    commands = {name for section in COMMANDS.values() for name in section}
    named = set(re.findall(r"command: \[pratique, ([a-z]+)", COMPOSE)) | set(
        re.findall(r'"pratique", "([a-z]+)"', CONTAINERFILE)
    )
    assert named == {"serve", "worker", "up"}
    assert named <= commands
    (module,) = re.findall(r"python, -m, ([a-z.]+)", COMPOSE)
    assert find_spec(module) is not None
    assert find_spec("pratique.supervisor.processes") is not None


def test_what_the_containerfile_copies_is_there() -> None:
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINERFILE, re.MULTILINE) for word in line.split()
    ]
    assert "pyproject.toml" in copied
    assert all((ROOT / name).exists() for name in copied)
    (user,) = set(re.findall(r"USER (\d+:\d+)", CONTAINERFILE))
    assert f'user: "{user}"' in COMPOSE
