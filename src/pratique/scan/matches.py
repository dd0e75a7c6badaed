"""Answers about packages: each package is judged once, for all sets and images that have it.

A package's answer is stored with the digest of the records that could speak of it. A match is *notable* when a policy
may act on it: known to be exploited, or fixable and critical, or fixable and rated by nobody.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
import sqlalchemy as sa

from pratique.advisories.types import (
    ChangeSet,
    FeedStatus,
    Match,
    MatchReport,
    MatchState,
    PackageKey,
    PackageLike,
)
from pratique.core.database import Transaction
from pratique.core.database.prepared import inserts, one_of
from pratique.core.findings.types import Severity
from pratique.inventory.types import Package
from pratique.scan.errors import AdvisoriesMoved
from pratique.scan.packages import Placed, chunks
from pratique.scan.tables import advisory_state, matches, packages, set_members

_WEIGHTY = frozenset({Severity.CRITICAL.value, Severity.UNKNOWN.value})
_FEW = 400
"""Pairs of package and alias group that one statement names."""

_WEIGHTLESS = frozenset({"unimportant", "update-pending"})
"""The vendor calls it unimportant; or an update waits of which nobody says that it fixes a vulnerability."""

CURRENT = "current"
"""The revision that new answers stand on."""

JUDGED = "judged"
"""The revision by which every stored package has been judged; behind CURRENT while a re-judgement is under way."""


class Advisories(Protocol):
    """What the scanner asks of the advisory store; `advisories.service.AdvisoryStore` is one."""

    @property
    def revision(self) -> str: ...

    def refresh(self) -> bool: ...

    def match(self, packages: Sequence[PackageLike], distro: str = "") -> MatchReport: ...

    def keys_of(self, package: PackageLike) -> tuple[PackageKey, ...]: ...

    def changes(self, old: str, new: str) -> ChangeSet: ...

    def feeds(self) -> tuple[FeedStatus, ...]: ...

    def candidates_digest(self, package: PackageLike, distro: str = "") -> str: ...


@dataclass(frozen=True, slots=True)
class Judgement:
    """All that is to be said of one package."""

    candidates: str
    matches: tuple[Match, ...] = ()
    clears: str = ""
    """The smallest version of the package that has none of its fixable findings; '' where none is known."""
    not_assessed: str | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """Judgements of many packages, by key, from one revision of the advisory data."""

    revision: str
    judgements: Mapping[str, Judgement]
    addresses: Mapping[str, tuple[PackageKey, ...]]


def judge(store: Advisories, items: Sequence[Placed]) -> Judged:
    """Return the judgement of each package, with its owner at hand. No database is touched."""
    owners = {item.owner for item in items if item.owner is not None}
    report = store.match([*(item.package for item in items), *owners.difference(item.package for item in items)])
    found: dict[PackageLike, list[Match]] = {}
    for match in report.matches:
        if match.state is MatchState.AFFECTED:
            found.setdefault(match.package, []).append(match)
    judgements = {}
    for item, coverage in zip(items, report.coverage, strict=False):
        judgements[item.key] = Judgement(
            candidates=store.candidates_digest(item.package),
            matches=tuple(found.get(item.package, ())),
            clears=coverage.fixed_version,
            not_assessed=None if coverage.assessed else coverage.reason or "no reason was given",
            code="" if coverage.assessed else coverage.code,
        )
    return Judged(report.revision, judgements, {item.key: _addresses(store, item) for item in items})


def _addresses(store: Advisories, item: Placed) -> tuple[PackageKey, ...]:
    """Where feeds speak of a package, and of the one that owns it: either may change the answer."""
    own = store.keys_of(item.package)
    return own if item.owner is None else own + store.keys_of(item.owner)


def is_notable(record: Mapping[str, Any]) -> bool:
    """True when a policy may act on this match."""
    if record["exploited"]:
        return True
    return bool(record["fix"]) and record["severity"] in _WEIGHTY and record["status"] not in _WEIGHTLESS


def is_starter(store: Advisories) -> bool:
    """True when nothing but the built-in starter data is there to judge with."""
    return not any(feed.fetched_at for feed in store.feeds())


def match_records(item: Judgement) -> dict[str, dict[str, Any]]:
    """The matches of a package as they are stored, by alias group."""
    return {match.group_id: _record(match, item.clears) for match in item.matches}


def _record(match: Match, clears: str) -> dict[str, Any]:
    """Everything that page, policy and evidence need, and not the package."""
    return {
        "name": match.vulnerability,
        "aliases": list(match.aliases),
        "title": match.title,
        "reason": match.reason,
        "status": match.status,
        "fix": match.fixed_version,
        "clears": (clears or match.fixed_version) if match.fixed_version else "",
        "severity": match.severity.value,
        "severity_source": match.severity_source,
        "ratings": [
            {"source": item.source, "severity": item.severity.value, "vector": item.vector, "score": item.score}
            for item in match.ratings
        ],
        "exploited": match.exploited,
        "exploited_since": match.exploited_since,
        "ransomware": match.ransomware,
        "epss": match.epss,
        "confidence": match.confidence.value,
        "evidence": [item.as_dict() for item in match.evidence],
    }


def check_revision(tx: Transaction, store: Advisories, revision: str) -> None:
    """Return if judgements of `revision` may be written now, else raise AdvisoriesMoved.

    They may when the database has not moved on from them, or when nothing newer has been published: whatever is newer
    finds these rows when it looks for what it changes.
    """
    current = tx.execute(_STATE, {"name": CURRENT}).scalar()
    if current in (None, revision):
        return
    store.refresh()
    if store.revision != revision:
        raise AdvisoriesMoved("advisory data changed while packages were matched")


def set_revision(tx: Transaction, name: str, revision: str, *, starter: bool) -> None:
    """Say which revision of the advisory data is CURRENT, or JUDGED."""
    values = {"name": name, "revision": revision, "starter": starter, "updated_at": tx.now}
    tx.execute(_SET_STATE[tx.dialect], values)


_SET_STATE = inserts(
    advisory_state,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[advisory_state.c.name],
        set_={name: insert.excluded[name] for name in ("revision", "starter", "updated_at")},
    ),
)


def stored_revision(tx: Transaction, name: str = CURRENT) -> tuple[str, bool]:
    """Return the revision that answers stand on ('' before any), and whether it is only the starter data."""
    row = tx.execute(_STATE, {"name": name}).one_or_none()
    return (row.revision, bool(row.starter)) if row else ("", True)


_STATE = sa.select(advisory_state.c.revision, advisory_state.c.starter).where(
    advisory_state.c.name == sa.bindparam("name")
)


def write_judgements(tx: Transaction, ids: Mapping[str, int], judgements: Mapping[str, Judgement]) -> None:
    """Replace what is stored about these packages."""
    for part in chunks(judgements.items(), 200):
        tx.execute(_FORGET, {"packages": [ids[key] for key, _ in part]})
        tx.execute(
            _JUDGE,
            [
                {"which": ids[key], "digest": item.candidates, "why": item.not_assessed, "code": item.code}
                for key, item in part
            ],
        )
        rows = [row for key, item in part for row in _rows(ids[key], item)]
        if rows:
            tx.execute(_INSERT, rows)


_FORGET = sa.delete(matches).where(one_of(matches.c.package_id, "packages"))
_JUDGE = (
    sa.update(packages)
    .where(packages.c.id == sa.bindparam("which"))
    .values(candidates=sa.bindparam("digest"), not_assessed=sa.bindparam("why"), not_assessed_code=sa.bindparam("code"))
)
_INSERT = sa.insert(matches)


def _rows(package_id: int, item: Judgement) -> list[dict[str, Any]]:
    """One row per alias group: of several records about one vulnerability the store gives one match."""
    return [
        {
            "package_id": package_id,
            "group_id": group,
            "severity": record["severity"],
            "exploited": record["exploited"],
            "fixable": bool(record["fix"]),
            "notable": is_notable(record),
            "record": record,
        }
        for group, record in match_records(item).items()
    ]


def stored_records(tx: Transaction, ids: Sequence[int]) -> dict[int, dict[str, dict[str, Any]]]:
    """Return the stored matches of packages: id -> alias group -> record."""
    found: dict[int, dict[str, dict[str, Any]]] = {identity: {} for identity in ids}
    statement = sa.select(matches.c.package_id, matches.c.group_id, matches.c.record)
    for row in tx.execute(statement.where(matches.c.package_id.in_(ids))):
        found[row.package_id][row.group_id] = row.record
    return found


class Known(NamedTuple):
    """A package with one of its matches."""

    package: Package
    record: Mapping[str, Any]


Hits = Iterator[tuple[int, int, str, Known]]
"""Set, package id, alias group, match; of several sets that have a package each gives one, with the same match."""


def matched(tx: Transaction, sets: Collection[int], rules: Collection[str] | None = None) -> Hits:
    """Yield the matches of these sets; each record is read once, and only those of alias groups in `rules` if given."""
    if rules is None:
        return _with_records(tx, _pairs(tx, _MATCHED, sets), _RECORDS)
    spoken: Sequence[Any] = tx.execute(_SPOKEN, {"rules": list(rules), "most": _FEW + 1}).all()
    if len(spoken) > _FEW:
        return _with_records(tx, _pairs(tx, _MATCHED_RULES, sets, rules=list(rules)), _RULE_RECORDS, rules=list(rules))
    groups: dict[int, list[str]] = {}
    for package_id, group in spoken:
        groups.setdefault(package_id, []).append(group)
    members = _pairs(tx, _MEMBERS, sets, packages=list(groups))
    rows = [(set_id, package_id, group) for set_id, package_id in members for group in groups[package_id]]
    return _with_records(tx, rows, _RULE_RECORDS, rules=list(rules))


def notable(tx: Transaction, sets: Collection[int]) -> Hits:
    """As `matched`, for the matches that a policy may act on."""
    return _with_records(tx, _pairs(tx, _NOTABLE, sets), _NOTABLE_RECORDS)


def _pairs(tx: Transaction, statement: sa.Select[Any], sets: Collection[int], **values: object) -> list[Any]:
    return [row for part in chunks(sets) for row in tx.execute(statement, {"sets": part, **values}).all()]


def _with_records(tx: Transaction, rows: Collection[Any], statement: sa.Select[Any], **values: object) -> Hits:
    known: dict[tuple[int, str], Known] = {}
    package: dict[int, Package] = {}
    for part in chunks({row[1] for row in rows}):
        for row in tx.execute(statement, {"packages": part, **values}).all():
            if row.package_id not in package:
                package[row.package_id] = msgspec.convert(row.package, Package)
            known[row.package_id, row.group_id] = Known(package[row.package_id], row.record)
    for set_id, package_id, group in rows:
        yield set_id, package_id, group, known[package_id, group]


_IS_NOTABLE = matches.c.notable.is_(True)
_OF_RULES = one_of(matches.c.group_id, "rules")
_MEMBERS = sa.select(set_members.c.set_id, set_members.c.package_id).where(
    one_of(set_members.c.set_id, "sets"), one_of(set_members.c.package_id, "packages")
)
_MATCHED = (
    sa.select(set_members.c.set_id, matches.c.package_id, matches.c.group_id)
    .join(matches, matches.c.package_id == set_members.c.package_id)
    .where(one_of(set_members.c.set_id, "sets"))
)
_MATCHED_RULES = _MATCHED.where(_OF_RULES)
_NOTABLE = _MATCHED.where(_IS_NOTABLE)
_SPOKEN = sa.select(matches.c.package_id, matches.c.group_id).where(_OF_RULES).limit(sa.bindparam("most"))
_RECORDS = (
    sa.select(matches.c.package_id, matches.c.group_id, matches.c.record, packages.c.record.label("package"))
    .join(packages, packages.c.id == matches.c.package_id)
    .where(one_of(matches.c.package_id, "packages"))
)
_RULE_RECORDS = _RECORDS.where(_OF_RULES)
_NOTABLE_RECORDS = _RECORDS.where(_IS_NOTABLE)
