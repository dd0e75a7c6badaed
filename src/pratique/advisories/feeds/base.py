"""What every feed is: a description, and a way to bring its newest facts to the workbench.

A further feed is one module with one class and one line in `feeds.registry`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol

from pratique.advisories.errors import FeedRefused, FeedUnavailable
from pratique.advisories.fetch import Download, FeedClient, Validators
from pratique.advisories.store.merge import Significant
from pratique.advisories.store.publish import always
from pratique.advisories.store.snapshot import FeedView
from pratique.advisories.store.stage import Stage
from pratique.advisories.store.states import FeedRecord, PartState
from pratique.core.clock import SECOND, Clock
from pratique.core.progress import Reporter

MAX_UNPARSABLE_SHARE = 0.05
MIN_UNPARSABLE = 20


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """What is said about a feed where it is listed."""

    name: str
    title: str
    families: tuple[str, ...]  # 'debian', 'pypi': packages that it judges; () for scores
    licence: str
    download_bytes: int  # estimate of a first fetch
    warn_after: float = 2 * 86_400.0  # seconds after which the data counts as old
    default: bool = True  # part of a sync that names no feeds
    significant: Significant = always


@dataclass(frozen=True, slots=True)
class Renewal:
    """One step of a feed: what was staged is complete in itself and may be published."""

    whole: bool  # the staged facts are all there are; else they replace the rows that they name
    data_date: int
    note: str = ""


class Feed(Protocol):
    """One source of facts."""

    @property
    def spec(self) -> FeedSpec: ...

    def renew(self, bench: "Workbench") -> Iterator[Renewal]:
        """Stage new facts and yield once for each complete step; yield nothing when the source has nothing new."""
        ...


@dataclass
class Workbench:
    """What a feed works with: the client, its own past, a stage to fill, and somebody to tell."""

    client: FeedClient
    directory: Path  # downloads of this feed; content that later syncs need is kept here
    record: FeedRecord
    stage: Stage
    reporter: Reporter
    cancelled: Callable[[], bool]
    clock: Clock
    view: FeedView | None = None
    force: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    unparsable: int = 0
    parsed: int = 0
    transferred: int = 0
    examples: list[str] = field(default_factory=list)
    pending: dict[str, PartState] = field(default_factory=dict)

    def get(self, part: str, url: str, *, keep: bool = False, direct: bool = False) -> Download | None:
        """The content of `url`, or None when it is what we had; `keep` leaves a copy for later syncs."""
        past = PartState() if self.force else self.record.parts.get(part, PartState())
        kept = self.kept(part)
        known = Validators() if keep and not kept.exists() else Validators(past.etag, past.last_modified)
        download = self.client.fetch(
            url,
            self.directory,
            known=known,
            direct=direct,
            progress=self._progress,
            cancelled=self.cancelled,
        )
        if download is None:
            return None
        self.transferred += download.transferred
        self.pending[part] = PartState(
            etag=download.validators.etag,
            last_modified=download.validators.last_modified,
            sha256=download.sha256,
            size=download.size,
            fetched_at=self.clock.now(),
        )
        if keep:
            download.path.replace(kept)
            download = Download(kept, download.validators, download.sha256, download.size, download.transferred)
        return None if download.sha256 == past.sha256 else download

    def optional(
        self, part: str, url: str, *, keep: bool = False, direct: bool = False
    ) -> tuple[bool, Download | None]:
        """Like `get`, for an address that may not exist: whether it does, and its content if that is new."""
        try:
            return True, self.get(part, url, keep=keep, direct=direct)
        except FeedUnavailable as error:
            if error.detail.get("http_status") in (404, 410):
                return False, None
            raise

    def kept(self, part: str) -> Path:
        return self.directory / f"{part}.kept"

    def discard_content(self) -> None:
        """Remove downloads that were read or refused; partial ones stay, to be resumed."""
        for path in self.directory.glob("*.content"):
            path.unlink(missing_ok=True)

    def count(self, parsed: int = 1) -> None:
        self.parsed += parsed

    def reject(self, what: str, why: object) -> None:
        """Count one record that could not be read; too many of them refuse the feed in `check_drift`."""
        self.unparsable += 1
        if len(self.examples) < 3:
            self.examples.append(f"{what[:80]}: {str(why)[:160]}")

    def check_drift(self) -> None:
        """Refuse what is no longer the format that this version reads."""
        limit = max(MIN_UNPARSABLE, int((self.parsed + self.unparsable) * MAX_UNPARSABLE_SHARE))
        if self.unparsable > limit or not self.parsed:
            raise FeedRefused(
                f"{self.unparsable} of {self.parsed + self.unparsable} records could not be read"
                + (f" ({'; '.join(self.examples)})." if self.examples else "."),
                remedy="The source may have changed its format: look for a newer version. The old data stays in use.",
            )

    def _progress(self, amount: int, _total: int | None) -> None:
        self.reporter.advance(amount)


def dated(download: Download, otherwise: int) -> int:
    """When the source says that the content was made, in microseconds."""
    text = download.validators.last_modified
    try:
        return int(parsedate_to_datetime(text).timestamp()) * SECOND if text else otherwise
    except ValueError:
        return otherwise
