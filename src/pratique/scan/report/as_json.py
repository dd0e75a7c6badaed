"""The project's own JSON form: everything that the scan knows, `schema` naming the version of the form."""

from typing import Any

import msgspec

from pratique.advisories.types import FeedStatus, Match
from pratique.inventory.types import NotAssessed
from pratique.scan.report.instants import rfc3339
from pratique.scan.report.result import ScanResult

SCHEMA = "pratique.scan.v1"


def document(result: ScanResult) -> dict[str, Any]:
    """The result as one JSON object."""
    inventory = result.inventory
    return {
        "schema": SCHEMA,
        "subject": result.subject,
        "kind": result.kind,
        "digest": result.digest,
        "platform": result.platform,
        "scanned_at": rfc3339(result.scanned_at),
        "assessable": result.assessable,
        "distro": msgspec.to_builtins(inventory.distro),
        "package_set": inventory.package_set.digest,
        "packages": len(inventory.package_set.packages),
        "counts": {severity.value: count for severity, count in result.counts.items()},
        "coverage": msgspec.to_builtins(inventory.coverage),
        "findings": [finding(result, match) for match in result.findings],
        "unimportant": [finding(result, match) for match in result.unimportant],
        "checks": msgspec.to_builtins(result.checks),
        "not_assessed": [_problem(one) for one in (*result.why_not_assessable, *result.not_assessed)],
        "data": {
            "revision": result.report.revision,
            "feeds": [_feed(feed) for feed in result.feeds],
            "needed": [
                {"name": feed.name, "reason": feed.reason, "download_bytes": feed.download_bytes}
                for feed in result.report.needed
            ],
        },
    }


def finding(result: ScanResult, match: Match) -> dict[str, Any]:
    """One finding with the evidence that explains it."""
    package, origin = match.package, result.origin_of(match)
    return {
        "vulnerability": match.vulnerability,
        "group": match.group_id,
        "aliases": list(match.aliases),
        "title": match.title,
        "package": {
            "ecosystem": package.ecosystem,
            "name": package.name,
            "version": package.version,
            "source": package.source_name,
            "location": package.location,
            "owned_by": package.owned_by,
            "confidence": getattr(package, "confidence", "high"),
            "purl": getattr(package, "purl", ""),
        },
        "layer": {"index": origin.layer_index, "diff_id": origin.diff_id},
        "severity": match.severity.value,
        "severity_source": match.severity_source,
        "ratings": [
            {"source": one.source, "severity": one.severity.value, "vector": one.vector, "score": one.score}
            for one in match.ratings
        ],
        "fixed_version": match.fixed_version,
        "status": match.status,
        "reason": match.reason,
        "exploited": match.exploited,
        "epss": match.epss,
        "confidence": match.confidence.value,
        "evidence": [one.as_dict() for one in match.evidence],
    }


def _problem(problem: NotAssessed) -> dict[str, str]:
    return {
        "what": problem.what,
        "reason": problem.reason,
        "code": problem.code,
        "scope": problem.scope,
        "ecosystem": problem.ecosystem,
    }


def _feed(feed: FeedStatus) -> dict[str, Any]:
    return {
        "name": feed.name,
        "state": feed.state.value,
        "records": feed.records,
        "data_date": rfc3339(feed.data_date) if feed.data_date else None,
        "error": feed.error,
    }
