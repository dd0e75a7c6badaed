"""One package against the records that speak of it: which apply, which do not, which cannot be told."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pratique.advisories.matching.questions import Question
from pratique.advisories.store.records import Advisory, Interval
from pratique.advisories.types import MatchState


@dataclass(frozen=True, slots=True)
class Hit:
    """One record that applies (or cannot be told) to one package."""

    question: Question
    feed: str
    advisory: Advisory
    state: MatchState
    interval: Interval | None  # the range that holds the version; None for a version that is listed, or no range
    fixed: str
    fixed_key: bytes
    reason: str = ""

    @property
    def range_text(self) -> str:
        if self.interval is not None:
            return self.interval.text
        return "listed versions" if self.advisory.versions else "all versions"

    @property
    def comparison(self) -> str:
        version, scheme = self.question.version, self.question.scheme
        if self.interval is None:
            return f"{version} is listed" if self.state is MatchState.AFFECTED else f"{version} not compared"
        low = f"{self.interval.low} <= " if self.interval.low_key else ""
        if not self.interval.high_key:
            return f"{low}{version}, no fixed version ({scheme})"
        return f"{low}{version} {'<=' if self.interval.closed else '<'} {self.interval.high} ({scheme})"


def hits_of(question: Question, feed: str, advisories: Iterable[Advisory], key: bytes | None) -> Iterator[Hit]:
    """The records that apply to the package; `key` is None when its version cannot be compared.

    Records whose range holds every version apply without a comparison.
    """
    for advisory in advisories:
        status = advisory.status
        if status == "not-affected":
            continue
        if status == "undetermined":
            reason = f"{feed}: whether this release is affected has not been determined"
            yield Hit(question, feed, advisory, MatchState.NOT_ASSESSED, None, "", b"", reason)
            continue
        hit = _compared(question, feed, advisory, key)
        if hit is not None:
            yield hit


def _compared(question: Question, feed: str, advisory: Advisory, key: bytes | None) -> Hit | None:
    for interval in advisory.intervals:
        high = interval.high_key
        if high and key is not None and (key > high or (key == high and not interval.closed)):
            continue  # most records were fixed long ago, and this alone says so
        everything = not interval.low_key and not interval.high_key and not interval.high
        if everything or (key is not None and not _unread(interval) and interval.holds(key)):
            return _affected(question, feed, advisory, interval, key)
    if key is not None and key in advisory.versions:
        return _affected(question, feed, advisory, None, key)
    reason = advisory.unusable
    if key is None and (advisory.intervals or advisory.versions):
        reason = "the package's version cannot be compared"
    return Hit(question, feed, advisory, MatchState.NOT_ASSESSED, None, "", b"", reason) if reason else None


def _unread(interval: Interval) -> bool:
    """Whether a bound is given as text but has no key."""
    return bool(interval.high and not interval.high_key)


def _affected(question: Question, feed: str, advisory: Advisory, interval: Interval | None, key: bytes | None) -> Hit:
    fixed, fixed_key = _fix(advisory, interval, key)
    reason = ""
    if fixed and not advisory.available:
        reason = f"fixed in {fixed}, which is not in the archive yet"
        fixed, fixed_key = "", b""
    return Hit(question, feed, advisory, MatchState.AFFECTED, interval, fixed, fixed_key, reason)


def _fix(advisory: Advisory, interval: Interval | None, key: bytes | None) -> tuple[str, bytes]:
    """The end of the range that holds the version; where that names no fix, the next fix above the version."""
    if interval is not None and interval.high_key and not interval.closed:
        return interval.high, interval.high_key
    if key is None or (interval is not None and not interval.high_key):
        return "", b""
    above = [
        (other.high_key, other.high)
        for other in advisory.intervals
        if other.high_key > key and not other.closed and not advisory.unusable
    ]
    if not above:
        return "", b""
    least = min(above)
    return least[1], least[0]
