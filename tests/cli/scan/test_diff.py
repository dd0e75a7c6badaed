"""`pratique diff`: what comes and goes between two images or SBOMs; exit codes; honesty about what was not assessed."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.scan.images import Layout, layers, simple
from tests.cli.scan.test_command import layout_of, state
from tests.cli.scan.test_command import run as scan
from tests.corpus.layers.archive import END, file, gzipped, header
from typer.testing import CliRunner

from pratique.cli.diff import app
from pratique.cli.exits import Exit

__all__ = ["state"]


def run(*arguments: str, code: Exit = Exit.DONE) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def old(tmp_path: Path) -> str:
    return str(simple(tmp_path / "old").folder)


@pytest.fixture
def new(tmp_path: Path) -> str:
    """The same base; minimist updated to the fixed version, one package more."""
    layout = Layout(tmp_path / "new")
    package = file(b"app/node_modules/minimist/package.json", b'{"name":"minimist","version":"1.2.6"}')
    other = file(b"app/node_modules/left-pad/package.json", b'{"name":"left-pad","version":"1.0.0"}')
    layout.add(layout.manifest([layers()[0], gzipped(package + other + END)]), "app:2")
    return str(layout.folder)


def test_packages_and_findings_that_come_and_go(old: str, new: str) -> None:
    found = json.loads(run(old, new, "-o", "json"))
    assert [(one["change"], one["name"], one["before"], one["after"]) for one in found["packages"]] == [
        ("added", "left-pad", [], ["1.0.0"]),
        ("changed", "minimist", ["1.2.0"], ["1.2.6"]),
    ]
    assert "CVE-2021-44906" in {one["vulnerability"] for one in found["findings"]["gone"]}
    assert found["findings"]["new"] == []
    assert found["before"]["size"] > 0
    back = json.loads(run(new, old, "-o", "json"))
    assert back["findings"]["new"] == found["findings"]["gone"]
    assert [one["change"] for one in back["packages"]] == ["removed", "changed"]


def test_an_image_does_not_differ_from_itself_nor_from_its_own_sbom(old: str, tmp_path: Path) -> None:
    bom = tmp_path / "bom.json"
    scan(old, "-o", "cyclonedx", "--output-file", str(bom))
    for other in (old, str(bom)):
        found = json.loads(run(old, other, "-o", "json"))
        assert found["packages"] == found["findings"]["new"] == found["findings"]["gone"] == []
        assert found["findings"]["kept"] > 0


def test_only_new_findings_meet_the_threshold(old: str, new: str) -> None:
    run(old, new, "--fail-on", "any")
    run(old, old, "--fail-on", "any")
    run(new, old, "--fail-on", "critical", code=Exit.NO)
    run(new, old, "--fail-on", "exploited")


def test_a_side_that_cannot_be_assessed_is_not_called_clean(old: str, tmp_path: Path) -> None:
    blank = layout_of(tmp_path / "scratch", header(b"server", 4, mode=0o755) + b"\x7fELF".ljust(512, b"\0"))
    assert "NOT ASSESSED" in run(old, blank, code=Exit.UNDECIDED)


def test_the_table_names_what_differs(old: str, new: str) -> None:
    text = run(old, new)
    assert "npm/minimist" in text
    assert "left-pad" in text
    assert "gone" in text
