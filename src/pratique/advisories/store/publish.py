"""How new data becomes the store's next revision: staged, compared, written as base or delta, then named at once.

Invariants:
- only the holder of the lock writes; readers take no lock;
- files are durable before the manifest names them, and the manifest is replaced as a whole;
- files that the present and the previous manifest name stay, so a reader that has just read a manifest finds them.
"""

import fcntl
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from pratique.advisories.store.files import EVERYTHING, ChangeRow, FeedFile, FileWriter, NameRow, Row
from pratique.advisories.store.groups import Groups, canonical_names, write_groups
from pratique.advisories.store.manifest import FeedEntry, Manifest, empty_manifest, read_manifest, write_manifest
from pratique.advisories.store.merge import Significant, difference, merged
from pratique.advisories.store.records import SCORES, decode_advisories, family_of
from pratique.advisories.store.snapshot import FeedView
from pratique.core.clock import Clock
from pratique.core.errors import Corrupt, Locked

MAX_DELTAS = 8
DELTA_ROWS = 20_000
DELTA_SHARE = 0.1
LOGGED_SEQUENCES = 64
LOGGED_ROWS = 50_000


def always(_old: bytes, _new: bytes) -> bool:
    return True


class SortedRows(Protocol):
    """Rows in key order and the ids under which they can be found; both can be read more than once."""

    def rows(self) -> Iterator[Row]: ...

    def names(self) -> Iterator[NameRow]: ...


@dataclass(frozen=True, slots=True)
class Publication:
    """What a publication changed; `changed` counts rows whose change matters to answers."""

    changed: int
    records: int


class StoreWriter:
    """Writes the store in one directory. Use `locked()` around everything that leads to a publication."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.directory = directory
        self.files = directory / "files"
        self.work = directory / "work"
        self._clock = clock
        self.files.mkdir(parents=True, exist_ok=True)
        self.work.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store's writer lock; raises `Locked` at once when another process has it."""
        with (self.directory / "lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Locked(
                    "Another process is fetching or importing advisories.",
                    remedy="Wait until it is done, or end it; what it has finished is kept.",
                ) from None
            self._clear_work()
            yield

    def _clear_work(self) -> None:
        """Remove what a writer that was killed has left; the lock says that nobody works there now."""
        shutil.rmtree(self.work)
        self.work.mkdir()

    def manifest(self) -> Manifest:
        return read_manifest(self.directory) or empty_manifest()

    def view(self, feed: str) -> FeedView | None:
        """The feed's present files; None where there are none, or none that can be read."""
        entry = self.manifest().feeds.get(feed)
        try:
            return FeedView(feed, self.files, entry) if entry else None
        except Corrupt:
            return None

    def publish(
        self,
        feed: str,
        stage: SortedRows,
        *,
        whole: bool,
        data_date: int,
        note: str = "",
        significant: Significant = always,
    ) -> Publication:
        """Make the staged rows the feed's newest: all of it when `whole`, else the rows that replace older ones.

        Rows are never changed in place; when nothing differs only dates move and the cursor stays.
        """
        view = self.view(feed)
        try:
            return _FeedPublication(self, feed, view, stage, significant).run(whole, data_date, note)
        finally:
            if view is not None:
                view.close()

    def accept(self, feed: str, entry: FeedEntry) -> None:
        """Name `entry` (whose files are in place) as the feed's newest, rebuild the groups, drop what nobody names."""
        before = self.manifest()
        feeds = {**before.feeds, feed: entry}
        manifest = Manifest(store=before.store, feeds=feeds, groups=before.groups)
        if _has_aliases(feed) and entry.files != (before.feeds[feed].files if feed in before.feeds else ()):
            manifest = msgspec.structs.replace(manifest, groups=self._write_groups(manifest))
        write_manifest(self.directory, manifest)
        self._prune(before.files() | manifest.files())

    def now(self) -> int:
        return self._clock.now()

    def _write_groups(self, manifest: Manifest) -> str:
        previous = Groups(self.files / manifest.groups).canonical if manifest.groups else {}
        name = f"groups-{self.now()}.db"
        write_groups(self.files / name, canonical_names(self._alias_records(manifest)), previous)
        return name

    def _alias_records(self, manifest: Manifest) -> Iterator[tuple[str, tuple[str, ...]]]:
        for feed, entry in manifest.feeds.items():
            if not _has_aliases(feed):
                continue
            view = FeedView(feed, self.files, entry)
            try:
                yield from aliases_of(view.rows())
            finally:
                view.close()

    def _prune(self, keep: set[str]) -> None:
        for path in self.files.iterdir():
            if path.name not in keep:
                path.unlink(missing_ok=True)


class _FeedPublication:
    """One feed on its way to its next sequence number."""

    def __init__(
        self, writer: StoreWriter, feed: str, view: FeedView | None, stage: SortedRows, significant: Significant
    ) -> None:
        self._writer = writer
        self._feed = feed
        self._view = view
        self._stage = stage
        self._significant = significant
        named = writer.manifest().feeds.get(feed)
        self._seq = named.seq + 1 if named else 1
        self._changed: set[tuple[str, str]] = set()
        self._differs = 0
        self._keys: set[tuple[str, str]] = set()
        self._tally = _Tally()

    def run(self, whole: bool, data_date: int, note: str) -> Publication:
        before = self._view.entry if self._view else None
        old_rows = before.records if before else 0
        delta = self._write_delta(whole) if before else None
        if before and not self._differs:
            entry = msgspec.structs.replace(before, data_date=data_date, note=note, built_at=self._writer.now())
            self._writer.accept(self._feed, entry)
            return Publication(0, before.records)
        files = self._files(delta, whole)
        spaces, records = self._tally.after(before) if before and delta else _counts(self._stage.rows())
        entry = FeedEntry(
            seq=self._seq,
            base=files[0],
            deltas=files[1:],
            records=records,
            data_date=data_date,
            built_at=self._writer.now(),
            spaces=spaces,
            note=note,
        )
        self._writer.accept(self._feed, entry)
        return Publication(len(self._changed) if old_rows else records, records)

    def _files(self, delta: str | None, whole: bool) -> tuple[str, ...]:
        """The files of the new sequence number, compacted where there are too many."""
        if delta is None or self._view is None:
            return (self._write_base(self._stage.rows(), self._stage.names()),)
        files = (*self._view.entry.files, delta)
        if len(files) <= MAX_DELTAS + 1:
            return files
        if whole:
            return (self._write_base(self._stage.rows(), self._stage.names()),)
        opened = [FeedFile(self._writer.files / name) for name in files]
        try:
            return (self._write_base(merged(opened), (row for file in opened for row in file.id_rows())),)
        finally:
            for file in opened:
                file.close()

    def _write_delta(self, whole: bool) -> str | None:
        """Write the rows that differ; None when they are so many that a new base is better."""
        assert self._view is not None  # noqa: S101  told by the caller
        name = f"{self._feed}-{self._seq}.delta.db"
        writer = FileWriter(self._writer.files / name)
        limit = max(DELTA_ROWS, int(self._view.entry.records * DELTA_SHARE)) if whole else None
        try:
            writer.facts(self._differing(whole))
            if not self._differs or (limit is not None and self._differs > limit):
                writer.discard()
                return None
            pairs = {(family_of(space), name) for space, name in self._keys}
            writer.ids(row for row in self._stage.names() if row[1:] in pairs)
            writer.changes(self._log())
            writer.publish(feed=self._feed, seq=str(self._seq), kind="delta")
        except BaseException:
            writer.discard()
            raise
        return name

    def _differing(self, whole: bool) -> Iterator[Row]:
        for row, old in self._differences(whole):
            self._differs += 1
            self._tally.note(row[0], old, row[2])
            self._keys.add(row[:2])
            if self._significant(old, row[2]):
                self._changed.add((family_of(row[0]), row[1]))
            yield row

    def _differences(self, whole: bool) -> Iterator[tuple[Row, bytes]]:
        assert self._view is not None  # noqa: S101  told by the caller
        if whole:
            yield from difference(self._view.rows(), self._stage.rows())
            return
        for space, name, body in self._stage.rows():
            old = self._view.bodies(space, [name]).get(name, b"")
            if body != old:
                yield (space, name, body), old

    def _write_base(self, rows: Iterator[Row], names: Iterator[NameRow]) -> str:
        name = f"{self._feed}-{self._seq}.base.db"
        writer = FileWriter(self._writer.files / name)
        try:
            writer.facts(row for row in rows if row[2])
            writer.ids(names)
            writer.changes(self._kept_log())
            writer.changes(self._log())
            writer.publish(feed=self._feed, seq=str(self._seq), kind="base")
        except BaseException:
            writer.discard()
            raise
        return name

    def _log(self) -> Iterator[ChangeRow]:
        if self._view is None or len(self._changed) > LOGGED_ROWS:
            yield self._seq, EVERYTHING, ""
            return
        for family, name in sorted(self._changed):
            yield self._seq, family, name

    def _kept_log(self) -> Iterator[ChangeRow]:
        if self._view is None:
            return
        for row in self._view.changes():
            if row[0] > self._seq - LOGGED_SEQUENCES:
                yield row


class _Tally:
    """What differences add to and take from the counts of a feed."""

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._records: Counter[str] = Counter()

    def note(self, space: str, old: bytes, new: bytes) -> None:
        self._rows[space] += bool(new) - bool(old)
        self._records[space] += records_in(space, new) - records_in(space, old)

    def after(self, before: FeedEntry) -> tuple[dict[str, int], int]:
        """Rows per space and records in all, once the differences are in."""
        rows = Counter(before.spaces)
        rows.update(self._rows)
        spaces = {space: count for space, count in rows.items() if count > 0}
        counted = [count for space, count in self._records.items() if space != SCORES or spaces.keys() == {SCORES}]
        return spaces, before.records + sum(counted)


def aliases_of(rows: Iterator[Row]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The (id, aliases) of every record that has aliases."""
    for space, _, body in rows:
        if space == SCORES:
            continue
        for advisory in decode_advisories(body):
            if advisory.aliases:
                yield advisory.id, advisory.aliases


def _has_aliases(feed: str) -> bool:
    return feed.startswith("osv-")


def _counts(rows: Iterator[Row]) -> tuple[dict[str, int], int]:
    """Rows per space, and records in all: scores count only in a feed that has nothing else."""
    spaces: Counter[str] = Counter()
    records: Counter[str] = Counter()
    for space, _, body in rows:
        spaces[space] += 1
        records[space] += records_in(space, body)
    return dict(spaces), sum(count for space, count in records.items() if space != SCORES) or records[SCORES]


def records_in(space: str, body: bytes) -> int:
    """How many records a coded row holds."""
    if space == SCORES:
        return int(bool(body))
    return int.from_bytes(body[1:5], "big")
