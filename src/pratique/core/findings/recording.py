"""Replaces what a subject shows by what it shows now, writing only the difference, in a handful of statements."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa

from pratique.core.database.epochs import bump_epoch
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
    if rules is None:
        items = _skip_unchanged(tx, domain, items)
    if not items:
        return FindingChange()
    ids = _subject_ids(tx, domain, items)
    wanted = _wanted(items, ids)
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


def _skip_unchanged(tx: Transaction, domain: str, items: Sequence[Item]) -> list[Item]:
    """Return the items that differ from what was last recorded for their subjects, and note their new contents."""
    contents = {(lineage, subject): _content_of_all(found) for lineage, subject, found in items}
    stored = {(row.lineage, row.subject): row.content for row in _subject_rows(tx, domain, [item[1] for item in items])}
    changed = {place: content for place, content in contents.items() if stored.get(place) != content}
    if changed:
        insert = tx.insert(subjects)
        rows = [
            {"domain": domain, "lineage": lineage, "subject": subject, "content": content}
            for (lineage, subject), content in changed.items()
        ]
        tx.execute(
            insert.on_conflict_do_update(
                index_elements=["subject", "lineage", "domain"], set_={"content": insert.excluded.content}
            ),
            rows,
        )
    return [item for item in items if (item[0], item[1]) in changed]


def _content_of_all(found: Sequence[Occurrence]) -> bytes:
    parts = sorted(content_of(occurrence) for occurrence in found)
    return hashlib.blake2b(b"".join(parts), digest_size=16).digest()


def _subject_rows(tx: Transaction, domain: str, names: Iterable[str]) -> Iterator[sa.Row[Any]]:
    for chunk in chunks(set(names)):
        yield from tx.execute(
            sa.select(subjects.c.id, subjects.c.lineage, subjects.c.subject, subjects.c.content).where(
                subjects.c.subject.in_(chunk), subjects.c.domain == domain
            )
        )


def _subject_ids(tx: Transaction, domain: str, items: Sequence[Item]) -> dict[tuple[str, str], int]:
    wanted = {(lineage, subject) for lineage, subject, _ in items}

    def read() -> dict[tuple[str, str], int]:
        rows = _subject_rows(tx, domain, [subject for _, subject in wanted])
        return {(row.lineage, row.subject): row.id for row in rows if (row.lineage, row.subject) in wanted}

    ids = read()
    missing = [
        {"domain": domain, "lineage": lineage, "subject": subject, "content": None}
        for lineage, subject in wanted - ids.keys()
    ]
    if not missing:
        return ids
    tx.execute(tx.insert(subjects).on_conflict_do_nothing(), missing)
    return read()


def _wanted(items: Sequence[Item], ids: Mapping[tuple[str, str], int]) -> dict[_Place, tuple[Occurrence, bytes]]:
    return {
        _Place(ids[lineage, subject], occurrence.finding.key, occurrence.version): (occurrence, content_of(occurrence))
        for lineage, subject, found in items
        for occurrence in found
    }


def _stored(tx: Transaction, ids: Mapping[tuple[str, str], int], rules: Collection[str] | None) -> dict[_Place, _Known]:
    stored: dict[_Place, _Known] = {}
    query = sa.select(
        occurrences.c.subject_id, occurrences.c.finding_id, occurrences.c.version, occurrences.c.content, findings.c.key
    ).join(findings, findings.c.id == occurrences.c.finding_id)
    if rules is not None:
        # The lineages say nothing that the subjects do not, but they lead to few findings of a rule that all have.
        lineages = sorted({lineage for lineage, _ in ids})
        query = query.where(findings.c.rule.in_(list(rules)), findings.c.lineage.in_(lineages))
    for chunk in chunks(ids.values()):
        for row in tx.execute(query.where(occurrences.c.subject_id.in_(chunk))):
            stored[_Place(row.subject_id, row.key, row.version)] = _Known(row.finding_id, row.content)
    return stored


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
        tx.execute(sa.update(subjects).where(subjects.c.id.in_(chunk)).values(content=None))


@dataclass(slots=True)
class _Findings:
    ids: dict[str, int]
    appeared: list[str]


def _store_findings(tx: Transaction, wanted: Mapping[str, Finding]) -> _Findings:
    """Insert new findings, bring known ones up to date and reopen resolved ones."""
    known = _known_findings(tx, wanted)
    new = [key for key in wanted if key not in known]
    reopened = [key for key in wanted if key in known and known[key].resolved_at is not None]
    exempt = exempting.active(tx) if wanted else ()
    if new:
        rows = [_row(wanted[key]) | _fresh(key, tx.now) | _exempted(wanted[key], exempt) for key in new]
        tx.execute(tx.insert(findings).on_conflict_do_nothing(), rows)
    if known:
        changed = [_row(wanted[key]) | {"known_id": row.id, "now": tx.now} for key, row in known.items()]
        tx.execute(_UPDATE, [row | _exempted(wanted[key], exempt) for key, row in zip(known, changed, strict=True)])
    _store_names(tx, wanted.values())
    ids = {key: row.id for key, row in known.items()}
    if new:
        ids |= {key: row.id for key, row in _known_findings(tx, new).items()}
    return _Findings(ids, new + reopened)


_FIELDS = (
    "title", "severity", "severity_rank", "severity_source", "state", "exploited", "likelihood", "fix", "action",
    "aliases", "exemption_id", "exempt_until",
)  # fmt: skip
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
    known = {}
    for chunk in chunks(keys):
        query = sa.select(findings.c.key, findings.c.id, findings.c.resolved_at).where(findings.c.key.in_(chunk))
        known.update({row.key: row for row in tx.execute(query)})
    return known


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
        for row in tx.execute(sa.select(rule_names).where(rule_names.c.rule.in_(chunk))):
            stored[row.rule].add(row.name)
    added = [{"rule": rule, "name": name} for rule in names for name in sorted(names[rule] - stored[rule])]
    removed = [{"old_rule": rule, "old": name} for rule in names for name in sorted(stored[rule] - names[rule])]
    if added:
        tx.execute(tx.insert(rule_names).on_conflict_do_nothing(), added)
    if removed:
        old = rule_names.c.rule == sa.bindparam("old_rule"), rule_names.c.name == sa.bindparam("old")
        tx.execute(sa.delete(rule_names).where(*old), removed)


def _store_occurrences(tx: Transaction, difference: _Difference, ids: Mapping[str, int]) -> None:
    if difference.removed:
        tx.execute(_DELETE, [_at(place, known.finding_id) for place, known in difference.removed.items()])
    if difference.added:
        rows = [
            {"subject_id": place.subject_id, "finding_id": ids[place.key], "version": place.version, "content": content,
             "evidence": occurrence.evidence, "remediation": occurrence.remediation, "first_seen": tx.now}
            for place, (occurrence, content) in difference.added.items()
        ]  # fmt: skip
        tx.execute(sa.insert(occurrences), rows)
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
    shown = sa.exists().where(occurrences.c.finding_id == findings.c.id)
    for chunk in chunks({known.finding_id for known in removed.values()}):
        rows = tx.execute(
            sa.update(findings)
            .where(findings.c.id.in_(chunk), sa.not_(shown), findings.c.resolved_at.is_(None))
            .values(resolved_at=tx.now, changed_at=tx.now)
            .returning(findings.c.key)
        )
        resolved += rows.scalars()
    return sorted(resolved)
