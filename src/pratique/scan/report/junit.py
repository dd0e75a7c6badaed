"""JUnit XML out, as CI systems read it: a test case for each finding, failed; what was not assessed is skipped.

A subject of which nothing can be said has an `error`, and one without findings one passed case: an empty suite would
be shown as nothing at all.
"""

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from pratique.advisories.types import Match
from pratique.inventory.types import NotAssessed
from pratique.scan.report.instants import rfc3339
from pratique.scan.report.result import ScanResult

_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, in whatever coding."""


def document(results: Sequence[ScanResult]) -> str:
    """Return one document with a suite for each result."""
    root = ET.Element("testsuites", name="pratique")
    root.extend([_suite(result) for result in results])
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _suite(result: ScanResult) -> ET.Element:
    cases = [_finding(match) for match in result.findings]
    cases += [_problem(one, "error") for one in result.why_not_assessable]
    cases += [_problem(one, "skipped") for one in result.not_assessed if one not in result.why_not_assessable]
    if not result.findings and result.assessable:
        cases.insert(0, ET.Element("testcase", classname="packages", name="no finding"))
    suite = ET.Element("testsuite", name=_text(result.subject), tests=str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("timestamp", rfc3339(result.scanned_at).removesuffix("Z"))
    suite.extend(cases)
    return suite


def _finding(match: Match) -> ET.Element:
    package = match.package
    where = f"{package.ecosystem}/{package.name}@{package.version}"
    case = ET.Element("testcase", classname=_text(where), name=_text(f"[{match.severity.value}] {match.vulnerability}"))
    fix = f"Update to {match.fixed_version}." if match.fixed_version else "No fixed version is known."
    failure = ET.SubElement(case, "failure", type=match.severity.value, message=_text(match.title or fix))
    lines = [fix, f"at {package.location}" if package.location else "", match.reason]
    failure.text = _text("\n".join([*filter(None, lines), *(one.comparison for one in match.evidence)]))
    return case


def _problem(problem: NotAssessed, tag: str) -> ET.Element:
    case = ET.Element("testcase", classname="not assessed", name=_text(problem.what))
    mark = ET.SubElement(case, tag, message=_text(problem.reason))
    if tag == "error":
        mark.set("type", problem.code)
    return case


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
