"""A sync: each feed in turn, each with its own past, its own stage and its own publication."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pratique.advisories.errors import Cancelled, FeedRefused
from pratique.advisories.feeds.base import Feed, Renewal, Workbench
from pratique.advisories.feeds.registry import feeds_named
from pratique.advisories.fetch import FeedClient
from pratique.advisories.store.publish import Publication, StoreWriter
from pratique.advisories.store.stage import Stage
from pratique.advisories.store.states import FeedRecord, read_record, write_record
from pratique.advisories.types import FeedOutcome
from pratique.core.clock import Clock
from pratique.core.errors import PratiqueError
from pratique.core.progress import Reporter

SHRINK_FLOOR = 100
SHRINK_SHARE = 0.5


class Synchroniser:
    """Renews feeds in one store directory; holds the writer's lock while it does."""

    def __init__(
        self,
        directory: Path,
        client: FeedClient,
        *,
        reporter: Reporter,
        cancelled: Callable[[], bool],
        clock: Clock,
        options: Mapping[str, str],
        force: bool = False,
        accept_shrink: bool = False,
    ) -> None:
        self._directory = directory
        self._client = client
        self._reporter = reporter
        self._cancelled = cancelled
        self._clock = clock
        self._options = options
        self._force = force
        self._accept_shrink = accept_shrink
        self._writer = StoreWriter(directory, clock)

    def run(self, names: Sequence[str]) -> list[FeedOutcome]:
        feeds = feeds_named(names)
        outcomes: list[FeedOutcome] = []
        with self._writer.locked():
            for feed in feeds:
                if self._cancelled():
                    outcomes.append(FeedOutcome(feed.spec.name, "cancelled"))
                else:
                    outcomes.append(self._renew(feed))
        return outcomes

    def _renew(self, feed: Feed) -> FeedOutcome:
        name = feed.spec.name
        record = read_record(self._directory / "states", name)
        started = time.monotonic()
        self._reporter.start(feed.spec.title, record.download_bytes or feed.spec.download_bytes, "bytes")
        try:
            outcome = self._fetch(feed, record)
        except Cancelled:
            outcome = FeedOutcome(name, "cancelled")
        except PratiqueError as error:
            outcome = self._failed(feed, error.message, error.remedy)
        except OSError as error:
            outcome = self._failed(feed, f"{type(error).__name__}: {error}", "Check the data folder's free space.")
        self._reporter.finish()
        return FeedOutcome(
            outcome.feed, outcome.outcome, outcome.error, outcome.remedy, outcome.records, outcome.changed,
            outcome.downloaded, round(time.monotonic() - started, 3),
        )  # fmt: skip

    def _failed(self, feed: Feed, error: str, remedy: str) -> FeedOutcome:
        record = read_record(self._directory / "states", feed.spec.name)
        record.error, record.remedy, record.error_at = error, remedy, self._clock.now()
        write_record(self._directory / "states", feed.spec.name, record)
        return FeedOutcome(feed.spec.name, "failed", error, remedy)

    def _fetch(self, feed: Feed, record: FeedRecord) -> FeedOutcome:
        name = feed.spec.name
        view = self._writer.view(name)
        stage = Stage(self._writer.work / f"{name}.stage")
        bench = Workbench(
            client=self._client, directory=self._directory / "downloads" / name, record=record, stage=stage,
            reporter=self._reporter, cancelled=self._cancelled, clock=self._clock, view=view,
            force=self._force or view is None, options=self._options,
        )  # fmt: skip
        total = Publication(0, view.entry.records if view else 0)
        published = False
        try:
            for renewal in feed.renew(bench):
                step = self._publish(feed, bench, renewal)
                total = Publication(total.changed + step.changed, step.records)
                published = True
                self._note(name, bench, total, renewal)
                bench.stage.close()
                bench.stage = Stage(self._writer.work / f"{name}.stage")
        finally:
            bench.discard_content()
            bench.stage.close()
            if view is not None:
                view.close()
        self._note(name, bench, total, None)
        return FeedOutcome(
            name, "updated" if published and total.changed else "unchanged", records=total.records,
            changed=total.changed, downloaded=bench.transferred,
        )  # fmt: skip

    def _publish(self, feed: Feed, bench: Workbench, renewal: Renewal) -> Publication:
        before = bench.view.entry.records if bench.view else 0
        if renewal.whole and before >= SHRINK_FLOOR and not self._accept_shrink:
            now = bench.stage.records()
            if now < before * SHRINK_SHARE:
                raise FeedRefused(
                    f"The feed shrank from {before} to {now} records.",
                    remedy="Look at the source; if it is right: pratique advisories sync --accept-shrink.",
                )
        return self._writer.publish(
            feed.spec.name,
            bench.stage,
            whole=renewal.whole,
            data_date=renewal.data_date,
            note=renewal.note,
            significant=feed.spec.significant,
        )

    def _note(self, name: str, bench: Workbench, total: Publication, renewal: Renewal | None) -> None:
        """Remember what the source said, only after what it sent is safe."""
        record = bench.record
        now = self._clock.now()
        record.parts.update(bench.pending)
        bench.pending.clear()
        record.checked_at = now
        record.error = record.remedy = ""
        record.records = total.records
        record.unparsable = bench.unparsable if renewal else record.unparsable
        if renewal:
            record.fetched_at, record.data_date = now, renewal.data_date
            record.download_bytes = max(bench.transferred, record.download_bytes)
        write_record(self._directory / "states", name, record)
