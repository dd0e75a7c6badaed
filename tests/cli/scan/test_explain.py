"""`pratique explain`: record, range and comparison of an answer, also of a no; what cannot be told is not a no."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.scan.images import Layout, simple
from tests.cli.scan.test_command import layout_of, state
from tests.corpus.layers.archive import END, file, gzipped, header
from typer.testing import CliRunner

from pratique.cli.exits import Exit
from pratique.cli.explain import app

__all__ = ["state"]


def run(*arguments: str, code: Exit = Exit.DONE) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def of_minimist(folder: Path, version: str) -> str:
    layout = Layout(folder)
    manifest = json.dumps({"name": "minimist", "version": version}).encode()
    layout.add(layout.manifest([gzipped(file(b"app/node_modules/minimist/package.json", manifest) + END)]), "x")
    return str(folder)


@pytest.mark.parametrize("name", ["CVE-2021-44906", "cve-2021-44906", "GHSA-xvch-5gv4-984h"])
def test_an_affected_package_is_explained_by_any_name(tmp_path: Path, name: str) -> None:
    image = str(simple(tmp_path / "layout").folder)
    found = json.loads(run(name, image, "-o", "json", code=Exit.NO))
    (affected,) = found["affected"]
    assert found["state"] == "affected"
    assert {"CVE-2021-44906", "GHSA-xvch-5gv4-984h"} <= set(found["aliases"])
    assert affected["evidence"][0]["comparison"] == "1.0.0 <= 1.2.0 < 1.2.6 (semver)"
    assert affected["layer"]["index"] == 1
    assert affected["fixed_version"] == "1.2.6"
    text = run(name, image, code=Exit.NO)
    for part in ("AFFECTED", "1.0.0 <= 1.2.0 < 1.2.6", "osv-npm", "fixed in", "1.2.6", "starter", "old"):
        assert part in text


def test_a_no_names_the_record_and_the_comparison(tmp_path: Path) -> None:
    found = json.loads(run("CVE-2021-44906", of_minimist(tmp_path / "x", "1.2.6"), "-o", "json"))
    assert found["state"] == "not-affected"
    assert found["affected"] == []
    (other,) = [one for one in found["not_affected"] if one["comparison"] == "1.2.6 >= 1.2.6 (semver)"]
    assert other["package"]["version"] == "1.2.6"
    assert other["record"] == "GHSA-xvch-5gv4-984h"
    assert "not affected" in run("CVE-2021-44906", of_minimist(tmp_path / "y", "1.2.6"))


def test_a_name_that_no_data_knows_is_not_a_no(tmp_path: Path) -> None:
    found = json.loads(run("CVE-1999-99999", of_minimist(tmp_path / "x", "1.2.6"), "-o", "json", code=Exit.UNDECIDED))
    assert "no advisory data" in found["reason"]


def test_what_was_not_assessed_is_not_a_no(tmp_path: Path) -> None:
    blank = layout_of(tmp_path / "scratch", header(b"server", 4, mode=0o755) + b"\x7fELF".ljust(512, b"\0"))
    text = run("CVE-2021-44906", blank, code=Exit.UNDECIDED)
    assert "CANNOT BE TOLD" in text
    assert "not assessed" in text
