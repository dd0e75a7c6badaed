"""CISA's catalogue of known exploited vulnerabilities."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from pratique.advisories.errors import FeedRefused
from pratique.advisories.feeds.base import FeedSpec, Renewal, Workbench
from pratique.advisories.store.records import Score, score_facts
from pratique.core.clock import SECOND

URL = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
MAX_DOCUMENT = 64 << 20


class _Entry(msgspec.Struct, rename="camel"):
    cve_id: str = msgspec.field(name="cveID")
    date_added: str
    vulnerability_name: str = ""
    due_date: str = ""
    known_ransomware_campaign_use: str = ""


class _Catalogue(msgspec.Struct, rename="camel"):
    vulnerabilities: list[msgspec.Raw]
    date_released: str = ""


class KnownExploited:
    """Every row: id, date, name, ransomware use."""

    spec = FeedSpec(
        name="kev",
        title="CISA known exploited vulnerabilities",
        families=(),
        licence="CC0-1.0",
        download_bytes=1_300_000,
        warn_after=7 * 86_400.0,
    )

    def renew(self, bench: Workbench) -> Iterator[Renewal]:
        download = bench.get("catalogue", URL)
        if download is None:
            return
        if download.size > MAX_DOCUMENT:
            raise FeedRefused("The catalogue is larger than it can be.")
        try:
            catalogue = msgspec.json.decode(download.path.read_bytes(), type=_Catalogue)
        except msgspec.MsgspecError as error:
            raise FeedRefused(f"The catalogue cannot be read: {error}.", remedy="Run the sync again.") from error
        bench.stage.add(score_facts(self._scores(bench, catalogue)))
        bench.check_drift()
        yield Renewal(whole=True, data_date=_date(catalogue.date_released, bench.clock.now()))

    def _scores(self, bench: Workbench, catalogue: _Catalogue) -> Iterator[tuple[str, Score]]:
        decoder = msgspec.json.Decoder(_Entry)
        for raw in catalogue.vulnerabilities:
            try:
                entry = decoder.decode(raw)
            except msgspec.MsgspecError as error:
                bench.reject("entry", error)
                continue
            bench.count()
            yield (
                entry.cve_id,
                Score(
                    exploited=entry.date_added,
                    ransomware=entry.known_ransomware_campaign_use.lower() == "known",
                    due=entry.due_date,
                    title=entry.vulnerability_name[:200],
                ),
            )


def _date(text: str, otherwise: int) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp()) * SECOND
    except ValueError:
        return otherwise
