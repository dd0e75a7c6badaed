"""Why a package is, or is not, affected by a vulnerability: every record that speaks of both, and what it comes to."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pratique.advisories.matching.evaluate import hits_of
from pratique.advisories.matching.questions import Question, question_of
from pratique.advisories.store.records import Advisory
from pratique.advisories.store.snapshot import Snapshot
from pratique.advisories.types import MatchState, PackageLike
from pratique.advisories.versions import UnparsableVersionError, version_key


@dataclass(frozen=True, slots=True)
class Told:
    """What one record says about one package, in words by which the comparison can be repeated by hand."""

    package: PackageLike
    state: MatchState
    record: str
    feed: str
    range: str
    comparison: str
    reason: str
    fixed_version: str
    data_date: int
    starter: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the same as JSON-ready mapping, the package left out."""
        return {key: value for key, value in asdict(self).items() if key != "package"} | {"state": self.state.value}


def told(snapshot: Snapshot, name: str, packages: Sequence[PackageLike], distro: str) -> Iterator[Told]:
    """Yield what each record of the vulnerability says about each package that it names."""
    canonical = snapshot.groups.name_of(name)
    asked = [question_of(package, distro) for package in packages]
    for question in (item for item in asked if isinstance(item, Question)):
        for feed in filter(None, (question.feed, question.suite_feed)):
            rows = snapshot.advisories(feed, question.space, [question.name]).get(question.name, ())
            for advisory in rows:
                names = (advisory.id, *advisory.aliases)
                if canonical in map(snapshot.groups.name_of, names):
                    yield _told(snapshot, question, feed, advisory)


def _told(snapshot: Snapshot, question: Question, feed: str, advisory: Advisory) -> Told:
    try:
        key = version_key(question.scheme, question.version)
    except UnparsableVersionError:
        key = None
    hit = next(hits_of(question, feed, (advisory,), key), None)
    entry = snapshot.views[feed].entry
    ranges = " or ".join(interval.text for interval in advisory.intervals)
    return Told(
        package=question.package,
        state=hit.state if hit else MatchState.NOT_AFFECTED,
        record=advisory.id,
        feed=feed,
        range=(hit.range_text if hit else "") or ranges or "listed versions",
        comparison=hit.comparison if hit else _why_not(question, advisory, key),
        reason="; ".join(filter(None, (hit.reason if hit else "", advisory.note))),
        fixed_version=hit.fixed if hit else "",
        data_date=entry.data_date,
        starter=entry.starter,
    )


def _why_not(question: Question, advisory: Advisory, key: bytes | None) -> str:
    """Word why no range of the record holds the version."""
    version, scheme = question.version, question.scheme
    if advisory.status == "not-affected":
        return "the record says that it is not affected"
    passed = [one for one in advisory.intervals if key is not None and one.high_key and key >= one.high_key]
    if passed:
        last = max(passed, key=lambda one: one.high_key)
        return f"{version} {'>' if last.closed else '>='} {last.high} ({scheme})"
    above = [one.low for one in advisory.intervals if key is not None and key < one.low_key]
    return f"{version} < {above[0]} ({scheme})" if above else f"{version} is in no affected range ({scheme})"
