"""Replaces what a subject shows by what it shows now, writing only the difference, in a handful of statements."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa

from pratique.core.database.epochs import bump_epoch
from pratique.core.database.prepared import ignoring, inserts, one_of
from pratique.core.database.transaction import Transaction
from pratique.core.findings import exempting
from pratique.core.findings.tables import findings, occurrences, rule_names, subjects
from pratique.core.findings.types import Exemption, Finding, FindingChange, Occurrence

T = TypeVar("T")
EPOCH = "findings"
CHUNK = 1000
"""Values in one IN list: SQLite takes 32,766 parameters, and short statements are cached."""

Item = tuple[str, str, Sequence[Occurrence]]
"""Lineage, subject, and what the subject shows."""


_Weighed = Mapping[tuple[str, str], Sequence[tuple[Occurrence, bytes]]]
"""What subjects show, by lineage and subject, each occurrence with its content."""


class _Place(NamedTuple):
    """Where an occurrence is stored."""

    subject_id: int
    key: str
    version: str


class _Known(NamedTuple):
    finding_id: int
    content: bytes


@dataclass(slots=True)
class _Difference:
    added: dict[_Place, tuple[Occurrence, bytes]] = field(default_factory=dict)
    changed: dict[_Place, tuple[Occurrence, bytes]] = field(default_factory=dict)
    removed: dict[_Place, _Known] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    @property
    def findings(self) -> dict[str, Finding]:
        return {place.key: occurrence.finding for place, (occurrence, _) in (self.added | self.changed).items()}


def record(tx: Transaction, domain: str, items: Sequence[Item], rules: Collection[str] | None) -> FindingChange:
    """Make `items` what their subjects show: of all rules, or of `rules` only."""
    weighed = _weighed(items)
    if rules is None:
        weighed = _skip_unchanged(tx, domain, weighed)
    if not weighed:
        return FindingChange()
    ids = _subject_ids(tx, domain, weighed)
    wanted = _wanted(weighed, ids)
    difference = _compare(wanted, _stored(tx, ids, rules))
    if rules is not None and difference:
        _forget_content(tx, ids.values())
    if not difference:
        return FindingChange()
    known = _store_findings(tx, difference.findings)
    _store_occurrences(tx, difference, known.ids)
    resolved = _resolve(tx, difference.removed)
    tx.hint(EPOCH)
    bump_epoch(tx, EPOCH)
    return FindingChange(tuple(known.appeared), tuple(resolved), changed=True)


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    source = iter(values)
    while chunk := list(islice(source, size)):
        yield chunk


def content_of(occurrence: Occurrence) -> bytes:
    """Return a short hash over everything that is stored of an occurrence and its finding."""
    encoded = msgspec.json.encode(occurrence, order="deterministic")
    return hashlib.blake2b(encoded, digest_size=16).digest()


def _weighed(items: Sequence[Item]) -> _Weighed:
    """Return each item with the contents of its occurrences; of a subject that is given twice the last counts."""
    return {
        (lineage, subject): [(occurrence, content_of(occurrence)) for occurrence in found]
        for lineage, subject, found in items
    }


def _skip_unchanged(tx: Transaction, domain: str, items: _Weighed) -> _Weighed:
    """Return the items that differ from what was last recorded for their subjects, and note their new contents."""
    contents = {place: _content_of_all(found) for place, found in items.items()}
    stored = {(row.lineage, row.subject): row.content for row in _subject_rows(tx, domain, items)}
    changed = {place: content for place, content in contents.items() if stored.get(place) != content}
    if changed:
        rows = [
            {"domain": domain, "lineage": lineage, "subject": subject, "content": content}
            for (lineage, subject), content in changed.items()
        ]
        tx.execute(_NOTE[tx.dialect], rows)
    return {place: items[place] for place in changed}


_NOTE = inserts(
    subjects,
    lambda insert: insert.on_conflict_do_update(
        index_elements=["subject", "lineage", "domain"], set_={"content": insert.excluded.content}
    ),
)


def _content_of_all(found: Sequence[tuple[Occurrence, bytes]]) -> bytes:
    return hashlib.blake2b(b"".join(sorted(content for _, content in found)), digest_size=16).digest()


def _subject_rows(tx: Transaction, domain: str, places: Collection[tuple[str, str]]) -> Iterator[sa.Row[Any]]:
    for chunk in chunks({subject for _, subject in places}):
        yield from tx.execute(_SUBJECTS, {"subjects": chunk, "domain": domain}).all()


_SUBJECTS = sa.select(subjects.c.id, subjects.c.lineage, subjects.c.subject, subjects.c.content).where(
    one_of(subjects.c.subject, "subjects"), subjects.c.domain == sa.bindparam("domain")
)


def _subject_ids(tx: Transaction, domain: str, places: Collection[tuple[str, str]]) -> dict[tuple[str, str], int]:
    def read() -> dict[tuple[str, str], int]:
        rows = _subject_rows(tx, domain, places)
        return {(row.lineage, row.subject): row.id for row in rows if (row.lineage, row.subject) in places}

    ids = read()
    missing = [
        {"domain": domain, "lineage": lineage, "subject": subject, "content": None}
        for lineage, subject in places
        if (lineage, subject) not in ids
    ]
    if not missing:
        return ids
    tx.execute(_NEW_SUBJECT[tx.dialect], missing)
    return read()


_NEW_SUBJECT = ignoring(subjects)


def _wanted(items: _Weighed, ids: Mapping[tuple[str, str], int]) -> dict[_Place, tuple[Occurrence, bytes]]:
    return {
        _Place(ids[place], occurrence.finding.key, occurrence.version): (occurrence, content)
        for place, found in items.items()
        for occurrence, content in found
    }


def _stored(tx: Transaction, ids: Mapping[tuple[str, str], int], rules: Collection[str] | None) -> dict[_Place, _Known]:
    stored: dict[_Place, _Known] = {}
    for chunk in chunks(ids.items()):
        values: dict[str, Any] = {"subjects": [identity for _, identity in chunk]}
        if rules is not None:
            # The lineages say nothing that the subjects do not, but they lead to few findings of a rule that all have.
            values |= {"rules": list(rules), "lineages": sorted({lineage for (lineage, _), _ in chunk})}
        for row in tx.execute(_SHOWN if rules is None else _SHOWN_OF, values).all():
            stored[_Place(row.subject_id, row.key, row.version)] = _Known(row.finding_id, row.content)
    return stored


_SHOWN = (
    sa.select(
        occurrences.c.subject_id, occurrences.c.finding_id, occurrences.c.version, occurrences.c.content, findings.c.key
    )
    .join(findings, findings.c.id == occurrences.c.finding_id)
    .where(one_of(occurrences.c.subject_id, "subjects"))
)
_SHOWN_OF = _SHOWN.where(one_of(findings.c.rule, "rules"), one_of(findings.c.lineage, "lineages"))


def _compare(wanted: Mapping[_Place, tuple[Occurrence, bytes]], stored: Mapping[_Place, _Known]) -> _Difference:
    difference = _Difference(removed={place: known for place, known in stored.items() if place not in wanted})
    for place, (occurrence, content) in wanted.items():
        known = stored.get(place)
        if known is None:
            difference.added[place] = (occurrence, content)
        elif known.content != content:
            difference.changed[place] = (occurrence, content)
    return difference


def _forget_content(tx: Transaction, ids: Iterable[int]) -> None:
    """Make the next full replacement of these subjects compare row by row."""
    for chunk in chunks(ids):
        tx.execute(_FORGET, {"subjects": chunk})


_FORGET = (
    sa.update(subjects)
    .where(one_of(subjects.c.id, "subjects"), subjects.c.content.is_not(None))
    .values(content=sa.null())
)


@dataclass(slots=True)
class _Findings:
    ids: dict[str, int]
    appeared: list[str]


def _store_findings(tx: Transaction, wanted: Mapping[str, Finding]) -> _Findings:
    """Insert new findings, bring known ones up to date where they differ, and reopen resolved ones."""
    if not wanted:
        return _Findings({}, [])
    known = _known_findings(tx, wanted)
    exempt = exempting.active(tx)
    rows = {key: _row(finding) | _exempted(finding, exempt) for key, finding in wanted.items()}
    new = [key for key in wanted if key not in known]
    if new:
        tx.execute(_INSERT[tx.dialect], [rows[key] | _fresh(key, tx.now) for key in new])
    changed = [
        rows[key] | {"known_id": row.id, "now": tx.now} for key, row in known.items() if _differs(row, rows[key])
    ]
    if changed:
        tx.execute(_UPDATE, changed)
    _store_names(tx, wanted.values())
    ids = {key: row.id for key, row in known.items()}
    if new:
        ids |= {key: row.id for key, row in _known_findings(tx, new).items()}
    reopened = [key for key, row in known.items() if row.resolved_at is not None]
    return _Findings(ids, new + reopened)


def _differs(row: sa.Row[Any], wanted: Mapping[str, Any]) -> bool:
    return row.resolved_at is not None or any(getattr(row, name) != wanted[name] for name in _FIELDS)


_FIELDS = (
    "title", "severity", "severity_rank", "severity_source", "state", "exploited", "likelihood", "fix", "action",
    "aliases", "exemption_id", "exempt_until",
)  # fmt: skip
_INSERT = ignoring(findings)
_UPDATE = (
    sa.update(findings)
    .where(findings.c.id == sa.bindparam("known_id"))
    .values(
        **{name: sa.bindparam(name) for name in _FIELDS},
        changed_at=sa.bindparam("now"),
        resolved_at=None,
    )
)


def _known_findings(tx: Transaction, keys: Iterable[str]) -> dict[str, sa.Row[Any]]:
    return {row.key: row for chunk in chunks(keys) for row in tx.execute(_FINDINGS, {"keys": chunk}).all()}


_FINDINGS = sa.select(
    findings.c.key, findings.c.id, findings.c.resolved_at, *(findings.c[name] for name in _FIELDS)
).where(one_of(findings.c.key, "keys"))


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "title": finding.title,
        "severity": finding.severity.value,
        "severity_rank": finding.severity.rank,
        "severity_source": finding.severity_source,
        "state": finding.state,
        "exploited": finding.exploited,
        "likelihood": finding.likelihood,
        "fix": finding.fix,
        "action": finding.action,
        "aliases": list(finding.aliases),
        "domain": finding.domain,
        "rule": finding.rule,
        "lineage": finding.lineage,
        "location": finding.location,
    }


def _fresh(key: str, now: int) -> dict[str, Any]:
    return {"key": key, "first_seen": now, "changed_at": now, "resolved_at": None, "owner": "", "due_at": None}


def _exempted(finding: Finding, active: Sequence[Exemption]) -> dict[str, Any]:
    longest = max((one for one in active if one.covers(finding)), key=lambda one: one.expires_at, default=None)
    return {
        "exemption_id": longest.id if longest else None,
        "exempt_until": longest.expires_at if longest else None,
    }


def _store_names(tx: Transaction, wanted: Iterable[Finding]) -> None:
    """Keep the aliases of rules as they are now, for search and for exemptions by alias."""
    names = {finding.rule: set(finding.aliases) for finding in wanted}
    stored: dict[str, set[str]] = {rule: set() for rule in names}
    for chunk in chunks(names):
        for row in tx.execute(_NAMES, {"rules": chunk}).all():
            stored[row.rule].add(row.name)
    added = [{"rule": rule, "name": name} for rule in names for name in sorted(names[rule] - stored[rule])]
    removed = [{"old_rule": rule, "old": name} for rule in names for name in sorted(stored[rule] - names[rule])]
    if added:
        tx.execute(_NAME[tx.dialect], added)
    if removed:
        tx.execute(_UNNAME, removed)


_NAMES = sa.select(rule_names.c.rule, rule_names.c.name).where(one_of(rule_names.c.rule, "rules"))
_NAME = ignoring(rule_names)
_UNNAME = sa.delete(rule_names).where(
    rule_names.c.rule == sa.bindparam("old_rule"), rule_names.c.name == sa.bindparam("old")
)


def _store_occurrences(tx: Transaction, difference: _Difference, ids: Mapping[str, int]) -> None:
    if difference.removed:
        tx.execute(_DELETE, [_at(place, known.finding_id) for place, known in difference.removed.items()])
    if difference.added:
        rows = [
            {"subject_id": place.subject_id, "finding_id": ids[place.key], "version": place.version, "content": content,
             "evidence": occurrence.evidence, "remediation": occurrence.remediation, "first_seen": tx.now}
            for place, (occurrence, content) in difference.added.items()
        ]  # fmt: skip
        tx.execute(_ADD, rows)
    if difference.changed:
        rows = [
            {**_at(place, ids[place.key]), "new_content": content, "new_evidence": occurrence.evidence,
             "new_remediation": occurrence.remediation}
            for place, (occurrence, content) in difference.changed.items()
        ]  # fmt: skip
        tx.execute(_CHANGE, rows)


_PLACE = (
    occurrences.c.subject_id == sa.bindparam("at_subject"),
    occurrences.c.finding_id == sa.bindparam("at_finding"),
    occurrences.c.version == sa.bindparam("at_version"),
)
_ADD = sa.insert(occurrences)
_DELETE = sa.delete(occurrences).where(*_PLACE)
_CHANGE = (
    sa.update(occurrences)
    .where(*_PLACE)
    .values(
        content=sa.bindparam("new_content"),
        evidence=sa.bindparam("new_evidence"),
        remediation=sa.bindparam("new_remediation"),
    )
)


def _at(place: _Place, finding_id: int) -> dict[str, Any]:
    return {"at_subject": place.subject_id, "at_finding": finding_id, "at_version": place.version}


def _resolve(tx: Transaction, removed: Mapping[_Place, _Known]) -> list[str]:
    """Mark findings that no subject shows any more; what hangs on them stays. Returns their keys."""
    resolved: list[str] = []
    for chunk in chunks({known.finding_id for known in removed.values()}):
        resolved += tx.execute(_RESOLVE, {"ids": chunk, "now": tx.now}).scalars()
    return sorted(resolved)


_RESOLVE = (
    sa.update(findings)
    .where(
        one_of(findings.c.id, "ids"),
        sa.not_(sa.exists().where(occurrences.c.finding_id == findings.c.id)),
        findings.c.resolved_at.is_(None),
    )
    .values(resolved_at=sa.bindparam("now"), changed_at=sa.bindparam("now"))
    .returning(findings.c.key)
)
