"""EPSS: the probability that a vulnerability is exploited within 30 days, renewed every day for every CVE.

The daily model moves nearly every score a little; a change counts for re-judging when its percent changes.
"""

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime

from pratique.advisories.errors import FeedRefused
from pratique.advisories.feeds.base import FeedSpec, Renewal, Workbench
from pratique.advisories.store.records import Score, decode_score, score_facts
from pratique.advisories.unpack import inflate
from pratique.core.clock import SECOND

URL = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"
MAX_DOCUMENT = 256 << 20
_DATE = re.compile(r"score_date:([^,\s]+)")


def percent_moved(old: bytes, new: bytes) -> bool:
    if not (old and new):
        return True
    return round(decode_score(old).epss, 2) != round(decode_score(new).epss, 2)


class Epss:
    """The current scores."""

    spec = FeedSpec(
        name="epss",
        title="EPSS likelihood of exploitation",
        families=(),
        licence="free with credit to FIRST",
        download_bytes=2_500_000,
        warn_after=3 * 86_400.0,
        significant=percent_moved,
    )

    def renew(self, bench: Workbench) -> Iterator[Renewal]:
        download = bench.get("scores", bench.options.get("epss_url") or URL)
        if download is None:
            return
        plain = bench.directory / "scores.csv"
        try:
            inflate(download.path, plain, limit=MAX_DOCUMENT)
            with plain.open(encoding="utf-8", errors="replace", newline="") as stream:
                date = _date(stream.readline(), bench.clock.now())
                bench.stage.add(score_facts(self._scores(bench, stream)))
        finally:
            plain.unlink(missing_ok=True)
        bench.check_drift()
        yield Renewal(whole=True, data_date=date)

    def _scores(self, bench: Workbench, stream: io.TextIOBase) -> Iterator[tuple[str, Score]]:
        rows = csv.reader(stream)
        header = next(rows, [])
        if header[:3] != ["cve", "epss", "percentile"]:
            raise FeedRefused(f"The columns are {header[:5]}, not cve, epss, percentile.")
        for row in rows:
            try:
                name, epss, percentile = row[0], float(row[1]), float(row[2])
            except (ValueError, IndexError) as error:
                bench.reject(",".join(row), error)
                continue
            if 0 <= epss <= 1 and 0 <= percentile <= 1:
                bench.count()
                yield name, Score(epss=epss, percentile=percentile)
            else:
                bench.reject(name, f"{epss} is no probability")


def _date(comment: str, otherwise: int) -> int:
    found = _DATE.search(comment)
    try:
        return int(datetime.fromisoformat(found[1]).timestamp()) * SECOND if found else otherwise
    except ValueError:
        return otherwise
