"""OSV records (schema 1.x) as stored advisories: ranges of events, lists of versions, ratings, aliases.

Events are evaluated as the schema says: a version is affected when the last event at or before it opened a range.
Withdrawn records are left out; ranges of Git commits say nothing about package versions and are left out too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from pratique.advisories.store.records import (
    SCORES,
    Advisory,
    Fact,
    Interval,
    Score,
    StoredRating,
    advisory_fact,
    encode_score,
)
from pratique.advisories.versions import UnparsableVersionError, version_key

MAX_EVENTS = 10_000
_PYPI = re.compile(r"[-_.]+")
_WORDS = {"critical": "critical", "high": "high", "moderate": "medium", "medium": "medium", "low": "low"}


class _Package(msgspec.Struct):
    ecosystem: str
    name: str


class _Range(msgspec.Struct):
    type: str
    events: list[dict[str, str]] = []


class _Severity(msgspec.Struct):
    type: str
    score: str


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] = []
    versions: list[str] = []
    severity: list[_Severity] = []


class _Word(msgspec.Struct):
    severity: str | None = None


class OsvRecord(msgspec.Struct):
    id: str
    modified: str = ""
    withdrawn: str | None = None
    aliases: list[str] | None = None
    summary: str = ""
    affected: list[_Affected] = []
    severity: list[_Severity] = []
    database_specific: msgspec.Raw = msgspec.Raw(b"{}")


@dataclass(frozen=True, slots=True)
class Ecosystem:
    """How one OSV ecosystem is stored and ordered."""

    name: str  # as OSV spells it
    space: str
    scheme: str
    released: bool = False  # whether its name in a record carries a release (`AlmaLinux:8`)

    def place(self, written: str) -> str:
        """The space in which what a record says of `written` is stored; empty for another ecosystem."""
        name, _, release = written.partition(":")
        if name != self.name or (self.released and not release):
            return ""
        return f"{self.space}:{release}" if self.released else self.space


def normalised(space: str, name: str) -> str:
    """The name by which packages of an ecosystem are looked up (PyPI: PEP 503; Go: purls have no capitals)."""
    if space == "pypi":
        return _PYPI.sub("-", name).lower()
    return name.lower() if space == "golang" else name


def facts_of(record: OsvRecord, ecosystem: Ecosystem) -> Iterator[Fact]:
    """One fact per package of this ecosystem, and the ratings for whoever asks by CVE."""
    if record.withdrawn:
        return
    ratings = ratings_of(record)
    for space, name, advisory in advisories_of(record, ecosystem, ratings):
        yield advisory_fact(space, name, advisory)
    if ratings:
        body = encode_score(Score(ratings=ratings))
        for alias in (record.id, *(record.aliases or ())):
            if alias.startswith("CVE-"):
                yield Fact(SCORES, alias, record.id, body)


def advisories_of(
    record: OsvRecord, ecosystem: Ecosystem, ratings: tuple[StoredRating, ...]
) -> Iterator[tuple[str, str, Advisory]]:
    """What the record says about each package, its several entries for one package joined."""
    entries: dict[tuple[str, str], list[_Affected]] = {}
    for affected in record.affected:
        space = ecosystem.place(affected.package.ecosystem) if affected.package is not None else ""
        if space and affected.package is not None:
            entries.setdefault((space, normalised(ecosystem.space, affected.package.name)), []).append(affected)
    for (space, name), parts in entries.items():
        intervals, unusable = _intervals(parts, ecosystem.scheme)
        yield (
            space,
            name,
            Advisory(
                record.id,
                intervals=intervals,
                status="malware" if record.id.startswith("MAL-") else "",
                aliases=tuple(sorted(set(record.aliases or ()) - {record.id})),
                versions=_listed(parts, ecosystem.scheme, intervals),
                ratings=ratings,
                title=record.summary[:200],
                modified=record.modified[:32],
                unusable=unusable,
            ),
        )


def _intervals(parts: list[_Affected], scheme: str) -> tuple[tuple[Interval, ...], str]:
    found: dict[Interval, None] = {}
    unusable = ""
    for part in parts:
        for span in part.ranges:
            if span.type == "GIT":
                continue
            try:
                found.update(dict.fromkeys(intervals_of(span.events[:MAX_EVENTS], scheme)))
            except UnparsableVersionError as error:
                bounds = ", ".join(f"{kind} {text}" for event in span.events[:4] for kind, text in event.items())
                unusable = f"a bound of the range ({bounds[:200]}) cannot be compared: {error}"
    return tuple(found), unusable


def intervals_of(events: list[dict[str, str]], scheme: str) -> Iterator[Interval]:
    """The affected ranges of a list of events, in the order of their versions."""
    keyed = sorted(
        (b"" if text == "0" and kind == "introduced" else version_key(scheme, text), _RANK[kind], kind, text)
        for event in events
        for kind, text in event.items()
        if kind in _RANK
    )
    opened: tuple[bytes, str] | None = None
    for key, _, kind, text in keyed:
        if kind == "introduced":
            opened = opened or (key, "" if key == b"" else text)
        elif opened is not None:
            yield Interval(opened[1], opened[0], text, key, kind == "last_affected")
            opened = None
    if opened is not None:
        yield Interval(opened[1], opened[0])


_RANK = {"fixed": 0, "introduced": 1, "last_affected": 2}


def _listed(parts: list[_Affected], scheme: str, intervals: tuple[Interval, ...]) -> tuple[bytes, ...]:
    """Keys of the listed versions that no range holds already; unreadable ones cannot be installed and are dropped."""
    keys: set[bytes] = set()
    for part in parts:
        for text in part.versions:
            try:
                key = version_key(scheme, text)
            except UnparsableVersionError:
                continue
            if not any(interval.holds(key) for interval in intervals):
                keys.add(key)
    return tuple(sorted(keys))


def ratings_of(record: OsvRecord) -> tuple[StoredRating, ...]:
    """The record's vectors and word, under the name of who keeps the record."""
    source = _source(record.id)
    severities = record.severity or [item for part in record.affected for item in part.severity]
    vectors = dict.fromkeys(item.score for item in severities if item.type.startswith("CVSS_"))
    word = _WORDS.get(_word(record).lower(), "")
    if record.id.startswith("MAL-"):
        word = "critical"
    if not vectors:
        return (StoredRating(source, word),) if word else ()
    return tuple(StoredRating(source, word, vector) for vector in vectors)


def _word(record: OsvRecord) -> str:
    try:
        return msgspec.json.decode(record.database_specific, type=_Word).severity or ""
    except msgspec.MsgspecError:
        return ""


def _source(name: str) -> str:
    prefix = name.partition("-")[0].lower()
    return {"ghsa": "ghsa", "pysec": "pypa", "mal": "ossf", "cve": "cve"}.get(prefix, "osv")
