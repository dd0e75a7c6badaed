"""NVD's yearly files (format 2.0): CVSS ratings only. Which products are affected is asked of better sources.

First the small `.meta` beside each file tells whether it changed; after a first full fetch the file of the last eight
days is enough, as long as no more than a week has passed.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pratique.advisories.errors import FeedRefused, FeedUnavailable
from pratique.advisories.feeds.base import FeedSpec, Renewal, Workbench
from pratique.advisories.store.records import Score, StoredRating, score_facts
from pratique.advisories.store.states import PartState
from pratique.advisories.unpack import Document, inflate
from pratique.core.clock import DAY, SECOND

ROOT = "https://nvd.nist.gov/feeds/json/cve/2.0/nvdcve-2.0-"
FIRST_YEAR = 2002
MAX_DOCUMENT = 1 << 30
_SHA = re.compile(r"^sha256:([0-9A-Fa-f]{64})\s*$", re.MULTILINE)
_DATE = re.compile(r"^lastModifiedDate:(\S+)\s*$", re.MULTILINE)
_NVD = "nvd@nist.gov"


class _Data(msgspec.Struct, rename="camel"):
    vector_string: str = ""
    base_score: float = -1.0
    base_severity: str = ""


class _Metric(msgspec.Struct, rename="camel"):
    source: str
    cvss_data: _Data
    base_severity: str = ""


class _Metrics(msgspec.Struct):
    v40: list[_Metric] = msgspec.field(name="cvssMetricV40", default_factory=list)
    v31: list[_Metric] = msgspec.field(name="cvssMetricV31", default_factory=list)
    v30: list[_Metric] = msgspec.field(name="cvssMetricV30", default_factory=list)
    v2: list[_Metric] = msgspec.field(name="cvssMetricV2", default_factory=list)


class _Cve(msgspec.Struct, rename="camel"):
    id: str
    metrics: _Metrics = msgspec.field(default_factory=_Metrics)
    vuln_status: str = ""


class _Item(msgspec.Struct):
    cve: _Cve


class _File(msgspec.Struct):
    vulnerabilities: list[msgspec.Raw]


class NvdScores:
    """The ratings of every CVE that has one."""

    spec = FeedSpec(
        name="nvd",
        title="NVD severity ratings",
        families=(),
        licence="public domain",
        download_bytes=280_000_000,
        warn_after=7 * 86_400.0,
    )

    def renew(self, bench: Workbench) -> Iterator[Renewal]:
        if self._recent(bench):
            there, changed = self._changed(bench, "modified")
            if there:
                if changed:
                    yield self._load(bench, "modified")
                return
        yield from self._years(bench)

    def _recent(self, bench: Workbench) -> bool:
        fresh = bench.clock.now() - bench.record.fetched_at < 7 * DAY
        return fresh and bench.view is not None and not bench.force and bench.record.cursor == "complete"

    def _years(self, bench: Workbench) -> Iterator[Renewal]:
        last = datetime.fromtimestamp(bench.clock.now() / SECOND, UTC).year
        absent: list[str] = []
        for year in range(FIRST_YEAR, last + 1):
            there, changed = self._changed(bench, str(year))
            if not there:
                absent.append(str(year))
            elif changed:
                yield self._load(bench, str(year), absent)
        if len(absent) == last + 1 - FIRST_YEAR:
            raise FeedUnavailable("The source has none of the yearly files.", remedy="Check advisories.mirror.")
        bench.record.cursor = "complete"

    def _changed(self, bench: Workbench, part: str) -> tuple[bool, bool]:
        """Whether the file exists, and whether its `.meta` names other bytes than we have."""
        there, download = bench.optional(f"{part}.meta", f"{ROOT}{part}.meta", keep=True)
        if not there or download is None:
            return there, False
        digest = _SHA.search(download.path.read_text("utf-8", errors="replace"))
        if digest is None:
            raise FeedRefused(f"nvdcve-2.0-{part}.meta names no sha256.")
        past = bench.record.parts.get(f"{part}.plain", PartState())
        bench.pending[f"{part}.plain"] = PartState(sha256=digest[1].lower())
        return True, bench.force or past.sha256 != digest[1].lower()

    def _load(self, bench: Workbench, part: str, absent: list[str] | None = None) -> Renewal:
        plain = bench.directory / f"{part}.plain"
        download = bench.get(part, f"{ROOT}{part}.json.gz")
        try:
            if download is not None:
                inflate(download.path, plain, limit=MAX_DOCUMENT)
                _check(plain, part, bench.pending[f"{part}.plain"].sha256)
                self._stage(bench, plain)
        finally:
            plain.unlink(missing_ok=True)
        note = f"no files for {', '.join(absent)}" if absent else ""
        text = bench.kept(f"{part}.meta").read_text("utf-8", errors="replace")
        return Renewal(whole=False, data_date=max(bench.record.data_date, _date(text, bench.clock.now())), note=note)

    def _stage(self, bench: Workbench, plain: Path) -> None:
        with Document(plain, limit=MAX_DOCUMENT) as buffer:
            try:
                document = msgspec.json.decode(buffer, type=_File)
            except msgspec.MsgspecError as error:
                raise FeedRefused(f"A yearly file cannot be read: {error}.", remedy="Run the sync again.") from error
            bench.stage.add(score_facts(self._scores(bench, document)))
        bench.check_drift()

    def _scores(self, bench: Workbench, document: _File) -> Iterator[tuple[str, Score]]:
        decoder = msgspec.json.Decoder(_Item)
        for raw in document.vulnerabilities:
            try:
                cve = decoder.decode(raw).cve
            except msgspec.MsgspecError as error:
                bench.reject("record", error)
                continue
            bench.count()
            yield cve.id, Score(ratings=_ratings(cve.metrics))


def _date(meta: str, otherwise: int) -> int:
    found = _DATE.search(meta)
    try:
        return int(datetime.fromisoformat(found[1]).timestamp()) * SECOND if found else otherwise
    except ValueError:
        return otherwise


def _check(plain: Path, part: str, expected: str) -> None:
    with plain.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != expected:
            raise FeedRefused(
                f"nvdcve-2.0-{part}.json.gz is not the file that its .meta names.",
                remedy="The source may be in the middle of an update: run the sync again.",
            )


def _ratings(metrics: _Metrics) -> tuple[StoredRating, ...]:
    """NVD's own ratings as 'nvd', those of the authority that issued the CVE as 'cna'; newest CVSS first."""
    found: dict[tuple[str, str], StoredRating] = {}
    for metric in (*metrics.v40, *metrics.v31, *metrics.v30, *metrics.v2):
        source = "nvd" if metric.source == _NVD else "cna"
        data = metric.cvss_data
        word = (data.base_severity or metric.base_severity).lower()
        rating = StoredRating(source, word, data.vector_string, data.base_score)
        found.setdefault((source, rating.vector), rating)
    return tuple(found.values())
