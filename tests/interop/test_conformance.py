"""The official conformance program of OCI distribution passes against `pratique up`: no failure, no skip.

Default policy, gates on, a plain service principal that may push and delete.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.conftest import Installation, start
from tests.interop.go_programs import built

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("conformance")]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = start(tmp_path_factory.mktemp("conformance"))
    yield made
    made.run("down")


@pytest.fixture(scope="module")
def account(installation: Installation) -> str:
    printed = installation.account("builder", "AcrPush", "/registry/conformance")
    installation.ok("assignment", "create", "builder", "--role", "AcrDelete", "--scope", "/registry/conformance")
    return printed


def run(installation: Installation, account: str, folder: Path, settings: Mapping[str, str]) -> tuple[int, str]:
    """Run the program with its own switches, and trust in the installation's certificate; return code and report."""
    program = built("go_conformance", "conformance")["conformance"]
    name, _, secret = account.partition(":")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "SSL_CERT_FILE": str(installation.clients / "certs" / "ca.crt"),
        "OCI_REGISTRY": installation.host,
        "OCI_TLS": "enabled",
        "OCI_USERNAME": name,
        "OCI_PASSWORD": secret,
        "OCI_LOG": "info",
        "OCI_RESULTS_DIR": str(folder / "results"),
        **settings,
    }
    done = subprocess.run([program], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def counts(report: str) -> dict[str, int]:
    """Return the table behind the result, in lower case."""
    table = report.partition("OCI Conformance Result:")[2].partition("API conformance")[0]
    return {name.lower(): int(number) for name, number in re.findall(r"(\w+)\.+:\s+(\d+)", table)}


def skipped(report: str) -> list[str]:
    """Return what the program says about everything that it skipped."""
    return [line for line in report.splitlines() if "skipping test" in line]


@pytest.mark.parametrize(
    ("profile", "settings", "disabled"),
    [
        ("1.1", {}, True),
        ("dev", {"OCI_DATA_SPARSE": "true"}, False),
    ],
)
def test_every_request_is_answered_as_the_specification_says(  # noqa: PLR0917  fixtures and rows
    installation: Installation,
    account: str,
    tmp_path: Path,
    profile: str,
    settings: Mapping[str, str],
    disabled: bool,
) -> None:
    code, report = run(installation, account, tmp_path, {"OCI_VERSION": profile, **settings})
    found = counts(report)
    assert code == 0, report[-6000:]
    assert found["pass"] > 800, report[-6000:]
    assert (found["fail"], found["error"], found["skip"]) == (0, 0, 0), skipped(report)
    # What the program itself leaves out of a profile; with every optional part on it is nothing.
    assert bool(found["disabled"]) is disabled, json.dumps(found)
