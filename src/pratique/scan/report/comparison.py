"""What differs between two results: packages, findings and sizes; and the forms in which that is told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pratique.advisories.types import Match
from pratique.inventory.types import Package
from pratique.scan.report.as_json import finding
from pratique.scan.report.result import ScanResult

_Line = tuple[str, str, str]
"""Ecosystem, name and architecture: what stays while versions change."""


@dataclass(frozen=True, slots=True)
class PackageChange:
    """One package whose versions differ; no version on a side means that it is not there."""

    ecosystem: str
    name: str
    arch: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def kind(self) -> str:
        if not self.before:
            return "added"
        return "changed" if self.after else "removed"


@dataclass(frozen=True, slots=True)
class Comparison:
    """From one result to another: what came, what went. Findings are sorted as their results sort them."""

    before: ScanResult
    after: ScanResult
    packages: tuple[PackageChange, ...]
    new: tuple[Match, ...]
    gone: tuple[Match, ...]
    kept: int
    """Findings that both have."""

    @property
    def assessable(self) -> bool:
        return self.before.assessable and self.after.assessable


def compare(before: ScanResult, after: ScanResult) -> Comparison:
    """Compare two results that were judged by the same data.

    A finding is the same where vulnerability and package are, whatever the version and the path: an update that does
    not mend it is neither gone nor new.
    """
    old, new = _by_identity(before.findings), _by_identity(after.findings)
    return Comparison(
        before,
        after,
        tuple(_changes(_versions(before), _versions(after))),
        tuple(match for key, match in new.items() if key not in old),
        tuple(match for key, match in old.items() if key not in new),
        len(old.keys() & new.keys()),
    )


def document(found: Comparison) -> dict[str, Any]:
    """Return the comparison as one JSON object."""
    return {
        "schema": "pratique.diff.v1",
        "before": _side(found.before),
        "after": _side(found.after),
        "packages": [
            {"change": one.kind, "ecosystem": one.ecosystem, "name": one.name, "arch": one.arch,
             "before": list(one.before), "after": list(one.after)}
            for one in found.packages
        ],
        "findings": {
            "new": [finding(found.after, match) for match in found.new],
            "gone": [finding(found.before, match) for match in found.gone],
            "kept": found.kept,
        },
    }  # fmt: skip


def _side(result: ScanResult) -> dict[str, Any]:
    return {
        "subject": result.subject,
        "digest": result.digest,
        "platform": result.platform,
        "packages": len(result.inventory.package_set.packages),
        "findings": len(result.findings),
        "size": result.size,
        "assessable": result.assessable,
        "not_assessed": [f"{one.what}: {one.reason}" for one in (*result.why_not_assessable, *result.not_assessed)],
    }


def _by_identity(matches: Iterable[Match]) -> dict[tuple[str, _Line], Match]:
    found: dict[tuple[str, _Line], Match] = {}
    for match in matches:
        package = match.package
        line = (package.ecosystem, package.name, str(getattr(package, "arch", "")))
        found.setdefault((match.group_id or match.vulnerability, line), match)
    return found


def _versions(result: ScanResult) -> dict[_Line, tuple[str, ...]]:
    found: dict[_Line, set[str]] = {}
    for package in result.inventory.package_set.packages:
        found.setdefault(_line(package), set()).add(package.version)
    return {line: tuple(sorted(versions)) for line, versions in found.items()}


def _line(package: Package) -> _Line:
    return package.ecosystem, package.name, package.arch


def _changes(
    before: Mapping[_Line, tuple[str, ...]], after: Mapping[_Line, tuple[str, ...]]
) -> Iterable[PackageChange]:
    for line in sorted(before.keys() | after.keys()):
        old, new = before.get(line, ()), after.get(line, ())
        if old != new:
            yield PackageChange(*line, old, new)
