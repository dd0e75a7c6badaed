"""SARIF 2.1.0 out (OASIS): a rule for each vulnerability, a result for each package that has it.

What could not be assessed stands in `toolExecutionNotifications`, and `executionSuccessful` is false where the whole
could not be: a reader of SARIF must not take silence for a clean image.
"""

import hashlib
from typing import Any

import pratique
from pratique.advisories.types import Match
from pratique.core.findings.types import Severity
from pratique.inventory.types import NotAssessed
from pratique.scan.report.instants import rfc3339
from pratique.scan.report.result import ScanResult

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.NEGLIGIBLE: "note",
    Severity.UNKNOWN: "warning",
}
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.NEGLIGIBLE: "0.5",
}


def document(result: ScanResult) -> dict[str, Any]:
    """One SARIF log with one run."""
    rules = list({match.vulnerability: match for match in reversed(result.findings)}.values())[::-1]
    numbers = {match.vulnerability: number for number, match in enumerate(rules)}
    problems = (*result.why_not_assessable, *result.not_assessed)
    return {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "pratique",
                        "version": pratique.__version__,
                        "rules": [_rule(match) for match in rules],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": result.assessable,
                        "endTimeUtc": rfc3339(result.scanned_at),
                        "toolExecutionNotifications": [_notification(problem) for problem in problems],
                    }
                ],
                "results": [_result(result, match, numbers[match.vulnerability]) for match in result.findings],
                "properties": {"subject": result.subject, "digest": result.digest, "platform": result.platform},
            }
        ],
    }


def _rule(match: Match) -> dict[str, Any]:
    properties: dict[str, Any] = {"tags": ["security", "vulnerability", match.severity.value]}
    score = _score(match)
    if score:
        properties["security-severity"] = score
    return {
        "id": match.vulnerability,
        "shortDescription": {"text": match.title or match.vulnerability},
        "help": {"text": "Also known as " + ", ".join(match.aliases) if match.aliases else match.vulnerability},
        "defaultConfiguration": {"level": _LEVELS[match.severity]},
        "properties": properties,
    }


def _score(match: Match) -> str:
    """The CVSS score of whoever gave the severity, else a score within its band."""
    for rating in match.ratings:
        if rating.source == match.severity_source and rating.score is not None:
            return f"{rating.score:.1f}"
    return _SCORES.get(match.severity, "")


def _result(result: ScanResult, match: Match, number: int) -> dict[str, Any]:
    package = match.package
    purl = str(getattr(package, "purl", "")) or f"{package.ecosystem}/{package.name}@{package.version}"
    fixed = f"Update to {match.fixed_version}." if match.fixed_version else "No fixed version is known."
    identity = f"{match.group_id}\n{getattr(package, 'purl_base', package.name)}\n{package.location}"
    return {
        "ruleId": match.vulnerability,
        "ruleIndex": number,
        "level": _LEVELS[match.severity],
        "message": {"text": f"{package.name} {package.version} has {match.vulnerability}. {fixed}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(package.location or package.name)}},
                "logicalLocations": [{"fullyQualifiedName": purl, "kind": "package"}],
            }
        ],
        "partialFingerprints": {"pratique/v1": hashlib.sha256(identity.encode()).hexdigest()},
        "properties": {"layer": result.origin_of(match).diff_id, "exploited": match.exploited, "epss": match.epss},
    }


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path)


def _notification(problem: NotAssessed) -> dict[str, Any]:
    level = "error" if problem.scope in ("image", "layer") else "warning"
    return {
        "level": level,
        "message": {"text": f"Not assessed: {problem.what}: {problem.reason}"},
        "descriptor": {"id": problem.code},
    }
