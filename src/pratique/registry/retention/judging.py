"""Says of each tag and untagged manifest of a repository whether it stays, and why; takes nothing.

A tag goes when a rule covers it and no rule that covers it keeps it. Whatever the rules say, these stay: what is locked
or immutable, what another manifest that is here lists, what speaks about another that is here, and a tag whose readers
get one image while a newer push waits for its gate.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import DAY
from pratique.core.database import Transaction
from pratique.registry.errors import ContentLocked
from pratique.registry.locks import Deletion, Locks
from pratique.registry.retention.patterns import matches
from pratique.registry.retention.tables import manifest_pulls, untagged_manifests
from pratique.registry.retention.types import RetentionRule
from pratique.registry.retention.versions import version_key
from pratique.registry.tables import gates, manifest_members, manifests, tags

WAITING = "a newer push waits for its gate, and readers still get this image"
_chosen = sa.func.coalesce(tags.c.pending_id, tags.c.served_id)
_subject, _index = manifests.alias("subject"), manifests.alias("index")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tag or manifest as it was judged: what may have changed by the time it is taken is compared with this."""

    tag: str
    manifest_id: int
    digest: str
    kind: str
    state: str
    moved_at: int
    pushed_at: int
    pulled_at: int
    because: str
    pulls_matter: bool = False
    """A pull since then keeps it."""


@dataclass(slots=True)
class Judged:
    """What stays and what goes in one repository."""

    stays: list[tuple[str, str, str]] = field(default_factory=list)
    """Tag, digest and the reason."""
    goes: list[Candidate] = field(default_factory=list)
    counted: set[str] = field(default_factory=set)
    """Tags that a rule which counts has counted: while they are there, what it let go may go."""


def judge(tx: Transaction, repository_id: str, repository: str, rules: Sequence[RetentionRule], locks: Locks) -> Judged:
    """Judge a repository by the rules that cover it."""
    judged = Judged()
    _judge_tags(tx, repository_id, repository, [rule for rule in rules if rule.tags], locks, judged)
    ages = [(rule.untagged_after, rule) for rule in rules if rule.untagged_after is not None]
    if ages:
        # The rule that waits longest decides, as every rule that covers something may keep it.
        age, rule = max(ages, key=lambda pair: pair[0])
        _judge_untagged(tx, repository_id, repository, age, rule, locks, judged)
    return judged


def find_tags(tx: Transaction, repository_id: str, names: Sequence[str] | None = None) -> Sequence[sa.Row[Any]]:
    """Return the tags of a repository with what they stand for, or only those of `names`."""
    query = (
        sa.select(
            tags.c.name, tags.c.served_id, tags.c.pending_id, tags.c.moved_at, manifests.c.id, manifests.c.digest,
            manifests.c.kind, manifests.c.subject, manifests.c.gate_subject, manifests.c.pushed_at, gates.c.state,
            sa.func.coalesce(manifest_pulls.c.pulled_at, 0).label("pulled_at"),
        )
        .join(manifests, manifests.c.id == _chosen)
        .join(gates, gates.c.manifest_id == manifests.c.id)
        .outerjoin(manifest_pulls, manifest_pulls.c.manifest_id == manifests.c.id)
        .where(tags.c.repository_id == repository_id)
    )  # fmt: skip
    if names is not None:
        query = query.where(tags.c.name.in_(names))
    return tx.execute(query.order_by(tags.c.name)).all()


def find_untagged(tx: Transaction, repository_id: str, ids: Sequence[int] | None = None) -> Sequence[sa.Row[Any]]:
    """Return manifests that no tag and no index names and that speak about nothing that is here."""
    tagged = sa.exists().where(sa.or_(tags.c.served_id == manifests.c.id, tags.c.pending_id == manifests.c.id))
    query = (
        sa.select(
            manifests.c.id, manifests.c.digest, manifests.c.kind, manifests.c.pushed_at, gates.c.state,
            untagged_manifests.c.since, sa.func.coalesce(manifest_pulls.c.pulled_at, 0).label("pulled_at"),
        )
        .join(gates, gates.c.manifest_id == manifests.c.id)
        .outerjoin(untagged_manifests, untagged_manifests.c.manifest_id == manifests.c.id)
        .outerjoin(manifest_pulls, manifest_pulls.c.manifest_id == manifests.c.id)
        .where(manifests.c.repository_id == repository_id, sa.not_(tagged), sa.not_(listed()), sa.not_(speaks()))
    )  # fmt: skip
    if ids is not None:
        query = query.where(manifests.c.id.in_(ids))
    return tx.execute(query.order_by(manifests.c.id)).all()


def listed() -> sa.ColumnElement[bool]:
    """An index in the same repository lists the manifest."""
    return sa.exists().where(
        manifest_members.c.digest == manifests.c.digest,
        _index.c.id == manifest_members.c.manifest_id,
        _index.c.repository_id == manifests.c.repository_id,
    )


def speaks() -> sa.ColumnElement[bool]:
    """The manifest speaks about another that is in the same repository."""
    return sa.exists().where(
        _subject.c.repository_id == manifests.c.repository_id,
        sa.or_(_subject.c.digest == manifests.c.subject, _subject.c.digest == manifests.c.gate_subject),
        _subject.c.id != manifests.c.id,
    )


def _judge_tags(  # noqa: PLR0917  what is judged, by what, into what
    tx: Transaction,
    repository_id: str,
    repository: str,
    rules: Sequence[RetentionRule],
    locks: Locks,
    judged: Judged,
) -> None:
    rows = find_tags(tx, repository_id) if rules else []
    keepers = [_Keeper(rule, [row for row in rows if matches(rule.tags, row.name)], tx.now) for rule in rules]
    for keeper in keepers:
        judged.counted |= keeper.counted
    own = manifests.c.repository_id == repository_id
    speaking = set(tx.execute(sa.select(manifests.c.id).where(own, speaks())).scalars()) if rows else set()
    for row in rows:
        covering = [keeper for keeper in keepers if row.name in keeper.names]
        if not covering:
            continue
        reason = next((why for keeper in covering if (why := keeper.reason(row))), "")
        if not reason and row.served_id and row.pending_id:
            reason = WAITING
        if not reason and row.id in speaking:
            reason = "what it speaks about is here"
        if not reason:
            reason = _lock_on(tx, locks, Deletion(repository_id, repository, row.id, row.name))
        if reason:
            judged.stays.append((row.name, row.digest, reason))
        else:
            judged.goes.append(_candidate(row, row.name, row.moved_at, covering))


def _candidate(row: Any, tag: str, moved_at: int, covering: Sequence["_Keeper"]) -> Candidate:
    because = f"nothing in {covering[0].rule.shown} keeps it"
    matter = any(keeper.rule.pulled_within is not None for keeper in covering)
    return Candidate(
        tag, row.id, row.digest, row.kind, row.state, moved_at, row.pushed_at, row.pulled_at, because, matter
    )


def _judge_untagged(  # noqa: PLR0917  what is judged, by what, into what
    tx: Transaction,
    repository_id: str,
    repository: str,
    age: int,
    rule: RetentionRule,
    locks: Locks,
    judged: Judged,
) -> None:
    for row in find_untagged(tx, repository_id):
        last = max(row.since or tx.now, row.pushed_at, row.pulled_at)
        reason = ""
        if last > tx.now - age * DAY:
            reason = f"untagged, and {(tx.now - last) // DAY} of {age} days have passed since it was last of use"
        else:
            reason = _lock_on(tx, locks, Deletion(repository_id, repository, row.id))
        if reason:
            judged.stays.append(("", row.digest, reason))
            continue
        because = f"untagged for {age} days: {rule.shown}"
        gone = Candidate(
            "", row.id, row.digest, row.kind, row.state, row.since, row.pushed_at, row.pulled_at, because, True
        )
        judged.goes.append(gone)


def _lock_on(tx: Transaction, locks: Locks, deletion: Deletion) -> str:
    try:
        locks.check_deletion(tx, deletion)
    except ContentLocked as error:
        return error.message
    return ""


class _Keeper:
    """One rule, and what it has to say about each tag that it covers."""

    def __init__(self, rule: RetentionRule, rows: Sequence[Any], now: int) -> None:
        self.rule = rule
        self.names = {row.name for row in rows}
        self._now = now
        newest = sorted(rows, key=lambda row: (row.moved_at, row.name), reverse=True)
        self._newest = {row.name for row in newest[: rule.keep_newest or 0]}
        self._versions = _highest(self.names, rule.keep_versions or 0)
        self.counted = self._newest | self._versions

    def reason(self, row: Any) -> str:
        """Return why the rule keeps a tag, or ''."""
        return next((text for text, holds in self._reasons(row) if holds()), "")

    def _reasons(self, row: Any) -> Iterator[tuple[str, Callable[[], bool]]]:
        rule = self.rule
        yield f"it is one of the {rule.keep_newest} newest", lambda: row.name in self._newest
        yield f"it is one of the {rule.keep_versions} highest versions", lambda: row.name in self._versions
        no_version = "it is no full version, and the rule counts versions"
        yield no_version, lambda: rule.keep_versions is not None and version_key(row.name) is None
        yield f"it was pushed within {rule.pushed_within} days", lambda: self._within(row.moved_at, rule.pushed_within)
        # What was pushed a moment ago nobody can have pulled yet.
        used = max(row.pulled_at, row.moved_at)
        yield f"it was of use within {rule.pulled_within} days", lambda: self._within(used, rule.pulled_within)

    def _within(self, at: int, days: int | None) -> bool:
        return days is not None and at > self._now - days * DAY


def _highest(names: set[str], number: int) -> set[str]:
    keyed = sorted((key, name) for name in names if (key := version_key(name)) is not None)
    return {name for _, name in keyed[-number:]} if number else set()
