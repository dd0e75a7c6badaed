"""JUnit, GitLab, GitHub and HTML: well-formed to independent parsers, bounded, honest, and safe for hostile names."""

import json
import re
from pathlib import Path
from typing import Any

import lxml.html
import pytest
from lxml import etree
from tests.cli.scan.images import Layout, layers, simple
from tests.cli.scan.test_command import layout_of, run, state
from tests.corpus.layers.archive import file, header

from pratique.cli.exits import Exit
from pratique.core.errors import Invalid

__all__ = ["state"]

ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
WORKFLOW = {
    "GITHUB_SHA": "a" * 40, "GITHUB_REF": "refs/heads/main", "GITHUB_RUN_ID": "7",
    "GITHUB_WORKFLOW": "build", "GITHUB_JOB": "scan",
    "GITHUB_SERVER_URL": "https://github.example", "GITHUB_REPOSITORY": "team/app",
}  # fmt: skip


@pytest.fixture
def image(tmp_path: Path) -> str:
    return str(simple(tmp_path / "layout").folder)


@pytest.fixture
def hostile(tmp_path: Path) -> str:
    """An image whose names, versions, paths and system try to be markup."""
    status = f"Package: a\nStatus: install ok installed\nVersion: 1{ATTACK}\nMaintainer: {ATTACK}\n\n"
    manifest = b'{"name":"minimist","version":"1.2.0"}'
    return layout_of(
        tmp_path / ("x" + ATTACK.replace("/", "\u2215")),
        file(b"etc/os-release", f"ID=debian\nVERSION_ID=12\nPRETTY_NAME='{ATTACK}]]>\x01'\n".encode())
        + file(b"var/lib/dpkg/status", status.encode())
        + file(f"{ATTACK.replace('/', '')}]]>\x01\x1b/node_modules/minimist/package.json".encode(), manifest),
    )


@pytest.fixture
def blank(tmp_path: Path) -> str:
    return layout_of(tmp_path / "scratch", header(b"server", 4, mode=0o755) + b"\x7fELF".ljust(512, b"\0"))


def suites(text: str) -> Any:
    root = etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False))
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.get("tests")) == len(cases)
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(name)) == len(suite.findall(f"testcase/{tag}"))
    return root


def test_junit_has_a_failed_case_for_each_finding(image: str) -> None:
    root = suites(run(image, "-o", "junit"))
    findings = json.loads(run(image, "-o", "json"))["findings"]
    assert int(root.get("failures")) == len(findings) > 0
    (case,) = [one for one in root.iter("testcase") if "CVE-2021-44906" in one.get("name")]
    assert case.get("classname") == "npm/minimist@1.2.0"
    assert "Update to 1.2.6." in case.find("failure").text


def test_junit_of_what_was_not_assessed_is_an_error_and_not_an_empty_suite(blank: str) -> None:
    root = suites(run(blank, "-o", "junit", code=Exit.UNDECIDED))
    assert int(root.get("errors")) > 0
    assert int(root.get("failures")) == 0


def test_junit_of_an_image_without_findings_has_one_passed_case(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "clean")
    layout.add(layout.manifest(layers()[:1]), "x")
    (case,) = [one for one in suites(run(str(layout.folder), "-o", "junit")).iter("testcase") if not len(one)]
    assert case.get("name") == "no finding"


def test_junit_holds_hostile_names_as_text(hostile: str) -> None:
    root = suites(run(hostile, "-o", "junit", code=Exit.UNDECIDED))
    assert {element.tag for element in root.iter()} <= {
        "testsuites", "testsuite", "testcase", "failure", "error", "skipped"
    }  # fmt: skip
    assert ATTACK[:10] in (root.find(".//failure").text or "")


def test_gitlab_has_what_its_report_asks_for(image: str, blank: str) -> None:
    report = json.loads(run(image, "-o", "gitlab"))
    assert set(report) == {"version", "scan", "vulnerabilities"}
    assert report["scan"]["type"] == "container_scanning"
    for key in ("start_time", "end_time"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", report["scan"][key])
    for program in (report["scan"]["analyzer"], report["scan"]["scanner"]):
        assert all((program["id"], program["name"], program["version"], program["vendor"]["name"]))
    for found in report["vulnerabilities"]:
        assert found["severity"] in ("Info", "Unknown", "Low", "Medium", "High", "Critical")
        assert found["identifiers"]
        assert all(one["type"] and one["name"] and one["value"] for one in found["identifiers"])
        assert found["location"]["image"]
        assert found["location"]["operating_system"]
        assert found["location"]["dependency"]["package"]["name"]
    identities = [found["id"] for found in report["vulnerabilities"]]
    assert len(set(identities)) == len(identities) > 0
    assert identities == [found["id"] for found in json.loads(run(image, "-o", "gitlab"))["vulnerabilities"]]
    failed = json.loads(run(blank, "-o", "gitlab", code=Exit.UNDECIDED))
    assert failed["scan"]["status"] == "failure"
    assert failed["scan"]["messages"][0]["level"] == "fatal"


def test_github_has_each_package_once_and_the_commit(image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in WORKFLOW.items():
        monkeypatch.setenv(name, value)
    snapshot = json.loads(run(image, "-o", "github"))
    assert (snapshot["version"], snapshot["sha"], snapshot["ref"]) == (0, "a" * 40, "refs/heads/main")
    assert snapshot["job"] == {
        "id": "7",
        "correlator": "build_scan",
        "html_url": "https://github.example/team/app/actions/runs/7",
    }
    (manifest,) = snapshot["manifests"].values()
    assert "pkg:npm/minimist@1.2.0" in {one["package_url"] for one in manifest["resolved"].values()}
    monkeypatch.delenv("GITHUB_SHA")
    with pytest.raises(Invalid, match="GITHUB_SHA"):
        run(image, "-o", "github")


def test_the_html_report_is_one_file_that_loads_nothing(image: str) -> None:
    page = lxml.html.fromstring(run(image, "-o", "html"))
    assert not page.xpath("//script|//link|//img|//iframe|//object|//@style|//@src")
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    text = page.text_content()
    assert "CVE-2021-44906" in text
    assert "1.2.6" in text
    assert page.xpath("//a/@href") == [f"https://www.cve.org/CVERecord?id={name}" for name in page.xpath("//a/text()")]


def test_the_html_report_shows_hostile_names_as_text(hostile: str, image: str) -> None:
    page = lxml.html.fromstring(run(hostile, "-o", "html", code=Exit.UNDECIDED))
    plain = lxml.html.fromstring(run(image, "-o", "html"))
    assert {element.tag for element in page.iter()} <= {*(element.tag for element in plain.iter()), "p", "strong"}
    assert not [name for name in page.xpath("//@*") if str(name).startswith("alert")]
    assert not page.xpath("//@onerror")
    assert ATTACK[:20] in page.text_content()


def test_the_html_report_says_what_was_not_assessed(blank: str) -> None:
    assert "Not assessed" in lxml.html.fromstring(run(blank, "-o", "html", code=Exit.UNDECIDED)).text_content()
