"""OSV by ecosystem: the whole archive first, then only what the list of changed records names.

The archive is read member by member and never unpacked to disk. Many changes, or a record that cannot be had alone,
make the whole archive the shorter way.
"""

import csv
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import msgspec

from pratique.advisories.ecosystems import FAMILIES, LANGUAGES
from pratique.advisories.errors import Cancelled, FeedRefused
from pratique.advisories.feeds.base import FeedSpec, Renewal, Workbench, dated
from pratique.advisories.feeds.osv_records import Ecosystem, OsvRecord, facts_of
from pratique.advisories.store.records import (
    SCORES,
    Fact,
    Score,
    decode_advisories,
    decode_score,
    encode_advisory,
    encode_score,
)
from pratique.advisories.unpack import zip_members
from pratique.advisories.versions.ecosystems import SCHEME_OF
from pratique.core.clock import SECOND

ROOT = "https://osv-vulnerabilities.storage.googleapis.com/"
MAX_MEMBERS = 2_000_000
MAX_RECORD = 16 << 20
MAX_TOTAL = 16 << 30
MAX_SINGLE = 200
"""Changed records up to this number are fetched one by one."""


class Osv:
    """One ecosystem of OSV."""

    def __init__(self, ecosystem: Ecosystem, *, download_bytes: int) -> None:
        self.ecosystem = ecosystem
        self.spec = FeedSpec(
            name=f"osv-{ecosystem.space}",
            title=f"OSV {ecosystem.name}",
            families=(ecosystem.space,),
            licence="of each source: CC-BY-4.0 (GHSA, PyPA), CC0-1.0, Apache-2.0 (malicious packages)",
            download_bytes=download_bytes,
        )
        self._root = f"{ROOT}{quote(ecosystem.name)}/"
        self._decoder = msgspec.json.Decoder(OsvRecord)

    def renew(self, bench: Workbench) -> Iterator[Renewal]:
        there, listing = bench.optional("modified", f"{self._root}modified_id.csv")
        if there and listing is None and bench.view is not None and not bench.force:
            return
        newest, changed = _changed(listing.path, bench.record.cursor) if listing else ("", None)
        few = (
            not self.ecosystem.released
            and changed is not None
            and len(changed) <= MAX_SINGLE
            and bench.view is not None
            and not bench.force
        )
        if few and self._stage_single(bench, changed or []):
            bench.record.cursor = newest
            yield Renewal(whole=False, data_date=_micros(newest, bench.clock.now()))
            return
        download = bench.get("all", f"{self._root}all.zip")
        if download is not None or bench.view is None:
            if download is None:
                raise FeedRefused("The archive is said to be unchanged, but there is no data of it.", remedy="--force")
            bench.stage.add(self._facts(bench, download.path))
            bench.check_drift()
            yield Renewal(whole=True, data_date=_micros(newest, dated(download, bench.clock.now())))
        bench.record.cursor = newest

    def _facts(self, bench: Workbench, archive: Path) -> Iterator[Fact]:
        members = zip_members(archive, members=MAX_MEMBERS, member_bytes=MAX_RECORD, total_bytes=MAX_TOTAL)
        for name, content in members:
            if bench.cancelled():
                raise Cancelled("The fetch was cancelled.", remedy="Run it again.")
            if name.endswith(".json"):
                yield from self._read(bench, name, content)

    def _read(self, bench: Workbench, name: str, content: bytes) -> list[Fact]:
        if not content:
            bench.reject(name, f"larger than {MAX_RECORD >> 20} MiB, or empty")
            return []
        try:
            facts = list(facts_of(self._decoder.decode(content), self.ecosystem))
        except (msgspec.MsgspecError, RecursionError) as error:
            bench.reject(name, error)
            return []
        bench.count()
        return facts

    def _stage_single(self, bench: Workbench, changed: list[str]) -> bool:
        """Stage the rows that these records touch, before and after; False when one cannot be had alone."""
        new: list[Fact] = []
        for name in changed:
            there, download = bench.optional(f"single-{name}", f"{self._root}{quote(name)}.json")
            bench.pending.pop(f"single-{name}", None)
            if not there or download is None:
                return False
            content = download.path.read_bytes()
            download.path.unlink(missing_ok=True)
            facts = self._read(bench, name, content)
            if bench.unparsable:
                return False
            new += facts
        bench.stage.add(self._around(bench, set(changed), new))
        bench.stage.add(new)
        return True

    def _around(self, bench: Workbench, changed: set[str], new: list[Fact]) -> Iterator[Fact]:
        """The other records of every row that is written anew."""
        assert bench.view is not None  # noqa: S101  told by the caller
        names = {name for _, name in bench.view.names_of(changed)} | {f.name for f in new if f.space != SCORES}
        for name, body in bench.view.bodies(self.ecosystem.space, sorted(names)).items():
            yield Fact(self.ecosystem.space, name, "", b"")
            for advisory in decode_advisories(body):
                if advisory.id not in changed:
                    ids = (advisory.id, *advisory.aliases)
                    yield Fact(self.ecosystem.space, name, advisory.id, encode_advisory(advisory), ids)
        scored = {fact.name: fact for fact in new if fact.space == SCORES}
        for name, body in bench.view.bodies(SCORES, sorted(scored)).items():
            sources = {rating.source for rating in decode_score(scored[name].body).ratings}
            kept = tuple(rating for rating in decode_score(body).ratings if rating.source not in sources)
            if kept:
                yield Fact(SCORES, name, "", encode_score(Score(ratings=kept)))


def _changed(listing: Path, cursor: str) -> tuple[str, list[str] | None]:
    """The newest stamp, and the ids that changed after `cursor` (None without a cursor). Newest come first."""
    newest = ""
    ids: list[str] = []
    with listing.open(encoding="utf-8", errors="replace", newline="") as stream:
        for row in csv.reader(stream):
            if len(row) != 2:
                raise FeedRefused(f"A line of modified_id.csv is not stamp,id: {','.join(row)[:100]}")
            newest = newest or row[0]
            if not cursor or row[0] <= cursor or len(ids) > MAX_SINGLE:
                break
            ids.append(row[1].rpartition("/")[2])
    return newest, ids if cursor else None


def _micros(stamp: str, otherwise: int) -> int:
    try:
        return int(datetime.fromisoformat(stamp).timestamp()) * SECOND
    except ValueError:
        return otherwise


PYPI = Ecosystem("PyPI", "pypi", "pep440")
NPM = Ecosystem("npm", "npm", "semver")
ECOSYSTEMS = (
    *((Ecosystem(one.osv, space, SCHEME_OF[space]), one.download_bytes) for space, one in LANGUAGES.items()),
    *(
        (Ecosystem(one.osv, name, SCHEME_OF[one.format], released=True), one.download_bytes)
        for name, one in FAMILIES.items()
        if one.osv
    ),
)
"""Every ecosystem that OSV is asked for, with the size of its archive."""
