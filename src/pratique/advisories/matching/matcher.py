"""All packages of a set against one snapshot: three answers, each with its reason and evidence.

The order of work: ask per feed and release in one look-up; evaluate; leave out what a distribution's own feed has
already judged; join records that are one vulnerability; rate; state the coverage of every package.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pratique.advisories.matching.evaluate import Hit, hits_of
from pratique.advisories.matching.questions import Question, Unasked, question_of
from pratique.advisories.matching.report import Judged, Reporter
from pratique.advisories.store.records import Advisory
from pratique.advisories.store.snapshot import Snapshot
from pratique.advisories.types import MatchReport, MatchState, NeededFeed, PackageLike
from pratique.advisories.versions import UnparsableVersionError, version_key

Rows = Mapping[str, tuple[Advisory, ...]]


@dataclass
class _Tables:
    """The rows of every (feed, space) that the questions touch."""

    rows: dict[tuple[str, str], Rows] = field(default_factory=dict)

    def of(self, feed: str, question: Question) -> tuple[Advisory, ...] | None:
        return self.rows.get((feed, question.space), {}).get(question.name)


class Matcher:
    """Matches packages against one snapshot; keeps nothing between calls."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def match(self, packages: Sequence[PackageLike], distro: str, needed: Iterable[NeededFeed] = ()) -> MatchReport:
        asked = [question_of(package, distro) for package in packages]
        questions = [item for item in asked if isinstance(item, Question)]
        tables = self._look_up(questions)
        owners = {(item.package.ecosystem, item.package.name): item for item in questions if not item.language}
        judged = [
            Judged(item.package, code=item.code, reason=item.reason)
            if isinstance(item, Unasked)
            else self._judge(item, tables, owners)
            for item in asked
        ]
        reporter = Reporter(self._snapshot)
        matches, coverage = reporter.report(judged)
        return MatchReport(tuple(matches), tuple(coverage), self._snapshot.revision, tuple(needed))

    def _look_up(self, questions: Sequence[Question]) -> _Tables:
        names: dict[tuple[str, str], dict[str, None]] = {}
        for question in questions:
            for feed in (question.feed, question.suite_feed):
                if feed:
                    names.setdefault((feed, question.space), {})[question.name] = None
        found = {
            (feed, space): self._snapshot.advisories(feed, space, list(wanted))
            for (feed, space), wanted in names.items()
        }
        return _Tables(found)

    def _judge(self, question: Question, tables: _Tables, owners: Mapping[tuple[str, str], Question]) -> Judged:
        judged = self._covered(question, tables)
        advisories = tables.of(question.feed, question) or ()
        updates = (tables.of(question.suite_feed, question) or ()) if question.suite_feed else ()
        if not advisories and not updates:
            return judged
        try:
            key = version_key(question.scheme, question.version)
        except UnparsableVersionError as error:
            key = None
            judged.unreadable(question.version, error)
        hits = list(hits_of(question, question.feed, advisories, key))
        judged.hits = hits + _pending(hits, hits_of(question, question.suite_feed, updates, key))
        if question.package.owned_by:
            self._respect_owner(judged, tables, owners)
        if question.language and key is not None:
            judged.clearing = _clearing(question, advisories, judged.hits)
        return judged

    def _covered(self, question: Question, tables: _Tables) -> Judged:
        """Whether some feed speaks of this package's release at all."""
        view = self._snapshot.views.get(question.feed)
        suite = self._snapshot.views.get(question.suite_feed) if question.suite_feed else None
        by_suite = suite is not None and question.space in suite.entry.spaces
        if view is None:
            code, reason = "no-data", f"the feed {question.feed} has not been fetched"
        elif question.space not in view.entry.spaces:
            code, reason = "unknown-release", f"the feed {question.feed} makes no statement on {question.space}"
        elif view.entry.starter and tables.of(question.feed, question) is None:
            code, reason = "no-data", f"the starter data of {question.feed} does not cover it"
        else:
            feeds = (question.feed, question.suite_feed) if by_suite else (question.feed,)
            return Judged(question.package, question, assessed=True, feeds=feeds)
        if by_suite:
            reason = f"only pending updates are known: {reason}"
            feeds = (question.suite_feed,)
            return Judged(question.package, question, assessed=True, feeds=feeds, code="suite-only", reason=reason)
        return Judged(question.package, question, code=code, reason=reason)

    def _respect_owner(self, judged: Judged, tables: _Tables, owners: Mapping[tuple[str, str], Question]) -> None:
        """Leave out what the owning distribution package's feed speaks of; mark the rest as less certain."""
        ecosystem, _, name = judged.package.owned_by.partition("/")
        owner = owners.get((ecosystem, name))
        said = self._names_said(tables.of(owner.feed, owner) or ()) if owner else frozenset()
        kept: list[Hit] = []
        for hit in judged.hits:
            names = (hit.advisory.id, *hit.advisory.aliases)
            if not said.intersection(map(self._snapshot.groups.name_of, names)):
                kept.append(hit)
        judged.hits = kept
        judged.owner = judged.package.owned_by

    def _names_said(self, advisories: Iterable[Advisory]) -> frozenset[str]:
        name_of = self._snapshot.groups.name_of
        return frozenset(name_of(name) for advisory in advisories for name in (advisory.id, *advisory.aliases))


def _pending(hits: Sequence[Hit], updates: Iterable[Hit]) -> list[Hit]:
    """Updates that wait and bring more than the fixes that are already named."""
    fixed = max((hit.fixed_key for hit in hits), default=b"")
    return [update for update in updates if not (fixed and update.fixed_key <= fixed)]


def _clearing(question: Question, advisories: Sequence[Advisory], hits: Sequence[Hit]) -> tuple[bytes, str]:
    """The smallest version known to clear every fixable finding, also those that the way there would bring."""
    best = max(((hit.fixed_key, hit.fixed) for hit in hits if hit.state is MatchState.AFFECTED), default=(b"", ""))
    for _ in range(20):
        if not best[0]:
            break
        above = hits_of(question, question.feed, advisories, best[0])
        higher = max(((hit.fixed_key, hit.fixed) for hit in above if hit.fixed_key > best[0]), default=None)
        if higher is None:
            break
        best = higher
    return best
