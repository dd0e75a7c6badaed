"""Use cases of the advisories domain: open the store, match packages, sync feeds, move bundles.

Everything here works without a server, and without a network unless `sync` is called.
"""

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pratique.advisories.ecosystems import LANGUAGES
from pratique.advisories.feeds.registry import BY_NAME, FEEDS
from pratique.advisories.fetch import FeedClient, FetchLimits
from pratique.advisories.freshness import feed_statuses, needed_feeds
from pratique.advisories.matching.explaining import Told, told
from pratique.advisories.matching.matcher import Matcher
from pratique.advisories.matching.questions import Question, question_of
from pratique.advisories.starter import open_starter
from pratique.advisories.store.changes import changes_between
from pratique.advisories.store.manifest import CURRENT, Manifest, empty_manifest, read_manifest, write_manifest
from pratique.advisories.store.snapshot import Snapshot
from pratique.advisories.sync import Synchroniser
from pratique.advisories.types import (
    ChangeSet,
    FeedStatus,
    MatchReport,
    NeededFeed,
    PackageKey,
    PackageLike,
    SyncReport,
    VulnerabilityGroup,
)
from pratique.advisories.versions import version_key
from pratique.advisories.versions.ecosystems import order_of
from pratique.core.clock import Clock, SystemClock
from pratique.core.errors import Corrupt
from pratique.core.progress import NullReporter, Reporter

if TYPE_CHECKING:  # the signing library costs a third of a small command's start
    from pratique.advisories.bundle.signing import Sign

__all__ = [
    "LANGUAGES",
    "AdvisoryStore",
    "FeedClient",
    "FetchLimits",
    "download_bytes",
    "export_bundle",
    "feed_names",
    "import_bundle",
    "key_process_signer",
    "offline_signer",
    "older",
    "order_of",
    "sync",
    "trusted_key",
]

_OPEN_ATTEMPTS = 3


class AdvisoryStore:
    """A folder of immutable feed files, and the answers it gives. Safe to share between threads.

    Invariants:
    - one `match` sees one revision from its first look-up to its last;
    - a file, once named by a revision, never changes; a reader that has it open keeps it after it has been removed;
    - without fetched data of a feed its built-in starter data answers, and every answer from it says so.
    """

    def __init__(self, directory: Path, *, starter: bool = True, clock: Clock | None = None) -> None:
        self.directory = directory
        self.clock = clock or SystemClock()
        self._starter = open_starter(directory) if starter else None
        self._lock = threading.Lock()
        self._stamp = _stamp(directory)
        self._snapshot = self._open()
        self._users: dict[int, int] = {}

    @classmethod
    def open(cls, directory: Path, *, starter: bool = True, clock: Clock | None = None) -> "AdvisoryStore":
        """Open (and create) the store under `directory`; `starter` adds the built-in data where a feed is absent."""
        directory.mkdir(parents=True, exist_ok=True)
        return cls(directory, starter=starter, clock=clock)

    @property
    def revision(self) -> str:
        """Names the data that answers now: a text form of the vector of feed cursors."""
        return self._snapshot.revision

    def refresh(self) -> bool:
        """Look for a newer published revision; True if answers may differ from now on. Cheap: one stat."""
        stamp = _stamp(self.directory)
        with self._lock:
            if stamp == self._stamp:
                return False
            before = self._snapshot
            self._snapshot, self._stamp = self._open(), stamp
            if not self._users.get(id(before)):
                before.close()
            return before.revision != self._snapshot.revision

    def match(self, packages: Sequence[PackageLike], distro: str = "") -> MatchReport:
        """Answer for every package. `distro` ('debian:12') stands in for packages whose own field is empty."""
        with self._reading() as snapshot:
            asked = [question_of(package, distro) for package in packages]
            counts: dict[str, int] = {}
            for item in asked:
                if isinstance(item, Question):
                    counts[item.space] = counts.get(item.space, 0) + 1
            needed = needed_feeds(snapshot.manifest, counts, self.clock.now())
            return Matcher(snapshot).match(packages, distro, needed)

    def keys_of(self, package: PackageLike, distro: str = "") -> tuple[PackageKey, ...]:
        """The keys whose change makes a second look at this package worth while; none for what no feed judges."""
        asked = question_of(package, distro)
        return (asked.key,) if isinstance(asked, Question) else ()

    def candidates_digest(self, package: PackageLike, distro: str = "") -> str:
        """Digest of all records that could speak of this package: unchanged digest, unchanged answer (scores apart)."""
        asked = question_of(package, distro)
        if not isinstance(asked, Question):
            return ""
        hasher = hashlib.sha256()
        with self._reading() as snapshot:
            for feed in filter(None, (asked.feed, asked.suite_feed)):
                view = snapshot.views.get(feed)
                body = view.bodies(asked.space, [asked.name]).get(asked.name, b"") if view else b""
                hasher.update(feed.encode() + len(body).to_bytes(8, "big") + body)
        return hasher.hexdigest()[:32]

    def changes(self, old: str, new: str = "") -> ChangeSet:
        """The package keys whose answers may differ between two revisions (default: to the present one)."""
        with self._reading() as snapshot:
            return changes_between(snapshot, old, new or snapshot.revision)

    def group(self, name: str) -> VulnerabilityGroup | None:
        """The group of an id or alias, redirects followed; None for an id that stands for no known alias."""
        with self._reading() as snapshot:
            return snapshot.groups.group(name)

    def explain(self, name: str, packages: Sequence[PackageLike], distro: str = "") -> tuple[Told, ...]:
        """What the records of one vulnerability say about each package that they name, applying or not."""
        with self._reading() as snapshot:
            return tuple(told(snapshot, name, packages, distro))

    def names_of(self, name: str) -> tuple[tuple[str, ...], bool]:
        """All names of a vulnerability, CVE first, and whether any record or score here bears one of them."""
        with self._reading() as snapshot:
            group = snapshot.groups.group(name)
            names = group.aliases if group else (name,)
            known = any(view.names_of(names) for view in snapshot.views.values())
            return names, known

    def feeds(self) -> tuple[FeedStatus, ...]:
        """Every built-in feed: its age, size, last error, and what a fetch would cost."""
        with self._reading() as snapshot:
            return feed_statuses(self.directory, snapshot, self.clock.now())

    def needed(self, ecosystems: Iterable[str]) -> tuple[NeededFeed, ...]:
        """What would have to be fetched to judge these: 'debian:12', 'alpine:3.19', 'pypi', 'npm'."""
        with self._reading() as snapshot:
            return needed_feeds(snapshot.manifest, dict.fromkeys(ecosystems, 0), self.clock.now())

    def close(self) -> None:
        with self._lock:
            self._snapshot.close()

    @contextmanager
    def _reading(self) -> Iterator[Snapshot]:
        """The present snapshot, kept open until the reader is done with it."""
        with self._lock:
            snapshot = self._snapshot
            self._users[id(snapshot)] = self._users.get(id(snapshot), 0) + 1
        try:
            yield snapshot
        finally:
            with self._lock:
                self._users[id(snapshot)] -= 1
                if not self._users[id(snapshot)]:
                    del self._users[id(snapshot)]
                    if snapshot is not self._snapshot:
                        snapshot.close()

    def _open(self) -> Snapshot:
        """Open the newest manifest; another process may publish meanwhile and remove files, then look again."""
        for attempt in range(_OPEN_ATTEMPTS):
            manifest = read_manifest(self.directory) or self._new_manifest()
            try:
                return Snapshot(self.directory / "files", manifest, self._starter)
            except Corrupt:
                if attempt + 1 == _OPEN_ATTEMPTS:
                    return Snapshot(self.directory / "files", manifest, self._starter, tolerant=True)
        raise AssertionError("unreachable")

    def _new_manifest(self) -> Manifest:
        """Give a new store its id, so that revisions can be told apart from its first day on."""
        manifest = empty_manifest()
        try:
            write_manifest(self.directory, manifest)
        except OSError:
            return manifest  # a read-only place: everything but a sync works
        return manifest


def feed_names() -> tuple[str, ...]:
    """Names of all built-in feeds, in the order in which `sync` takes them."""
    return tuple(feed.spec.name for feed in FEEDS)


def sync(
    store: AdvisoryStore,
    feeds: Sequence[str],
    client: FeedClient,
    reporter: Reporter | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    options: Mapping[str, str] | None = None,
    force: bool = False,
    accept_shrink: bool = False,
) -> SyncReport:
    """Bring the named feeds up to date (all default ones when empty); one failing feed never spoils another.

    Every feed that succeeds is published on its own, so a crash or `cancelled` keeps what was done. The report holds
    the revision before and after: pass them to `store.changes`. Publishing of events stays with the caller.
    `options`: 'security_index', 'epss_url'. Raises `Locked` when another process is writing, `UnknownFeed`.
    """
    store.refresh()
    before = store.revision
    synchroniser = Synchroniser(
        store.directory,
        client,
        reporter=reporter or NullReporter(),
        cancelled=cancelled or _never,
        clock=store.clock,
        options=options or {},
        force=force,
        accept_shrink=accept_shrink,
    )
    outcomes = synchroniser.run(feeds)
    store.refresh()
    return SyncReport(before, store.revision, tuple(outcomes))


def export_bundle(
    store: AdvisoryStore, target: Path, *, sign: "Sign | None" = None, feeds: Sequence[str] = ()
) -> tuple[str, ...]:
    """Write the store's fetched data to a bundle at `target`, complete or not at all; the names of its feeds.

    `sign` comes from `pratique.advisories.service.offline_signer`, or wraps the installation's key process.
    """
    from pratique.advisories.bundle.transfer import export

    store.refresh()
    manifest = read_manifest(store.directory) or empty_manifest()
    return tuple(export(store.directory, manifest, target, store.clock, sign=sign, feeds=feeds).feeds)


def import_bundle(
    store: AdvisoryStore,
    source: Path,
    *,
    trusted: Collection[str] = (),
    allow_unsigned: bool = False,
    allow_older: bool = False,
) -> SyncReport:
    """Take the data of a bundle; the report is that of a sync.

    `trusted` are ids of keys (RFC 7638 thumbprints) whose signature is believed. Raises `BundleRefused` before
    anything is changed.
    """
    from pratique.advisories.bundle.transfer import import_bundle as import_into

    store.refresh()
    before = store.revision
    outcomes = import_into(
        store.directory, source, store.clock, trusted=trusted, allow_unsigned=allow_unsigned, allow_older=allow_older
    )
    store.refresh()
    return SyncReport(before, store.revision, tuple(outcomes))


def offline_signer(key: Path) -> "Sign":
    """Signs bundles with a P-256 private key in a PEM file."""
    from pratique.advisories.bundle import signing

    return signing.offline_signer(key)


def key_process_signer(sign: Callable[[str, bytes], bytes], jwk: Mapping[str, str]) -> "Sign":
    """Signs bundles by `sign(key_id, message)`, which answers r||s of the key that `jwk` verifies."""
    from pratique.advisories.bundle import signing

    return signing.remote_signer(sign, jwk)


def trusted_key(path: Path) -> str:
    """The id of the public key in a file (PEM or JWK), for `trusted`."""
    from pratique.advisories.bundle import signing

    return signing.trusted_key(path)


def older(scheme: str, left: str, right: str) -> bool:
    """Whether version `left` comes before `right` in a scheme ('dpkg', 'apk', 'pep440', 'semver').

    Raises `UnparsableVersionError` (a ValueError) for what is no version of the scheme.
    """
    return version_key(scheme, left) < version_key(scheme, right)


def download_bytes(names: Iterable[str]) -> int:
    """What a first fetch of these feeds would transfer, about."""
    return sum(BY_NAME[name].spec.download_bytes for name in names)


def _never() -> bool:
    return False


def _stamp(directory: Path) -> tuple[int, int, int]:
    try:
        found = (directory / CURRENT).stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
