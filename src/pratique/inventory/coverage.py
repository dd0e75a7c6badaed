"""What was read of an image, ecosystem by ecosystem, and the reasons for which nothing at all can be said of it."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from pratique.inventory.readers import ECOSYSTEMS
from pratique.inventory.types import Coverage, Distro, LayerReport, NotAssessed, RecordFile

_FAMILIES: Final = {
    "deb": ("debian", "ubuntu", "devuan", "raspbian", "linuxmint", "kali"),
    "apk": ("alpine", "wolfi", "chainguard", "postmarketos"),
    "rpm": ("rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn", "suse", "opensuse", "sles", "photon",
            "azurelinux", "mariner", "opensuse-leap", "opensuse-tumbleweed"),
}  # fmt: skip
_NAMED: Final = 5


def image_problems(
    records: Collection[RecordFile], distro: Distro | None, reports: Sequence[LayerReport]
) -> Iterable[NotAssessed]:
    """Why the image as a whole, or its binaries, cannot be assessed."""
    present = {package.ecosystem for record in records for package in record.packages}
    if not present and not any(record.problem and record.problem.scope == "image" for record in records):
        reason = "no package database and no installed package of a language that is read"
        yield NotAssessed("image", reason, "no-package-data", scope="image")
    yield from _release_problems(records, present, distro)
    yield from _unmanaged(reports)


def _release_problems(
    records: Collection[RecordFile], present: set[str], distro: Distro | None
) -> Iterable[NotAssessed]:
    if distro is None and present & {"deb", "apk", "rpm"}:
        reason = "there are packages of a distribution and no os-release that names it"
        yield NotAssessed("os-release", reason, "no-release", scope="image")
    if distro is None:
        return
    family = family_of(distro)
    seen = present | {record.problem.ecosystem for record in records if record.problem}
    if family and family not in seen:
        reason = f"os-release names {distro.key}, but its package database is missing"
        yield NotAssessed("image", reason, "no-database", scope="image", ecosystem=family)


def family_of(distro: Distro) -> str:
    """The ecosystem of a distribution's own packages; empty for one that is not known."""
    for identity in (distro.id, *distro.id_like):
        for ecosystem, names in _FAMILIES.items():
            if identity in names:
                return ecosystem
    return ""


def _unmanaged(reports: Sequence[LayerReport]) -> Iterable[NotAssessed]:
    """Binaries outside the folders of package managers: nobody says what they are made of."""
    paths = sorted({executable.path for report in reports for executable in report.executables})
    if paths:
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        what = ", ".join(paths[:_NAMED]) + more
        reason = "no package database lists these executables"
        yield NotAssessed(what, reason, "unmanaged-executables", scope="package", ecosystem="generic")


def by_ecosystem(records: Iterable[RecordFile], problems: Sequence[NotAssessed]) -> tuple[Coverage, ...]:
    """One row for every ecosystem that is read, and one for every other that was seen."""
    counts = dict.fromkeys(ECOSYSTEMS, 0)
    for record in records:
        for package in record.packages:
            counts[package.ecosystem] = counts.get(package.ecosystem, 0) + 1
    reasons = {problem.ecosystem: problem.reason for problem in problems if _spoils(problem)}
    layer = next((f"{one.what}: {one.reason}" for one in problems if one.scope == "layer"), "")
    rows = [_row(name, counts.get(name, 0), reasons.get(name, layer)) for name in {*counts, *reasons} if name]
    return tuple(sorted(rows))


def _spoils(problem: NotAssessed) -> bool:
    return problem.scope in ("image", "ecosystem") and bool(problem.ecosystem)


def _row(ecosystem: str, count: int, reason: str) -> Coverage:
    if reason:
        return Coverage(ecosystem, "not-assessed", count, reason)
    return Coverage(ecosystem, "read" if count else "absent", count)
