"""Use cases of the advisories domain: open the store, match packages, sync feeds, move bundles.

Everything here works without a server and without a network unless `sync` is called.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pratique.advisories.fetch import FeedClient
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
from pratique.core.progress import Reporter


class AdvisoryStore:
    """A folder of immutable feed files, and the answers it gives. Safe to share between threads.

    Invariants:
    - a reader sees one revision from the first look-up of a `match` to its last;
    - a file, once named by a revision, never changes; it goes when no open store names it and a grace time has passed;
    - without any fetched data the built-in starter data answers, and says that it did.
    """

    @classmethod
    def open(cls, directory: Path, *, starter: bool = True) -> "AdvisoryStore":
        """Open (and create) the store under `directory`; `starter` adds the built-in data where a feed is absent."""
        raise NotImplementedError

    @property
    def revision(self) -> str:
        """Names the data that answers now: a text form of the vector of feed cursors."""
        raise NotImplementedError

    def refresh(self) -> bool:
        """Look for a newer published revision; True if answers may differ from now on. Cheap: one stat."""
        raise NotImplementedError

    def match(self, packages: Sequence[PackageLike], distro: str = "") -> MatchReport:
        """Answer for every package. `distro` ('debian:12') stands in for packages whose own field is empty."""
        raise NotImplementedError

    def keys_of(self, package: PackageLike) -> tuple[PackageKey, ...]:
        """The keys whose change makes a second look at this package worth while."""
        raise NotImplementedError

    def candidates_digest(self, package: PackageLike, distro: str = "") -> str:
        """Digest of all records that could speak of this package: unchanged digest, unchanged answer (scores apart)."""
        raise NotImplementedError

    def changes(self, old: str, new: str) -> ChangeSet:
        """The package keys whose answers may differ between two revisions, scores included."""
        raise NotImplementedError

    def group(self, name: str) -> VulnerabilityGroup | None:
        """The group of an id or alias, redirects followed."""
        raise NotImplementedError

    def feeds(self) -> tuple[FeedStatus, ...]:
        raise NotImplementedError

    def needed(self, ecosystems: Iterable[str]) -> tuple[NeededFeed, ...]:
        """What would have to be fetched to judge these: 'debian:12', 'alpine:3.19', 'pypi', 'npm'."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def feed_names() -> tuple[str, ...]:
    """Names of all built-in feeds, in the order in which `sync` takes them."""
    raise NotImplementedError


def sync(
    store: AdvisoryStore,
    feeds: Sequence[str],
    client: FeedClient,
    reporter: Reporter,
    cancelled: Callable[[], bool],
) -> SyncReport:
    """Bring the named feeds up to date (all that are enabled when empty); one failing feed never spoils another.

    Every feed that succeeds is published on its own, so a crash or `cancelled` keeps what was done. The report holds
    the revision before and after: pass them to `store.changes`. Publishing of events stays with the caller.
    """
    raise NotImplementedError
