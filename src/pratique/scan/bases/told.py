"""What pages and answers tell of bases: of one image, and of the line that a recommendation speaks about."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
import zstandard

from pratique.core.database import Transaction
from pratique.inventory.types import INDEXER_VERSION, LayerReport
from pratique.scan.bases.comparing import Compared
from pratique.scan.findings import occurrences
from pratique.scan.layers import RULES_VERSION
from pratique.scan.packages import chunks
from pratique.scan.tables import bases, image_chains, images, layer_reports
from pratique.scan.types import Place

MOST_REPLACED = 200
"""Files of a base that are named as replaced."""
_LARGE = 4 * 1024 * 1024
"""Bytes of a stored report above which it is not opened for a page, and for all reports of an image."""
_UNPACKED = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BaseUpgrade:
    """A base by its name, and the newer build of it that is better; `target_tag` is '' where none is."""

    key: str
    digest: str
    repository: str
    tag: str
    named: bool
    """Whether the tag still stands for this build of the base."""
    distro: str
    target: str
    target_tag: str
    compared: Compared
    why_not: str

    @property
    def rebuilt(self) -> bool:
        """Whether the newer build is served under the same tag."""
        return bool(self.target) and self.target_tag == self.tag


@dataclass(frozen=True, slots=True)
class ImageBase:
    """What one image was built on."""

    layers: int
    of: int
    """Layers of the base, of all layers of the image."""
    chain: str
    upgrade: BaseUpgrade | None
    """None while the base has not been looked at yet: a moment."""


@dataclass(frozen=True, slots=True)
class ReplacedFile:
    """A file of the base that a later layer deletes or writes anew."""

    path: str
    how: str
    """`deleted` or `replaced`."""
    layer: int
    """Index of the layer that did it, from 0."""


def base_of(tx: Transaction, digest: str) -> ImageBase | None:
    """Return what an image was built on, as far as this registry has seen."""
    c = image_chains.c
    row = tx.execute(sa.select(c.base, c.base_depth, c.depth).where(c.digest == digest, c.base != "")).one_or_none()
    if row is None:
        return None
    stored = tx.execute(sa.select(bases).where(bases.c.chain == row.base)).one_or_none()
    return ImageBase(row.base_depth, row.depth, row.base, _upgrade(stored) if stored else None)


@dataclass(frozen=True, slots=True)
class Split:
    """How many findings of an image came with its base, and how many of those a newer build settles."""

    from_base: int = 0
    own: int = 0
    settled: int = 0


def split(tx: Transaction, place: Place) -> Split:
    """Return how the findings of an image divide between its base and its own layers."""
    shown = [each for each in occurrences(tx, [place])[place] if "from_base" in each.evidence]
    base = sum(bool(each.evidence["from_base"]) for each in shown)
    settled = sum(each.finding.action.startswith("base-upgrade|") for each in shown)
    return Split(base, len(shown) - base, settled)


def upgrades(tx: Transaction, keys: Collection[str]) -> dict[str, BaseUpgrade]:
    """Return the bases behind these keys; of several builds under one name the one looked at last."""
    found: dict[str, BaseUpgrade] = {}
    for part in chunks(keys):
        rows = tx.execute(
            sa.select(bases).where(bases.c.key.in_(part)).order_by(bases.c.target != "", bases.c.updated_at)
        )
        found.update((row.key, _upgrade(row)) for row in rows)
    return found


def replaced(tx: Transaction, digest: str) -> tuple[ReplacedFile, ...]:
    """Return files of an image's base that later layers delete or write anew, of those that layer reports name.

    Reports name what deletes (whiteouts, opaque folders), what packages and records are read from, and what runs with
    more rights: of other files it is not known.
    """
    link = base_of(tx, digest)
    facts = tx.execute(sa.select(images.c.facts).where(images.c.digest == digest)).scalar()
    diff_ids: Sequence[str] = (facts or {}).get("diff_ids", ())
    if link is None or not diff_ids:
        return ()
    reports = _reports(tx, diff_ids)
    below = _paths(reports.get(each) for each in diff_ids[: link.layers])
    found: dict[str, ReplacedFile] = {}
    for index, diff_id in enumerate(diff_ids[link.layers :], start=link.layers):
        report = reports.get(diff_id)
        if report is not None:
            found.update((each.path, each) for each in _replaced_by(report, index, below))
    return tuple(found[path] for path in sorted(found)[:MOST_REPLACED])


def _reports(tx: Transaction, diff_ids: Sequence[str]) -> dict[str, LayerReport]:
    c = layer_reports.c
    wanted = c.report_key.in_(set(diff_ids)), c.indexer == INDEXER_VERSION, c.rules == RULES_VERSION
    sizes = tx.execute(sa.select(c.report_key, sa.func.length(c.report).label("size")).where(*wanted)).all()
    left, chosen = _LARGE, []
    for row in sorted(sizes, key=lambda row: row.size):
        left -= row.size
        if left < 0:
            break
        chosen.append(row.report_key)
    rows = tx.execute(sa.select(c.report_key, c.report).where(*wanted, c.report_key.in_(chosen)))
    return {row.report_key: _decode(row.report) for row in rows}


def _decode(body: bytes) -> LayerReport:
    raw = zstandard.ZstdDecompressor().decompress(body, max_output_size=_UNPACKED)
    return msgspec.msgpack.decode(raw, type=LayerReport)


def _paths(reports: Iterable[LayerReport | None]) -> set[str]:
    return {path for report in reports if report is not None for path in _written(report)}


def _written(report: LayerReport) -> set[str]:
    return {
        *(record.path for record in report.records),
        *(file.path for file in report.privileged),
        *(file.path for file in report.executables),
        *(link.path for link in report.links),
    }


def _replaced_by(report: LayerReport, index: int, below: Collection[str]) -> list[ReplacedFile]:
    deleted = [ReplacedFile(path, "deleted", index) for path in report.whiteouts]
    hidden = [
        ReplacedFile(path, "deleted", index)
        for folder in report.opaque
        for path in below
        if not folder or path.startswith(f"{folder}/")
    ]
    again = _written(report) | set(report.shadows)
    return [*hidden, *deleted, *(ReplacedFile(path, "replaced", index) for path in sorted(again & set(below)))]


def _upgrade(row: Any) -> BaseUpgrade:
    compared: Mapping[str, Any] = row.compared
    return BaseUpgrade(
        key=row.key,
        digest=row.digest,
        repository=row.repository,
        tag=row.tag,
        named=bool(row.named),
        distro=row.distro,
        target=row.target,
        target_tag=row.target_tag,
        compared=msgspec.convert(compared, Compared),
        why_not=row.why_not,
    )
