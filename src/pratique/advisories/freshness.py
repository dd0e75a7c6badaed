"""How fresh each feed is, and what would have to be fetched to judge what was seen."""

from collections.abc import Mapping
from pathlib import Path

from pratique.advisories.ecosystems import FAMILIES, LANGUAGES
from pratique.advisories.feeds.base import FeedSpec
from pratique.advisories.feeds.registry import BY_NAME, FEEDS
from pratique.advisories.store.manifest import FeedEntry, Manifest
from pratique.advisories.store.snapshot import Snapshot
from pratique.advisories.store.states import FeedRecord, read_record
from pratique.advisories.types import FeedState, FeedStatus, NeededFeed
from pratique.core.clock import SECOND

_FAMILY_FEEDS = {name: (family.feed,) for name, family in FAMILIES.items()} | {
    space: (f"osv-{space}",) for space in LANGUAGES
}
_SCORE_FEEDS = {"kev": "which vulnerabilities are exploited", "nvd": "severity ratings", "epss": "likelihoods"}


def feed_statuses(directory: Path, snapshot: Snapshot, now: int) -> tuple[FeedStatus, ...]:
    return tuple(_status(directory, snapshot, feed.spec, now) for feed in FEEDS)


def _status(directory: Path, snapshot: Snapshot, spec: FeedSpec, now: int) -> FeedStatus:
    record = read_record(directory / "states", spec.name)
    view = snapshot.views.get(spec.name)
    entry = view.entry if view else None
    damage = snapshot.damaged.get(spec.name)
    if damage is not None:
        record.error, record.remedy = damage.message, damage.remedy
    return FeedStatus(
        name=spec.name,
        title=spec.title,
        state=_state(spec, entry, record, now),
        records=entry.records if entry else 0,
        bytes=view.size if view else 0,
        download_bytes=record.download_bytes or spec.download_bytes,
        data_date=entry.data_date if entry else 0,
        fetched_at=record.fetched_at,
        checked_at=record.checked_at,
        revision=entry.cursor if entry else "",
        error=record.error,
        unparsable=record.unparsable,
        note=entry.note if entry else "",
        detail={"licence": spec.licence, "remedy": record.remedy, "spaces": dict(entry.spaces) if entry else {}},
    )


def _state(spec: FeedSpec, entry: FeedEntry | None, record: FeedRecord, now: int) -> FeedState:
    if entry is None:
        return FeedState.FAILED if record.error else FeedState.ABSENT
    if record.error:
        return FeedState.FAILED
    if entry.starter:
        return FeedState.STARTER
    return FeedState.STALE if _old(spec, max(record.checked_at, entry.built_at), now) else FeedState.CURRENT


def _old(spec: FeedSpec, checked: int, now: int) -> bool:
    return now - checked > spec.warn_after * SECOND


def needed_feeds(manifest: Manifest, packages: Mapping[str, int], now: int) -> tuple[NeededFeed, ...]:
    """Feeds that packages of these spaces want and that are absent, starter only, or old."""
    wanted: dict[str, tuple[int, list[str]]] = {}
    for space, count in sorted(packages.items()):
        for feed in _FAMILY_FEEDS.get(space.partition(":")[0], ()):
            total, spaces = wanted.setdefault(feed, (0, []))
            wanted[feed] = (total + count, [*spaces, space])
    found = [
        _needed(feed, _for(count, spaces), count, present=present)
        for feed, (count, spaces) in wanted.items()
        if (present := _present(manifest, feed, now)) is not None
    ]
    if packages:
        found += [
            _needed(feed, why, 0, present=present)
            for feed, why in _SCORE_FEEDS.items()
            if (present := _present(manifest, feed, now)) is not None
        ]
    return tuple(found)


def _needed(feed: str, reason: str, packages: int, *, present: bool) -> NeededFeed:
    spec = BY_NAME[feed].spec
    return NeededFeed(feed, spec.title, reason, packages, spec.download_bytes, present)


def _present(manifest: Manifest, feed: str, now: int) -> bool | None:
    """None when nothing is needed; else whether there is something already."""
    entry = manifest.feeds.get(feed)
    if entry is None:
        return False
    return True if entry.starter or _old(BY_NAME[feed].spec, entry.built_at, now) else None


def _for(count: int, spaces: list[str]) -> str:
    names = ", ".join(spaces)
    return f"for {count} packages of {names}" if count else f"for packages of {names}"
