"""Build the starter bundle: what the demo and a first look need, from the feeds themselves.

    python scripts/build_starter.py --mirror URL [--output src/pratique/advisories/starter/starter.bundle]

It holds every row of KEV (ids, dates, ransomware mark), the versions in Debian's security suites, and for the packages
listed in `scripts/starter.toml` the ids, ranges and ratings of their advisories: facts, no texts. The security suites
are read from this machine's own package sources.
"""

import argparse
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from pratique.advisories.bundle.archive import BUNDLE_FORMAT, Description, file_entry, pack
from pratique.advisories.service import AdvisoryStore, FeedClient, sync
from pratique.advisories.store.files import NameRow, Row
from pratique.advisories.store.publish import StoreWriter
from pratique.advisories.store.records import (
    FORMAT,
    SCORES,
    decode_advisories,
    encode_advisory,
    join_coded,
)
from pratique.advisories.store.snapshot import FeedView, Snapshot
from pratique.core.clock import DAY, SystemClock

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "src/pratique/advisories/starter/starter.bundle"
WANTED = Path(__file__).with_name("starter.toml")
PACKAGE_FEEDS = ("debian", "osv-pypi", "osv-npm")
SCORE_FEEDS = ("nvd", "epss")
WHOLE_FEEDS = ("kev", "debian-security")
LIMIT = 1 << 20


class Selection:
    """Rows of one feed, cut to what is wanted and stripped of texts."""

    def __init__(self, rows: Iterable[Row], names: Iterable[NameRow] = ()) -> None:
        self._rows = sorted(rows)
        self._names = sorted(set(names))

    def rows(self) -> Iterator[Row]:
        return iter(self._rows)

    def names(self) -> Iterator[NameRow]:
        return iter(self._names)


def main() -> None:
    options = arguments()
    wanted = tomllib.loads(WANTED.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        store = AdvisoryStore.open(Path(folder) / "full", starter=False)
        with FeedClient(mirror=options.mirror) as client:
            report = sync(store, [*WHOLE_FEEDS, *PACKAGE_FEEDS, *SCORE_FEEDS], client)
        for outcome in report.outcomes:
            print(f"{outcome.feed:16} {outcome.outcome:10} {outcome.records:8} {outcome.error}")
        if not report.ok:
            raise SystemExit("a feed failed; nothing was written")
        build(store, wanted, Path(folder) / "small", options.output)
    size = options.output.stat().st_size
    print(f"{options.output}: {size:,} bytes")
    if size > LIMIT:
        raise SystemExit(f"larger than {LIMIT:,} bytes")


def build(store: AdvisoryStore, wanted: dict[str, dict[str, list[str]]], folder: Path, output: Path) -> None:
    clock = SystemClock()
    writer = StoreWriter(folder, clock)
    full = Snapshot(store.directory / "files", StoreWriter(store.directory, clock).manifest())
    cves: set[str] = set()
    for feed in PACKAGE_FEEDS:
        selection = chosen(full.views[feed], wanted[feed], cves)
        publish(writer, full, feed, selection)
    for feed in SCORE_FEEDS:
        publish(writer, full, feed, Selection(row for row in full.views[feed].rows() if row[1] in cves))
    publish(writer, full, "kev", Selection(row for row in full.views["kev"].rows()))
    suites = full.views["debian-security"]
    publish(writer, full, "debian-security", Selection(bare_rows(suites.rows()), ids_of(suites)))
    write(writer, output)


def chosen(view: FeedView, wanted: dict[str, list[str]], cves: set[str]) -> Selection:
    """The wanted rows, with empty rows for names that the feed covers and has nothing on; notes the CVEs met."""
    spaces = wanted["spaces"]
    packages = set(wanted["packages"])
    rows = [row for row in view.rows() if row[0] in spaces and row[1] in packages]
    for _, _, body in rows:
        for advisory in decode_advisories(body):
            cves.update(name for name in (advisory.id, *advisory.aliases) if name.startswith("CVE-"))
    present = {(space, name) for space, name, _ in rows}
    silent = [
        (space, name, join_coded([]))
        for space in spaces
        for name in wanted.get("covered", [])
        if (space, name) not in present
    ]
    scores = [row for row in view.rows() if row[0] == SCORES and row[1] in cves]
    return Selection([*bare_rows(rows), *silent, *scores], (row for row in ids_of(view) if row[2] in packages))


def bare_rows(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows without titles and notes."""
    for space, name, body in rows:
        advisories = (msgspec.structs.replace(item, title="", note="") for item in decode_advisories(body))
        yield space, name, join_coded([encode_advisory(item) for item in advisories])


def ids_of(view: FeedView) -> Iterator[NameRow]:
    for file in view.files:
        yield from file.id_rows()


def publish(writer: StoreWriter, full: Snapshot, feed: str, selection: Selection) -> None:
    entry = full.views[feed].entry
    writer.publish(feed, selection, whole=True, data_date=entry.data_date)


def write(writer: StoreWriter, output: Path) -> None:
    manifest = writer.manifest()
    newest = max(entry.data_date for entry in manifest.feeds.values())
    feeds = {
        name: msgspec.structs.replace(entry, seq=newest // DAY, built_at=entry.data_date, starter=True)
        for name, entry in manifest.feeds.items()
    }
    files = {name: writer.files / name for name in sorted(manifest.files())}
    description = Description(
        format=BUNDLE_FORMAT,
        store_format=FORMAT,
        kind="starter",
        created_at=newest,
        note="Ids, ranges and ratings of what the demo uses; all of KEV. See docs/reference/starter.md.",
        feeds=feeds,
        groups=manifest.groups,
        files={name: file_entry(path) for name, path in files.items()},
    )
    pack(output, description, None, files)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mirror", default="", help="mirror of the feeds; the public addresses without it")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
