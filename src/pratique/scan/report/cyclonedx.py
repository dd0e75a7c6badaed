"""CycloneDX 1.6 with vulnerabilities: the SBOM of the inventory, and what affects its components."""

from typing import Any

from pratique.advisories.types import Match, Rating
from pratique.core.findings.types import Severity
from pratique.inventory.sbom import cyclonedx
from pratique.inventory.types import Package
from pratique.scan.report.instants import rfc3339
from pratique.scan.report.result import ScanResult

_SEVERITIES = {Severity.NEGLIGIBLE: "info"}


def document(result: ScanResult) -> dict[str, Any]:
    """The SBOM with a `vulnerabilities` entry for each vulnerability, all affected components in it."""
    bom = cyclonedx.document(result.inventory, result.subject, result.digest, rfc3339(result.scanned_at))
    groups: dict[str, list[Match]] = {}
    for match in result.findings:
        groups.setdefault(match.group_id or match.vulnerability, []).append(match)
    bom["vulnerabilities"] = [_vulnerability(matches) for matches in groups.values()]
    return bom


def _vulnerability(matches: list[Match]) -> dict[str, Any]:
    first = matches[0]
    fixes = sorted({match.fixed_version for match in matches if match.fixed_version})
    entry: dict[str, Any] = {
        "id": first.vulnerability,
        "references": [{"id": alias, "source": {"name": alias.split("-")[0]}} for alias in first.aliases[1:]],
        "ratings": [_rating(one) for one in first.ratings] or [_plain(first)],
        "affects": [_affected(match) for match in matches],
        "analysis": {"state": "exploitable" if first.exploited else "in_triage"},
    }
    if first.title:
        entry["description"] = first.title
    if fixes:
        entry["recommendation"] = f"Update to {', '.join(fixes)}."
    return entry


def _affected(match: Match) -> dict[str, Any]:
    reference = cyclonedx.reference(match.package) if isinstance(match.package, Package) else match.package.name
    return {"ref": reference, "versions": [{"version": match.package.version, "status": "affected"}]}


def _rating(rating: Rating) -> dict[str, Any]:
    value: dict[str, Any] = {
        "source": {"name": rating.source},
        "severity": _SEVERITIES.get(rating.severity, rating.severity.value),
    }
    if rating.score is not None:
        value["score"] = rating.score
    if rating.vector:
        value["vector"] = rating.vector
    return value


def _plain(match: Match) -> dict[str, Any]:
    return _rating(Rating(match.severity_source or "pratique", match.severity))
