"""One revision of the store, open for reading: every look-up of one match goes through the same snapshot."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pratique.advisories.store.files import FeedFile, Row
from pratique.advisories.store.groups import Groups
from pratique.advisories.store.manifest import FeedEntry, Manifest
from pratique.advisories.store.merge import merged
from pratique.advisories.store.records import SCORES, Advisory, Score, decode_advisories, decode_score
from pratique.core.errors import Corrupt

_CACHE_BYTES = 32 << 20


class _Cache:
    """Decoded rows, least recently used out first, bounded by the size of their coded form."""

    def __init__(self, limit: int = _CACHE_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self._rows: OrderedDict[tuple[str, str, str], tuple[int, tuple[Advisory, ...] | None]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str, str]) -> tuple[bool, tuple[Advisory, ...] | None]:
        with self._lock:
            row = self._rows.get(key)
            if row is None:
                return False, None
            self._rows.move_to_end(key)
            return True, row[1]

    def put(self, key: tuple[str, str, str], size: int, row: tuple[Advisory, ...] | None) -> None:
        with self._lock:
            self._size += size - self._rows.pop(key, (0, None))[0]
            self._rows[key] = (size, row)
            while self._size > self._limit:
                self._size -= self._rows.popitem(last=False)[1][0]


class FeedView:
    """One feed at one cursor: its base under its deltas."""

    def __init__(self, name: str, directory: Path, entry: FeedEntry) -> None:
        self.name = name
        self.entry = entry
        self.files = [FeedFile(directory / file) for file in entry.files]

    def bodies(self, space: str, names: Sequence[str]) -> dict[str, bytes]:
        """The newest body of each name that has a row; removed rows are left out."""
        found: dict[str, bytes] = {}
        wanted = list(names)
        for file in reversed(self.files):
            found.update(file.bodies(space, wanted))
            wanted = [name for name in wanted if name not in found]
            if not wanted:
                break
        return {name: body for name, body in found.items() if body}

    def rows(self) -> Iterator[Row]:
        return merged(self.files)

    def names_of(self, ids: Iterable[str]) -> set[tuple[str, str]]:
        wanted = tuple(ids)
        return set().union(*(file.names_of(wanted) for file in self.files))

    def changes(self) -> Iterator[tuple[int, str, str]]:
        for file in self.files:
            yield from file.changes()

    @property
    def size(self) -> int:
        return sum(file.path.stat().st_size for file in self.files if file.path.exists())

    def close(self) -> None:
        for file in self.files:
            file.close()


class Snapshot:
    """All feeds of one manifest. Feeds that it lacks are answered by the starter's manifest, where one is given.

    With `tolerant`, a feed whose files cannot be read is named in `damaged` and has no data; its packages are then not
    assessed. Without, it raises.
    """

    def __init__(
        self,
        directory: Path,
        manifest: Manifest,
        starter: tuple[Path, Manifest] | None = None,
        *,
        tolerant: bool = False,
    ) -> None:
        self.manifest = _with_starter(manifest, starter[1] if starter else None)
        self.views: dict[str, FeedView] = {}
        self.damaged: dict[str, Corrupt] = {}
        self._cache = _Cache()
        for name, entry in self.manifest.feeds.items():
            place = starter[0] if entry.starter and starter else directory
            try:
                self.views[name] = FeedView(name, place, entry)
            except Corrupt as error:
                if not tolerant:
                    self.close()
                    raise
                self.damaged[name] = error
        self.groups = _groups(directory, manifest, starter)

    @property
    def revision(self) -> str:
        return self.manifest.revision

    def advisories(self, feed: str, space: str, names: Sequence[str]) -> Mapping[str, tuple[Advisory, ...]]:
        """The records of each name that has a row; an empty tuple means covered, nothing known."""
        view = self.views.get(feed)
        if view is None:
            return {}
        found: dict[str, tuple[Advisory, ...]] = {}
        missing: list[str] = []
        for name in dict.fromkeys(names):
            known, row = self._cache.get((feed, space, name))
            if not known:
                missing.append(name)
            elif row is not None:
                found[name] = row
        if missing:
            found.update(self._load(view, space, missing))
        return found

    def _load(self, view: FeedView, space: str, names: list[str]) -> dict[str, tuple[Advisory, ...]]:
        bodies = view.bodies(space, names)
        rows = {name: decode_advisories(body) for name, body in bodies.items()}
        for name in names:
            self._cache.put((view.name, space, name), 64 + 2 * len(bodies.get(name, b"")), rows.get(name))
        return rows

    def scores(self, names: Sequence[str]) -> Mapping[str, list[tuple[str, Score]]]:
        """What every feed with scores says about these vulnerabilities, with the feed's name."""
        found: dict[str, list[tuple[str, Score]]] = {}
        for view in self.views.values():
            if SCORES not in view.entry.spaces:
                continue
            for name, body in view.bodies(SCORES, names).items():
                found.setdefault(name, []).append((view.name, decode_score(body)))
        return found

    def names_of(self, ids: Iterable[str]) -> set[tuple[str, str]]:
        """The (family, name) pairs of packages that records with these ids or aliases speak of."""
        wanted = tuple(ids)
        return set().union(*(view.names_of(wanted) for view in self.views.values()))

    def close(self) -> None:
        for view in self.views.values():
            view.close()


def _with_starter(manifest: Manifest, starter: Manifest | None) -> Manifest:
    if starter is None:
        return manifest
    return Manifest(store=manifest.store, feeds={**starter.feeds, **manifest.feeds}, groups=manifest.groups)


def _groups(directory: Path, manifest: Manifest, starter: tuple[Path, Manifest] | None) -> Groups:
    paths = [directory / manifest.groups] if manifest.groups else []
    if starter and starter[1].groups:
        paths.append(starter[0] / starter[1].groups)
    return Groups(*paths)
