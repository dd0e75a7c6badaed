"""Export and import: the files of a store out, and in again as publications like any other.

An import first verifies and unpacks everything, then publishes feed by feed; a failure leaves what is published and
what was there before, never a half of a feed. Data that is older than what is there is not taken.
"""

import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from pratique.advisories.bundle.archive import (
    BUNDLE_FORMAT,
    Description,
    Opened,
    describe,
    file_entry,
    open_bundle,
    pack,
    unpack,
)
from pratique.advisories.bundle.signing import Sign, verify
from pratique.advisories.errors import BundleRefused
from pratique.advisories.feeds.registry import BY_NAME
from pratique.advisories.store.files import FeedFile, NameRow, Row
from pratique.advisories.store.manifest import Manifest
from pratique.advisories.store.merge import merged
from pratique.advisories.store.publish import StoreWriter
from pratique.advisories.store.records import FORMAT
from pratique.advisories.store.states import FeedRecord, read_record, write_record
from pratique.advisories.types import FeedOutcome
from pratique.core.clock import Clock
from pratique.core.errors import PratiqueError


def export(
    directory: Path, manifest: Manifest, target: Path, clock: Clock, *, sign: Sign | None, feeds: Sequence[str] = ()
) -> Description:
    """Write the present data (never the starter's) to `target`, which appears complete or not at all."""
    own = {name: entry for name, entry in manifest.feeds.items() if not entry.starter}
    chosen = {name: entry for name, entry in own.items() if name in feeds} if feeds else own
    missing = sorted(set(feeds) - chosen.keys())
    if missing or not chosen:
        raise BundleRefused(
            f"There is no data of {', '.join(missing) or 'any feed'} to export.",
            remedy="Run: pratique advisories sync.",
        )
    names = {name for entry in chosen.values() for name in entry.files}
    files = {name: directory / "files" / name for name in sorted(names)}
    description = Description(
        format=BUNDLE_FORMAT,
        store_format=FORMAT,
        kind="export",
        created_at=clock.now(),
        feeds=chosen,
        records={name: read_record(directory / "states", name) for name in chosen},
        files={name: file_entry(path) for name, path in files.items()},
    )
    partial = target.with_name(f".{target.name}.part")
    try:
        pack(partial, description, sign(describe(description)) if sign else None, files)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return description


class _UnpackedRows:
    """The rows of an unpacked feed, in the shape that a publication wants."""

    def __init__(self, files: Sequence[FeedFile]) -> None:
        self._files = files

    def rows(self) -> Iterator[Row]:
        return merged(self._files)

    def names(self) -> Iterator[NameRow]:
        for file in self._files:
            yield from file.id_rows()


def import_bundle(
    directory: Path, source: Path, clock: Clock, *, trusted: Collection[str], allow_unsigned: bool = False,
    allow_older: bool = False,
) -> list[FeedOutcome]:  # fmt: skip
    """Verify a bundle and publish each feed in it; raises `BundleRefused` before anything is changed."""
    opened = open_bundle(source)
    verify(opened, trusted, allow_unsigned=allow_unsigned)
    writer = StoreWriter(directory, clock)
    with writer.locked():
        unpacked = Path(tempfile.mkdtemp(prefix="import-", dir=writer.work))
        try:
            files = unpack(opened, unpacked)
            return [
                _import_feed(writer, directory, opened, feed, files, allow_older=allow_older)
                for feed in opened.description.feeds
                if feed in BY_NAME
            ]
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)


def _import_feed(
    writer: StoreWriter, directory: Path, opened: Opened, feed: str, files: Mapping[str, Path], *, allow_older: bool
) -> FeedOutcome:
    entry = opened.description.feeds[feed]
    present = writer.manifest().feeds.get(feed)
    if present and present.data_date > entry.data_date and not allow_older:
        return FeedOutcome(feed, "unchanged", remedy="The data here is newer; --allow-older takes the bundle's.")
    readers: list[FeedFile] = []
    try:
        readers += [FeedFile(files[name]) for name in entry.files]
        done = writer.publish(
            feed,
            _UnpackedRows(readers),
            whole=True,
            data_date=entry.data_date,
            note=entry.note,
            significant=BY_NAME[feed].spec.significant,
        )
    except PratiqueError as error:
        return FeedOutcome(feed, "failed", error.message, error.remedy)
    finally:
        for reader in readers:
            reader.close()
    record = opened.description.records.get(feed, FeedRecord())
    record.error = record.remedy = ""
    write_record(directory / "states", feed, record)
    return FeedOutcome(feed, "updated" if done.changed else "unchanged", records=done.records, changed=done.changed)
