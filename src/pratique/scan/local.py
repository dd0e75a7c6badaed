"""A scan without a server: an inventory joined with the advisories on this machine."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import msgspec

from pratique.advisories.service import AdvisoryStore
from pratique.core.clock import Clock
from pratique.core.errors import NotFound
from pratique.core.progress import Reporter
from pratique.inventory.service import merge
from pratique.inventory.types import ExpectedLayer, ImageInventory, LayerReport, Limits, NotAssessed, Origin
from pratique.scan.child import ReaderPool
from pratique.scan.report.result import ScanResult
from pratique.scan.sources.images import Image
from pratique.scan.sources.rootfs import RootWalk, SourceWalk


class Subject(msgspec.Struct, frozen=True):
    """What a result is about."""

    name: str
    kind: str
    digest: str = ""
    platform: str = ""
    size: int = 0
    """Bytes of all layers as stored; 0 where there are none."""


class LayerCache(Protocol):
    """Keeps reports by the digest of the stored layer, which was checked when it was read.

    Never by diffID: that is what an image says of itself, and it could name the layers of a clean one.
    """

    def get(self, digest: str) -> LayerReport | None: ...

    def put(self, report: LayerReport) -> None: ...


def read_image(image: Image, pool: ReaderPool, cache: LayerCache, reporter: Reporter) -> ImageInventory:
    """The inventory of an image: each layer from the cache, or read once in the reader child."""
    reports = []
    for number, (layer, diff_id) in enumerate(zip(image.layers, image.diff_ids, strict=True), 1):
        known = cache.get(layer.digest)
        if known is None:
            expected = ExpectedLayer(layer.digest, diff_id, layer.size)
            with image.blobs.layer(layer) as stream:
                known = pool.read(stream, layer.media_type, expected=expected)
            cache.put(known)
        reporter.advance(1, f"layer {number} of {len(image.layers)}")
        reports.append(known)
    config: Mapping[str, Any] = image.config
    return merge(reports, dict(config))


def read_root(root: Path, reporter: Reporter) -> ImageInventory:
    """The inventory of a root file system in place; what this user may not read is said."""
    if not root.is_dir():
        raise NotFound(f"There is no folder {root}.")
    walk = RootWalk(root, reporter)
    reporter.start(f"Reading {root}", None, "files")
    with ReaderPool(1) as pool:
        report = pool.read(cast("BinaryIO", walk.stream()))
    reporter.finish()
    return _without_layers(report, walk)


def read_source(folder: Path, reporter: Reporter) -> ImageInventory:
    """The inventory of a tree of sources: what its lock files say that a build would install."""
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.")
    walk = SourceWalk(folder, reporter)
    reporter.start(f"Reading {folder}", None, "files")
    with ReaderPool(1, limits=Limits(source_tree=True)) as pool:
        report = pool.read(cast("BinaryIO", walk.stream()))
    reporter.finish()
    return _without_layers(report, walk)


def _without_layers(report: LayerReport, walk: RootWalk) -> ImageInventory:
    inventory = merge([report], {"rootfs": {"type": "layers", "diff_ids": [report.diff_id]}})
    origins = (Origin(),) * len(inventory.origins)
    problems = (*inventory.not_assessed, *_root_problems(walk))
    return msgspec.structs.replace(inventory, origins=origins, diff_ids=(), not_assessed=problems)


def _root_problems(walk: RootWalk) -> Iterator[NotAssessed]:
    if walk.denied:
        reason = f"this user may not read {walk.denied} of its files and folders"
        yield NotAssessed("root file system", reason, "no-permission")
    if walk.cut:
        reason = f"it has more than {walk.entries} entries"
        yield NotAssessed("root file system", reason, "limit-entries", scope="layer")


def judge(subject: Subject, inventory: ImageInventory, store: AdvisoryStore, clock: Clock) -> ScanResult:
    """The inventory compared with all advisories that are on this machine."""
    distro = inventory.distro.key if inventory.distro else ""
    report = store.match(inventory.package_set.packages, distro)
    return ScanResult(
        subject.name,
        subject.kind,
        subject.digest,
        subject.platform,
        inventory,
        report,
        store.feeds(),
        clock.now(),
        subject.size,
    )
