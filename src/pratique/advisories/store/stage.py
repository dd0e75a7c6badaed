"""Facts as they come from a feed, in any order and with duplicates, gathered into the rows of the store."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from pratique.advisories.store.files import NameRow, Row
from pratique.advisories.store.records import (
    SCORES,
    Fact,
    Score,
    decode_score,
    encode_score,
    family_of,
    join_coded,
)

_SCHEMA = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536; PRAGMA temp_store=FILE;
CREATE TABLE staged (space TEXT, name TEXT, id TEXT, body BLOB, PRIMARY KEY (space, name, id)) WITHOUT ROWID;
CREATE TABLE names (id TEXT, family TEXT, name TEXT, PRIMARY KEY (id, family, name)) WITHOUT ROWID;
"""
_BATCH = 5_000


class Stage:
    """A temporary file that sorts facts; memory stays flat however many there are. The last fact of an id wins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(_SCHEMA)
        self._connection.execute("BEGIN")
        self.facts = 0

    def add(self, facts: Iterable[Fact]) -> None:
        batch: list[Fact] = []
        for fact in facts:
            batch.append(fact)
            if len(batch) >= _BATCH:
                self._flush(batch)
                batch = []
        self._flush(batch)

    def _flush(self, batch: list[Fact]) -> None:
        self.facts += len(batch)
        self._connection.executemany(
            "INSERT OR REPLACE INTO staged VALUES (?, ?, ?, ?)", [(f.space, f.name, f.id, f.body) for f in batch]
        )
        names = {(name, family_of(f.space), f.name) for f in batch for name in f.names}
        self._connection.executemany("INSERT OR IGNORE INTO names VALUES (?, ?, ?)", sorted(names))

    def rows(self) -> Iterator[Row]:
        """The gathered rows in key order; a fact with an empty body makes its row exist ("covered, nothing known")."""
        key: tuple[str, str] | None = None
        items: list[bytes] = []
        for space, name, body in self._connection.execute(
            "SELECT space, name, body FROM staged ORDER BY space, name, id"
        ):
            if key is not None and (space, name) != key:
                yield (*key, _gathered(key[0], items))
                items = []
            key = (space, name)
            if body:
                items.append(body)
        if key is not None:
            yield (*key, _gathered(key[0], items))

    def names(self) -> Iterator[NameRow]:
        yield from self._connection.execute("SELECT id, family, name FROM names ORDER BY id, family, name")

    def records(self) -> int:
        """Facts in all, as a publication counts them: scores only where there is nothing else."""
        query = "SELECT space = ?, COUNT(*) FROM staged WHERE body != x'' GROUP BY 1"
        counts = dict(self._connection.execute(query, (SCORES,)).fetchall())
        return int(counts.get(0) or counts.get(1) or 0)

    def close(self) -> None:
        self._connection.close()
        self._path.unlink(missing_ok=True)


def _gathered(space: str, items: list[bytes]) -> bytes:
    if not space.startswith("@"):
        return join_coded(items)
    if len(items) == 1:
        return items[0]
    ratings = {rating: None for item in items for rating in decode_score(item).ratings}
    return encode_score(Score(ratings=tuple(ratings)))
