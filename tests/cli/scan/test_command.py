"""`pratique scan` end to end, with the built-in starter data: forms of output, thresholds, exit codes, honesty."""

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from tests.cli.scan.images import Layout, layers, simple
from tests.corpus.layers.archive import END, file, gzipped, header
from typer.testing import CliRunner

from pratique.cli.exits import Exit
from pratique.cli.scan import app
from pratique.core.errors import Invalid
from pratique.core.findings.types import Severity
from pratique.scan.report.threshold import condition, fails


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRATIQUE_DATA__DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("PRATIQUE_CONFIG", raising=False)


@pytest.fixture
def image(tmp_path: Path) -> Any:
    return str(simple(tmp_path / "layout").folder)


def run(*arguments: str, code: Exit = Exit.DONE) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def test_the_table_names_package_vulnerability_fix_and_the_data(image: Any) -> None:
    text = run(image)
    assert "minimist 1.2.0" in text
    assert "app/node_modules/minimist/package.json" in text
    assert "CVE-2021-44906" in text
    assert "→ 1.2.6" in text
    assert "starter" in text
    assert "pratique advisories sync" in text


def test_json_holds_evidence_layer_and_what_was_not_assessed(image: Any) -> None:
    document = json.loads(run(image, "-o", "json"))
    (finding,) = [one for one in document["findings"] if one["vulnerability"] == "CVE-2021-44906"]
    assert finding["package"]["purl"] == "pkg:npm/minimist@1.2.0"
    assert finding["fixed_version"] == "1.2.6"
    assert finding["layer"]["index"] == 1
    assert finding["evidence"][0]["starter"] is True
    assert document["distro"]["id"] == "debian"
    assert document["assessable"] is True
    assert document["data"]["needed"]


@pytest.mark.parametrize(
    ("threshold", "code"),
    [("", Exit.DONE), ("critical", Exit.NO), ("low", Exit.NO), ("fixable", Exit.NO), ("exploited", Exit.DONE),
     ("exploited,critical+fixable", Exit.NO), ("exploited+fixable", Exit.DONE), ("any", Exit.NO)],
)  # fmt: skip
def test_the_exit_code_follows_the_threshold(image: Any, threshold: Any, code: str) -> None:
    run(image, *(["--fail-on", threshold] if threshold else []), code=code)


def test_an_unknown_threshold_is_refused_before_any_reading() -> None:
    with pytest.raises(Invalid, match="does not know"):
        run("oci:/nowhere", "--fail-on", "dreadful")
    assert not fails([], "")
    with pytest.raises(Invalid):
        condition(Severity.UNKNOWN.value)


def test_sarif_has_rules_results_and_says_what_was_not_assessed(image: Any) -> None:
    log = json.loads(run(image, "-o", "sarif"))
    (run_of,) = log["runs"]
    rules = [rule["id"] for rule in run_of["tool"]["driver"]["rules"]]
    assert log["version"] == "2.1.0"
    assert len(rules) == len(set(rules))
    for result in run_of["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    (first,) = [one for one in run_of["results"] if one["ruleId"] == "CVE-2021-44906"]
    assert "Update to 1.2.6" in first["message"]["text"]
    assert run_of["invocations"][0]["executionSuccessful"] is True


def test_cyclonedx_with_vulnerabilities_is_valid(image: Any) -> None:
    text = run(image, "-o", "cyclonedx")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    references = {component["bom-ref"] for component in document["components"]}
    affected = {one["ref"] for entry in document["vulnerabilities"] for one in entry["affects"]}
    assert affected <= references
    assert affected


def test_the_sbom_that_was_written_scans_alike(image: Any, tmp_path: Path) -> None:
    path = tmp_path / "bom.json"
    run(image, "-o", "cyclonedx", "--output-file", str(path))
    direct, again = json.loads(run(image, "-o", "json")), json.loads(run("--sbom", str(path), "-o", "json"))
    assert [one["vulnerability"] for one in again["findings"]] == [one["vulnerability"] for one in direct["findings"]]


@pytest.mark.parametrize("form", ["spdx-json", "spdx3-json"])
def test_spdx_is_written_and_scans_alike(image: Any, tmp_path: Path, form: str) -> None:
    path = tmp_path / "sbom.json"
    run(image, "-o", form, "--output-file", str(path))
    direct, again = json.loads(run(image, "-o", "json")), json.loads(run("--sbom", str(path), "-o", "json"))
    assert [one["vulnerability"] for one in again["findings"]] == [one["vulnerability"] for one in direct["findings"]]
    assert again["packages"] == direct["packages"] > 0


def layout_of(folder: Path, *parts: bytes) -> Any:
    layout = Layout(folder)
    layout.add(layout.manifest([gzipped(part + END) for part in parts]), "x")
    return str(folder)


def test_an_image_that_cannot_be_assessed_is_not_clean(tmp_path: Path) -> None:
    path = layout_of(tmp_path / "scratch", header(b"server", 4, mode=0o755) + b"\x7fELF".ljust(512, b"\0"))
    text = run(path, code=Exit.UNDECIDED)
    assert "NOT ASSESSED" in text
    document = json.loads(run(path, "-o", "json", code=Exit.UNDECIDED))
    assert document["assessable"] is False
    assert document["not_assessed"][0]["code"] == "no-package-data"
    log = json.loads(run(path, "-o", "sarif", code=Exit.UNDECIDED))
    assert log["runs"][0]["invocations"][0]["executionSuccessful"] is False


def test_without_any_advisories_nothing_is_called_clean(image: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRATIQUE_ADVISORIES__STARTER", "false")
    text = run(image, code=Exit.UNDECIDED)
    assert "NOT ASSESSED" in text
    assert "pratique advisories sync" in text


def test_an_unknown_release_is_not_clean(tmp_path: Path) -> None:
    path = layout_of(
        tmp_path / "unknown",
        file(b"etc/os-release", b"ID=frobnix\nVERSION_ID=1\n")
        + file(b"var/lib/dpkg/status", b"Package: a\nStatus: install ok installed\nVersion: 1\n"),
    )
    run(path, code=Exit.UNDECIDED)


def test_all_platforms_are_scanned_and_the_worst_decides(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.add(layout.index([layout.manifest(layers()[:1], "arm64"), layout.manifest(layers(), "amd64")]), "x")
    folder = str(layout.folder)
    documents = json.loads(run(folder, "--all-platforms", "-o", "json", "--fail-on", "critical", code=Exit.NO))
    assert [one["platform"] for one in documents] == ["linux/arm64", "linux/amd64"]
    run(folder, "--platform", "linux/arm64", "--fail-on", "critical")
    assert len(json.loads(run(folder, "--all-platforms", "-o", "sarif"))["runs"]) == 2


def test_exactly_one_target_is_asked_for(image: Any) -> None:
    run(code=Exit.USAGE)
    run(image, "--rootfs", "/", code=Exit.USAGE)


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    manifest = b'{"name":"minimist","version":"1.2.0"}'
    path = layout_of(
        tmp_path / "hostile",
        file(b"etc/os-release", b'ID=debian\nVERSION_ID=12\nPRETTY_NAME="a\x1b[31mb"\n')
        + file(b"var/lib/dpkg/status", b"Package: a\nStatus: install ok installed\nVersion: 1\n")
        + file(b"x\x1b[31m/node_modules/minimist/package.json", manifest),
    )
    assert "\x1b" not in run(path)
