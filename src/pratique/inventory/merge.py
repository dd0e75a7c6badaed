"""Layers joined into an image: whiteouts, links and replaced folders applied, each package given its layer.

Works per record file, as unpacking does per file: a later layer's copy of a path, its whiteout, an opaque folder above
it, or a link or file in place of a folder above it, ends the earlier one. Links deeper than `collector.NEAR_ROOT` are
not followed: at worst a package that is no longer there is still counted.

A package belongs to the first layer from which on it is present in this version without a break, although dpkg and apk
write their whole database anew in every layer.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from pratique.inventory import coverage
from pratique.inventory.collector import Problems
from pratique.inventory.config import diff_ids_of, image_facts
from pratique.inventory.marks import mark, marks_of
from pratique.inventory.readers import apk, os_release
from pratique.inventory.types import (
    Cache,
    Distro,
    ImageInventory,
    LayerReport,
    NotAssessed,
    Origin,
    Package,
    PackageSet,
    PlacedSecret,
    PrivilegedFile,
    RecordFile,
    SecretPlace,
)

_HOPS: Final = 40
OF_DISTRIBUTIONS: Final = frozenset(("apk", "deb", "rpm"))
"""Ecosystems whose packages stand on the distribution that the image names."""


class FileView:
    """The records that are visible after the layers applied so far, with the layer of each of their packages."""

    def __init__(self) -> None:
        self.records: dict[str, RecordFile] = {}
        self.origins: dict[str, dict[Package, int]] = {}
        self.links: dict[str, str] = {}
        self.privileged: dict[str, PrivilegedFile] = {}
        self.secrets: list[tuple[SecretPlace, int, bool]] = []
        self.open_paths: set[str] = set()
        self.caches: list[tuple[int, Cache]] = []
        self._binaries: set[str] = set()

    def apply(self, report: LayerReport, index: int) -> None:
        """Lays one more layer over the view."""
        for directory in report.directories:
            self.links.pop(directory, None)
        placed = [_landed(record, self._parent_resolved(record.path)) for record in report.records]
        before = self.origins
        self._remove(report)
        self._replace_binaries(report)
        self.links.update((link.path, link.target) for link in report.links)
        for record in placed:
            earlier = before.get(record.path, {})
            self.records[record.path] = record
            if record.reader == "binary":
                self._binaries.add(record.path)
            self.origins[record.path] = {package: earlier.get(package, index) for package in record.packages}
        self.privileged.update((file.path, file) for file in report.privileged)
        self.open_paths.update(report.open_paths)
        self.caches += [(index, cache) for cache in report.caches]
        self.secrets += [(secret, index, False) for secret in report.secrets]

    def _remove(self, report: LayerReport) -> None:
        gone = frozenset(map(self._parent_resolved, report.whiteouts)) | {link.path for link in report.links}
        gone |= frozenset(report.shadows)
        emptied = frozenset(report.opaque)
        if not gone and not emptied:
            self.origins = dict(self.origins)
            return
        kept = {path for path in self.records if not _hidden(path, gone, emptied)}
        self.records = {path: record for path, record in self.records.items() if path in kept}
        self.origins = {path: packages for path, packages in self.origins.items() if path in kept}
        self.links = {path: to for path, to in self.links.items() if not _hidden(path, gone, emptied)}
        self.privileged = {path: one for path, one in self.privileged.items() if not _hidden(path, gone, emptied)}
        self.open_paths = {path for path in self.open_paths if not _hidden(path, gone, emptied)}
        # A file that is deleted later stays in its layer, which everybody gets: its secrets stay, and are marked.
        self.secrets = [(one, at, was or _hidden(one.path, gone, emptied)) for one, at, was in self.secrets]

    def _replace_binaries(self, report: LayerReport) -> None:
        """Binaries whose place another executable takes, of which there is nothing to say."""
        marks = marks_of(report.replaced) if self._binaries or self.privileged or self.open_paths else frozenset()
        self.privileged = {path: one for path, one in self.privileged.items() if mark(path.encode()) not in marks}
        self.open_paths = {path for path in self.open_paths if mark(path.encode()) not in marks}
        for path in [path for path in self._binaries if mark(path.encode()) in marks]:
            self._binaries.discard(path)
            self.records.pop(path, None)
            self.origins.pop(path, None)

    def _parent_resolved(self, path: str) -> str:
        """Where a file of this path really lands: links in the folders above it are followed."""
        directory, slash, name = path.rpartition("/")
        return f"{self.resolved(directory)}/{name}" if slash else path

    def resolved(self, path: str) -> str:
        """The path with every link on the way followed, confined to the root; a cycle ends as itself."""
        if not self.links:
            return path
        hops, todo = 0, path.split("/")[::-1]
        done: list[str] = []
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del done[-1:]
                continue
            done.append(part)
            target = self.links.get("/".join(done))
            if target is not None and hops < _HOPS:
                hops += 1
                done = [] if target.startswith("/") else done[:-1]
                todo += target.split("/")[::-1]
        return "/".join(done)

    def at(self, path: str) -> RecordFile | None:
        """The record that reading this path would give."""
        return self.records.get(self.resolved(path))


def _landed(record: RecordFile, path: str) -> RecordFile:
    """The record under the path where unpacking puts it."""
    if path == record.path:
        return record
    packages = tuple(msgspec.structs.replace(package, location=path) for package in record.packages)
    return msgspec.structs.replace(record, path=path, packages=packages)


def _hidden(path: str, gone: frozenset[str], emptied: frozenset[str]) -> bool:
    if path in gone or "" in emptied:
        return True
    at = path.rfind("/")
    while at > 0:
        above = path[:at]
        if above in gone or above in emptied:
            return True
        at = path.rfind("/", 0, at)
    return False


def merge(reports: Sequence[LayerReport], config: dict[str, Any]) -> ImageInventory:
    """The image that these layers make, lowest first, with whiteouts applied and each package given its layer.

    `config` is the decoded image configuration; layers that its `rootfs.diff_ids` do not name are blockers.
    """
    problems = Problems()
    view = FileView()
    for index, report in enumerate(reports):
        view.apply(report, index)
        for problem in report.problems:
            problems.add(_in_layer(problem, index))
    for problem in _layer_mismatches(reports, config):
        problems.add(problem)
    distro = distro_of(view)
    packages = _finished(view, distro, problems)
    for problem in coverage.image_problems(view.records.values(), distro, reports):
        problems.add(problem)
    package_set = PackageSet.of(list(packages), distro)
    diff_ids = tuple(report.diff_id for report in reports)
    not_assessed = problems.result()
    return ImageInventory(
        package_set=package_set,
        origins=tuple(_origin(packages[package], diff_ids) for package in package_set.packages),
        coverage=coverage.by_ecosystem(view.records.values(), not_assessed),
        facts=image_facts(config),
        privileged=tuple(view.privileged[path] for path in sorted(view.privileged)),
        open_paths=tuple(sorted(view.open_paths)),
        caches=tuple(view.caches),
        secrets=tuple(sorted(PlacedSecret(one, _origin(at, diff_ids), gone) for one, at, gone in view.secrets)),
        diff_ids=diff_ids,
        not_assessed=not_assessed,
    )


def _in_layer(problem: NotAssessed, index: int) -> NotAssessed:
    if problem.scope != "layer":
        return problem
    what = f"layer {index}" if problem.what == "layer" else f"layer {index}: {problem.what}"
    return msgspec.structs.replace(problem, what=what)


def _layer_mismatches(reports: Sequence[LayerReport], config: dict[str, Any]) -> Iterable[NotAssessed]:
    """Layers that are not the ones the configuration names: the image is then not what its identity says."""
    named = diff_ids_of(config)
    if named is None:
        yield NotAssessed("configuration", "it names no layers (rootfs.diff_ids)", "no-diff-ids", scope="image")
        return
    if len(named) != len(reports):
        reason = f"it names {len(named)} layers, the image has {len(reports)}"
        yield NotAssessed("configuration", reason, "layer-count", scope="image")
    for index, (report, diff_id) in enumerate(zip(reports, named, strict=False)):
        if report.diff_id and report.diff_id != diff_id:
            reason = f"its diffID is {report.diff_id}, the configuration says {diff_id}"
            yield NotAssessed(f"layer {index}", reason, "wrong-digest", scope="layer")


def distro_of(view: FileView) -> Distro | None:
    """The distribution that os-release names, by the path that os-release(5) has read first."""
    for path in os_release.PATHS:
        record = view.at(path)
        if record is not None and record.reader == "os-release":
            return os_release.distro_of(record)
    return None


def _origin(index: int, diff_ids: Sequence[str]) -> Origin:
    return Origin(index, diff_ids[index]) if 0 <= index < len(diff_ids) else Origin()


def _finished(view: FileView, distro: Distro | None, problems: Problems) -> dict[Package, int]:
    """All visible packages with distribution, repository and owner filled in, and the layer of each."""
    owners = dict(pair for record in view.records.values() for pair in record.owns)
    branch = _apk_branch(view, distro, problems)
    packages: dict[Package, int] = {}
    for path, origins in view.origins.items():
        problem = view.records[path].problem
        if problem is not None:
            problems.add(problem)
        for package, index in origins.items():
            if package.ecosystem in OF_DISTRIBUTIONS:
                done = msgspec.structs.replace(
                    package,
                    distro=distro.key if distro else "",
                    repository=branch if package.ecosystem == "apk" else "",
                )
            else:
                owner = _owner(owners, package.location) or _owner(owners, path)
                done = msgspec.structs.replace(package, owned_by=owner) if owner else package
            packages[done] = min(index, packages.get(done, index))
    return packages


def _owner(owners: Mapping[str, str], path: str) -> str:
    """Who owns a path; databases may spell a merged `usr/bin/x` as `bin/x`."""
    owner = owners.get(path, "")
    return owner or (owners.get(path[4:], "") if path.startswith(("usr/bin/", "usr/sbin/", "usr/lib")) else "")


def _apk_branch(view: FileView, distro: Distro | None, problems: Problems) -> str:
    """The release whose repositories apk was pointed at; with several, that of os-release, and a note."""
    record = view.at("etc/apk/repositories")
    branches = [value for key, value in record.values if key == "branch"] if record else []
    if len(branches) < 2:
        return branches[0] if branches else ""
    reason = f"packages come from several releases ({', '.join(branches[:4])}) and are judged by one"
    problems.add(NotAssessed(apk.REPOSITORIES, reason, "apk-mixed-repositories", scope="package", ecosystem="apk"))
    own = "" if distro is None else distro.release if distro.release == "edge" else f"v{distro.release}"
    return own if own in branches else ""
