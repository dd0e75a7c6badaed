"""GitHub's dependency snapshot out: what its dependency submission API takes, from inside a workflow.

Commit, branch and run come from the variables that every GitHub runner sets; without them GitHub would refuse the
snapshot, so it is not made. The run's address stands for the detector's, which is asked for; findings go as SARIF.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pratique
from pratique.core.errors import Invalid
from pratique.inventory.types import Package
from pratique.scan.report.instants import rfc3339
from pratique.scan.report.result import ScanResult

_NEEDED: Final = (
    "GITHUB_SHA",
    "GITHUB_REF",
    "GITHUB_RUN_ID",
    "GITHUB_WORKFLOW",
    "GITHUB_JOB",
    "GITHUB_SERVER_URL",
    "GITHUB_REPOSITORY",
)


def document(results: Sequence[ScanResult], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return one snapshot with a manifest for each result. Raises `Invalid` outside a workflow."""
    known = os.environ if environment is None else environment
    missing = [name for name in _NEEDED if not known.get(name)]
    if missing:
        remedy = "Run it in a GitHub workflow, or set them."
        raise Invalid(f"A GitHub snapshot needs {', '.join(missing)}.", remedy=remedy)
    run = f"{known['GITHUB_SERVER_URL']}/{known['GITHUB_REPOSITORY']}/actions/runs/{known['GITHUB_RUN_ID']}"
    correlator = f"{known['GITHUB_WORKFLOW']}_{known['GITHUB_JOB']}"
    return {
        "version": 0,
        "job": {"id": known["GITHUB_RUN_ID"], "correlator": correlator, "html_url": run},
        "sha": known["GITHUB_SHA"],
        "ref": known["GITHUB_REF"],
        "detector": {"name": "pratique", "version": pratique.__version__, "url": run},
        "scanned": rfc3339(max(result.scanned_at for result in results)),
        "manifests": {name: _manifest(name, result) for result in results for name in [_name(result)]},
    }


def _name(result: ScanResult) -> str:
    return f"{result.subject} ({result.platform})" if result.platform else result.subject


def _manifest(name: str, result: ScanResult) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "name": name,
        "resolved": {package.purl: _resolved(package) for package in result.inventory.package_set.packages},
    }
    return {**manifest, "metadata": {"digest": result.digest}} if result.digest else manifest


def _resolved(package: Package) -> dict[str, Any]:
    return {"package_url": package.purl, "relationship": "direct", "scope": "runtime"}
