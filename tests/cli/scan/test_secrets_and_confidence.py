"""`pratique scan` tells of secrets and settings without any value, and of packages whose name or version is guessed."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.cli.scan.images import Layout, layers
from tests.corpus.layers.archive import END, file, gzipped
from tests.inventory.found_secrets.planted import checked_token
from typer.testing import CliRunner

from pratique.advisories.service import AdvisoryStore
from pratique.cli.scan import app
from pratique.core.clock import SystemClock
from pratique.inventory.types import Distro, ImageInventory, Origin, Package, PackageSet
from pratique.scan.local import Subject, judge
from pratique.scan.report import as_json, table


def test_a_secret_is_shown_in_table_and_json_and_its_value_in_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRATIQUE_DATA__DIRECTORY", str(tmp_path / "state"))
    token = checked_token("ghp")
    layout = Layout(tmp_path / "layout")
    secret = gzipped(file(b"app/.env", f"A=1\nT={token}\n".encode()) + file(b"usr/bin/su", b"#!x", mode=0o4755) + END)
    layout.add(layout.manifest([*layers(), secret]), "x")
    shown = CliRunner().invoke(app, [str(layout.folder)]).stdout
    assert "GitHub token in app/.env" in shown
    assert "run with more rights than their caller" in shown
    again = CliRunner().invoke(app, [str(layout.folder), "-o", "json"]).stdout
    (secret,) = [one for one in json.loads(again)["checks"] if one["rule"] == "secret-github-token"]
    assert secret["evidence"]["places"][0] | {"layer": "", "created_by": ""} == {
        "line": 2, "layer_index": 2, "layer": "", "created_by": "", "deleted": False, "fingerprint": "",
    }  # fmt: skip
    assert token not in shown + again
    kept = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert kept
    assert not any(token.encode() in data for data in kept)


@pytest.mark.parametrize("confidence", ["high", "low"])
def test_a_guessed_package_is_marked(tmp_path: Path, confidence: Any) -> None:
    package = Package("npm", "minimist", "1.2.0", location="app/minimist.js", confidence=confidence)
    held = PackageSet.of([package], Distro("debian", "12"))
    inventory = ImageInventory(package_set=held, origins=(Origin(),))
    result = judge(Subject("x", "layout"), inventory, AdvisoryStore.open(tmp_path, starter=True), SystemClock())
    (finding, *_) = as_json.document(result)["findings"]
    assert (finding["package"]["confidence"], finding["confidence"]) == (confidence, confidence)
    out = io.StringIO()
    table.show(Console(file=out, width=160, highlight=False, markup=False), result)
    assert ("its name or version is guessed" in out.getvalue()) is (confidence == "low")
