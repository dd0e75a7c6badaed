"""GitLab's container scanning report out (security report schemas, 15.0.7): what its vulnerability pages read.

GitLab takes instants without a zone, and lengths are bounded by its schema. What was not assessed becomes messages of
the scan, which is a failure where nothing can be said of the whole.
"""

import hashlib
from typing import Any, Final
from uuid import UUID

import pratique
from pratique.advisories.types import Match
from pratique.core.findings.types import Severity
from pratique.scan.report.instants import rfc3339
from pratique.scan.report.result import ScanResult

VERSION: Final = "15.0.7"
_SEVERITIES: Final = {Severity.NEGLIGIBLE: "Info"}


def document(result: ScanResult) -> dict[str, Any]:
    """Return the report of one result; GitLab has one file for each image."""
    return {
        "version": VERSION,
        "scan": _scan(result),
        "vulnerabilities": [_vulnerability(result, match) for match in result.findings],
    }


def _scan(result: ScanResult) -> dict[str, Any]:
    program = {
        "id": "pratique",
        "name": "Pratique",
        "version": pratique.__version__,
        "vendor": {"name": "Pratique"},
    }
    at = rfc3339(result.scanned_at).removesuffix("Z")
    scan: dict[str, Any] = {
        "analyzer": program,
        "scanner": program,
        "type": "container_scanning",
        "start_time": at,
        "end_time": at,
        "status": "success" if result.assessable else "failure",
    }
    problems = [(one, "fatal") for one in result.why_not_assessable]
    problems += [(one, "warn") for one in result.not_assessed if one not in result.why_not_assessable]
    if problems:
        scan["messages"] = [
            {"level": level, "value": f"Not assessed: {one.what}: {one.reason}"} for one, level in problems
        ]
    return scan


def _vulnerability(result: ScanResult, match: Match) -> dict[str, Any]:
    package = match.package
    fix = f"Update {package.name} to {match.fixed_version}." if match.fixed_version else ""
    entry: dict[str, Any] = {
        "id": _identity(match),
        "name": f"{match.vulnerability} in {package.name} {package.version}"[:255],
        "description": (match.title or match.vulnerability)[:100_000],
        "severity": _SEVERITIES.get(match.severity, match.severity.value.capitalize()),
        "identifiers": [_identifier(name) for name in match.aliases or (match.vulnerability,)],
        "location": _location(result, match),
    }
    return {**entry, "solution": fix[:7000]} if fix else entry


def _identity(match: Match) -> str:
    """Return an id that is the same in the next scan, so that GitLab knows the finding again."""
    content = f"{match.group_id}\n{getattr(match.package, 'purl_base', match.package.name)}\n{match.package.location}"
    return str(UUID(bytes=hashlib.sha256(content.encode()).digest()[:16], version=4))


def _identifier(name: str) -> dict[str, str]:
    kind = name.partition("-")[0].lower()
    identifier = {"type": kind, "name": name, "value": name}
    if kind == "cve":
        return {**identifier, "url": f"https://www.cve.org/CVERecord?id={name}"}
    return identifier


def _location(result: ScanResult, match: Match) -> dict[str, Any]:
    distro = result.inventory.distro
    return {
        "image": result.subject or "image",
        "operating_system": (distro.name or distro.key) if distro else "none",
        "dependency": {"package": {"name": match.package.name}, "version": match.package.version},
    }
