"""One file of the store: an SQLite database that is written once, fsynced, renamed into place and never changed.

A *base* holds all rows of a feed, a *delta* the rows that differ from what lies under it (an empty body removes a row).
Both carry the log of what changed at which sequence number, so that change sets outlive compaction.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from pratique.advisories.store.records import FORMAT
from pratique.core.errors import Corrupt

Row = tuple[str, str, bytes]  # space, name, body
NameRow = tuple[str, str, str]  # id, family, name
ChangeRow = tuple[int, str, str]  # sequence number, family, name
EVERYTHING = "*"
"""Family of a change row that stands for all rows of the feed."""

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE facts (space TEXT, name TEXT, body BLOB, PRIMARY KEY (space, name)) WITHOUT ROWID;
CREATE TABLE ids (id TEXT, family TEXT, name TEXT, PRIMARY KEY (id, family, name)) WITHOUT ROWID;
CREATE TABLE changes (seq INTEGER, family TEXT, name TEXT, PRIMARY KEY (seq, family, name)) WITHOUT ROWID;
"""
_CHUNK = 500


class FeedFile:
    """Reads one file; safe to share between threads. The bytes stay readable after the file has been unlinked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        address = f"file:{quote(str(path))}?mode=ro&immutable=1"
        try:
            self._connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise _unreadable(path, f"cannot be opened ({error})") from error
        try:
            self.meta = self._read_meta()
        except Corrupt:
            self._connection.close()
            raise

    def _read_meta(self) -> Mapping[str, str]:
        try:
            self._connection.execute("PRAGMA mmap_size=1073741824")
            meta = dict(self._connection.execute("SELECT key, value FROM meta"))
        except sqlite3.Error as error:
            raise _unreadable(self.path, f"cannot be read ({error})") from error
        if meta.get("format") != str(FORMAT):
            raise _unreadable(self.path, f"has format {meta.get('format')}, this version reads {FORMAT}")
        return meta

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def bodies(self, space: str, names: Sequence[str]) -> dict[str, bytes]:
        """The bodies of those names that have a row here; an empty body is a removal."""
        found: dict[str, bytes] = {}
        for start in range(0, len(names), _CHUNK):
            chunk = names[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT name, body FROM facts WHERE space = ? AND name IN ({marks})"  # noqa: S608  only marks
            with self._lock:
                found.update(self._connection.execute(query, (space, *chunk)).fetchall())
        return found

    def rows(self) -> Iterator[Row]:
        """All rows in key order."""
        return self._stream("SELECT space, name, body FROM facts ORDER BY space, name")

    def spaces(self) -> dict[str, int]:
        with self._lock:
            return dict(self._connection.execute("SELECT space, COUNT(*) FROM facts GROUP BY space").fetchall())

    def names_of(self, ids: Iterable[str]) -> set[tuple[str, str]]:
        """The (family, name) pairs that records with these ids or aliases speak of."""
        found: set[tuple[str, str]] = set()
        wanted = list(ids)
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT family, name FROM ids WHERE id IN ({marks})"  # noqa: S608  only marks
            with self._lock:
                found.update(self._connection.execute(query, chunk).fetchall())
        return found

    def id_rows(self) -> Iterator[NameRow]:
        return self._stream("SELECT id, family, name FROM ids")

    def changes(self) -> Iterator[ChangeRow]:
        return self._stream("SELECT seq, family, name FROM changes")

    def _stream(self, query: str) -> Iterator:  # type: ignore[type-arg]  # rows differ by query; callers name them
        with self._lock:
            cursor = self._connection.execute(query)
        while True:
            with self._lock:
                rows = cursor.fetchmany(2000)
            if not rows:
                return
            yield from rows


class FileWriter:
    """Writes one file beside its final place; `publish` makes it durable and visible, `discard` leaves nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._partial.unlink(missing_ok=True)
        self._connection = sqlite3.connect(self._partial, isolation_level=None)
        self._connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA page_size=4096;")
        self._connection.executescript(_SCHEMA)
        self._connection.execute("BEGIN")

    def facts(self, rows: Iterable[Row]) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", rows)

    def ids(self, rows: Iterable[NameRow]) -> None:
        self._connection.executemany("INSERT OR IGNORE INTO ids VALUES (?, ?, ?)", rows)

    def changes(self, rows: Iterable[ChangeRow]) -> None:
        self._connection.executemany("INSERT OR IGNORE INTO changes VALUES (?, ?, ?)", rows)

    def publish(self, **meta: str) -> Path:
        meta["format"] = str(FORMAT)
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
        self._connection.execute("COMMIT")
        self._connection.close()
        with self._partial.open("rb") as stream:
            os.fsync(stream.fileno())
        self._partial.replace(self.path)
        fsync_directory(self.path.parent)
        return self.path

    def discard(self) -> None:
        self._connection.close()
        self._partial.unlink(missing_ok=True)


def write_durably(path: Path, data: bytes) -> None:
    """Replace a small file so that a crash leaves either the old or the new content."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    fsync_directory(path.parent)


def fsync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unreadable(path: Path, why: str) -> Corrupt:
    return Corrupt(
        f"The advisory file {path.name} {why}.", remedy="Fetch the feed again: pratique advisories sync --force."
    )
