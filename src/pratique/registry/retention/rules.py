"""Retention rules: set, listed, taken off, and what one of them would do now."""

from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.errors import Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import Caller
from pratique.registry.errors import RuleUnknown
from pratique.registry.locks import Locks
from pratique.registry.ports import AuditTrail
from pratique.registry.retention.judging import judge
from pratique.registry.retention.patterns import check_patterns, matches, parse_prefix, prefixes_of
from pratique.registry.retention.tables import retention_rules
from pratique.registry.retention.types import RetentionRule, Verdict
from pratique.registry.tables import repositories

_REPOSITORIES = 200
_row = retention_rules.c
_COLUMNS = [_row[name] for name in RetentionRule.__slots__]


class RetentionRules:
    """The use cases around rules; nothing here deletes content."""

    def __init__(self, audit: AuditTrail, locks: Locks) -> None:
        self._audit = audit
        self.locks = locks

    def add(self, tx: Transaction, caller: Caller, rule: RetentionRule) -> RetentionRule:
        """Set a rule, which runs from now on act on; raises Invalid for one that would keep nothing."""
        made = replace(rule, id=new_id(), prefix=parse_prefix(rule.prefix))
        _check(made)
        tx.execute(sa.insert(retention_rules).values(**asdict(made), created_at=tx.now, created_by=caller.principal_id))
        self._audit.with_change(tx, "registry.retention.add", caller, made.prefix or "/", asdict(made))
        return made

    def remove(self, tx: Transaction, caller: Caller, rule_id: str) -> None:
        """Take a rule off; a run under way stops acting on it. Raises RuleUnknown."""
        rule = self.find(tx, rule_id)
        tx.execute(sa.delete(retention_rules).where(_row.id == rule_id))
        self._audit.with_change(tx, "registry.retention.remove", caller, rule.prefix or "/", asdict(rule))

    def find(self, tx: Transaction, rule_id: str) -> RetentionRule:
        """Return one rule; raises RuleUnknown."""
        row = tx.execute(sa.select(*_COLUMNS).where(_row.id == rule_id)).one_or_none()
        if row is None:
            raise RuleUnknown("there is no such rule", remedy="list the rules")
        return _rule(row)

    def rules(self, tx: Transaction, prefix: str, *, limit: int, after: str = "") -> list[RetentionRule]:
        """Return rules for a prefix and for what lies below it, by age."""
        query = sa.select(*_COLUMNS).where(_row.id > after, below(prefix, _row.prefix))
        return [_rule(row) for row in tx.execute(query.order_by(_row.id).limit(limit))]

    def preview(
        self, tx: Transaction, rule_id: str, *, limit: int, after: tuple[str, str] = ("", "")
    ) -> tuple[list[Verdict], tuple[str, str] | None]:
        """Return what would come of each tag and untagged manifest that a rule covers, and where to go on.

        In order of repository and then of tag or digest; a page may be short where repositories hold nothing of it.
        """
        rule = self.find(tx, rule_id)
        found: list[Verdict] = []
        place = repositories.c
        query = sa.select(place.id, place.name).where(below(rule.prefix, place.name), place.name >= after[0])
        rows = tx.execute(query.order_by(place.name).limit(_REPOSITORIES)).all()
        for row in rows:
            key = after[1] if row.name == after[0] else ""
            found.extend(one for one in self._verdicts(tx, row.id, row.name, rule) if _key(one) > key)
            if len(found) > limit:
                return found[:limit], (found[limit - 1].repository, _key(found[limit - 1]))
        return found, (rows[-1].name, "~") if len(rows) == _REPOSITORIES else None

    def _verdicts(self, tx: Transaction, repository_id: str, name: str, rule: RetentionRule) -> list[Verdict]:
        judged = judge(tx, repository_id, name, covering(tx, name), self.locks)
        every = [Verdict(name, tag, digest, goes=False, because=why) for tag, digest, why in judged.stays]
        every += [Verdict(name, one.tag, one.digest, goes=True, because=one.because) for one in judged.goes]
        mine = (
            one for one in every if (matches(rule.tags, one.tag) if one.tag and rule.tags else _untagged(rule, one))
        )
        return sorted(mine, key=_key)


def covering(tx: Transaction, repository: str) -> list[RetentionRule]:
    """Return the rules that speak of a repository."""
    query = sa.select(*_COLUMNS).where(_row.prefix.in_(prefixes_of(repository))).order_by(_row.id)
    return [_rule(row) for row in tx.execute(query)]


def below(prefix: str, column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a name is `prefix` or lies below it; '' takes all."""
    if not prefix:
        return sa.true()
    return sa.or_(column == prefix, column.startswith(prefix + "/", autoescape=True))


def _rule(row: sa.Row[Any]) -> RetentionRule:
    return RetentionRule(*tuple(row))


def _check(rule: RetentionRule) -> None:
    keeps: dict[str, Any] = {name: getattr(rule, name) for name in ("keep_newest", "keep_versions")}
    keeps |= {name: getattr(rule, name) for name in ("pushed_within", "pulled_within")}
    if rule.tags:
        check_patterns(rule.tags)
        if all(value is None for value in keeps.values()):
            raise Invalid("the rule would keep no tag at all", remedy="say how many, or for how many days")
    elif rule.untagged_after is None or any(value is not None for value in keeps.values()):
        raise Invalid("the rule names no tags", remedy="give patterns such as 'v*', or only the days of untagged ones")
    for name, value in (keeps | {"untagged_after": rule.untagged_after}).items():
        if value is not None and not 1 <= value <= 10_000:
            raise Invalid(f"{name} is {value}", remedy="give 1 to 10000")


def _untagged(rule: RetentionRule, verdict: Verdict) -> bool:
    return not verdict.tag and rule.untagged_after is not None


def _key(verdict: Verdict) -> str:
    """Digests sort behind every tag only by their mark, so that one cursor serves both."""
    return verdict.tag or f"|{verdict.digest}"
