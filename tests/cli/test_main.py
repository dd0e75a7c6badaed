import os
import subprocess
import sys
from pathlib import Path

import pytest

from pratique.cli import exits
from pratique.cli.exits import Exit
from pratique.cli.main import COMMANDS
from pratique.core import errors


def pratique(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables}
    command = [sys.executable, "-m", "pratique", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_help_lists_every_command_with_its_line() -> None:
    text = " ".join(pratique("--help").stdout.split())
    for section in COMMANDS.values():
        for name, entry in section.items():
            assert f"{name} {entry.line}" in text


def test_without_arguments_help_is_printed() -> None:
    assert pratique().stdout == pratique("--help").stdout


def test_a_command_that_is_none_gets_the_nearest_one() -> None:
    done = pratique("scna")
    assert done.returncode == Exit.USAGE
    assert "Did you mean 'scan'?" in done.stderr


def test_an_error_is_printed_with_its_remedy_and_without_a_trace() -> None:
    done = pratique("config", "explain", "registry.gate")
    assert done.returncode == Exit.USAGE
    assert done.stderr.startswith("pratique: there is no setting 'registry.gate'\n  did you mean registry.")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Invalid("x"), Exit.USAGE),
        (errors.Denied("x"), Exit.DENIED),
        (errors.Unauthenticated("x"), Exit.DENIED),
        (errors.Unavailable("x"), Exit.RETRY),
        (errors.NotFound("x"), Exit.FAILED),
        (errors.Corrupt("x"), Exit.FAILED),
    ],
)
def test_exit_codes_say_what_a_script_should_do(error: errors.PratiqueError, code: Exit) -> None:
    assert exits.exit_code(error) is code


def test_config_shows_values_with_their_source_and_hides_secrets(tmp_path: Path) -> None:
    variables = {
        "PRATIQUE_DATA__DIRECTORY": str(tmp_path),
        "PRATIQUE_DATABASE__URL": "postgresql://user:hunter2@db/x",
    }
    text = pratique("config", "show", "--changed", **variables).stdout
    assert "PRATIQUE_DATABASE__URL" in text
    assert "(hidden)" in text
    assert "hunter2" not in text


def test_completion_knows_commands_and_their_options() -> None:
    variables = {"_PRATIQUE_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    assert "recommendations" in pratique(COMP_WORDS="pratique rec", **variables).stdout.split()
    variables["COMP_CWORD"] = "2"
    assert "explain" in pratique(COMP_WORDS="pratique config ex", **variables).stdout.split()
