"""What moved between two revisions, from the logs that every file of a feed carries."""

from pratique.advisories.store.files import EVERYTHING
from pratique.advisories.store.manifest import parse_revision
from pratique.advisories.store.publish import LOGGED_SEQUENCES
from pratique.advisories.store.records import SCORES
from pratique.advisories.store.snapshot import FeedView, Snapshot
from pratique.advisories.types import ChangeSet, PackageKey


def changes_between(snapshot: Snapshot, old: str, new: str) -> ChangeSet:
    """The keys that changed after `old` up to `new`; everything, where the logs do not reach back."""
    if old == new:
        return ChangeSet(old, new, frozenset())
    store, before = parse_revision(old)
    new_store, after = parse_revision(new)
    everything = ChangeSet(old, new, frozenset(), everything=True)
    if store != new_store or new_store != snapshot.manifest.store:
        return everything
    keys: set[PackageKey] = set()
    scored: set[str] = set()
    for feed in before.keys() | after.keys():
        if before.get(feed) == after.get(feed):
            continue
        rows = _logged(snapshot.views.get(feed), before.get(feed, ""), after.get(feed, ""))
        if rows is None:
            return everything
        for family, name in rows:
            if family == SCORES:
                scored.add(name)
            else:
                keys.add(PackageKey(family, name))
    keys.update(PackageKey(family, name) for family, name in snapshot.names_of(_all_names(snapshot, scored)))
    return ChangeSet(old, new, frozenset(keys))


def _logged(view: FeedView | None, before: str, after: str) -> set[tuple[str, str]] | None:
    """The changed (family, name) pairs of one feed; None when its log cannot tell."""
    if view is None or not (before.isdigit() and after.isdigit()):
        return None
    low, high = int(before), int(after)
    if not low < high <= view.entry.seq or view.entry.seq - low > LOGGED_SEQUENCES:
        return None
    found: set[tuple[str, str]] = set()
    for seq, family, name in view.changes():
        if low < seq <= high:
            if family == EVERYTHING:
                return None
            found.add((family, name))
    return found


def _all_names(snapshot: Snapshot, scored: set[str]) -> set[str]:
    return {alias for name in scored for alias in snapshot.groups.aliases([name])}
