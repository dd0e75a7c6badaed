"""Tags that never move: by pattern, in the repositories below a prefix; a rule binds everybody until it is off."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.ids import new_id
from pratique.core.permissions import Caller
from pratique.registry.errors import ContentLocked, RuleUnknown
from pratique.registry.locks import Deletion, TagMove
from pratique.registry.ports import AuditTrail
from pratique.registry.retention.patterns import check_patterns, matches, parse_prefix, prefixes_of
from pratique.registry.retention.tables import immutability_rules
from pratique.registry.tables import tags

_row = immutability_rules.c


@dataclass(frozen=True, slots=True)
class ImmutabilityRule:
    """Tags that match one of `tags` (`v*,stable`) in repositories below `prefix` ('' is all) stay as they are."""

    id: str
    prefix: str
    tags: str


class Immutability:
    """The guard that is asked before a tag moves or goes, and the use cases around its rules."""

    def __init__(self, audit: AuditTrail) -> None:
        self._audit = audit

    def check_move(self, tx: Transaction, move: TagMove) -> None:
        """Raise ContentLocked for an existing tag that a rule protects."""
        self._check(tx, move.repository, [move.tag])

    def check_deletion(self, tx: Transaction, deletion: Deletion) -> None:
        """Raise ContentLocked for a protected tag, or a manifest that one points to."""
        names = [deletion.tag]
        if not deletion.tag:
            points = sa.or_(tags.c.served_id == deletion.manifest_id, tags.c.pending_id == deletion.manifest_id)
            own = sa.select(tags.c.name).where(tags.c.repository_id == deletion.repository_id, points)
            names = list(tx.execute(own).scalars())
        self._check(tx, deletion.repository, names)

    def add(self, tx: Transaction, caller: Caller, prefix: str, patterns: str) -> ImmutabilityRule:
        """Protect tags from now on; raises Invalid for what is no prefix or pattern."""
        prefix = parse_prefix(prefix)
        rule = ImmutabilityRule(new_id(), prefix, check_patterns(patterns))
        values = {"id": rule.id, "prefix": prefix, "tags": patterns, "created_by": caller.principal_id}
        tx.execute(sa.insert(immutability_rules).values(**values, created_at=tx.now))
        self._audit.with_change(tx, "registry.immutability.add", caller, prefix or "/", {"tags": patterns})
        return rule

    def remove(self, tx: Transaction, caller: Caller, rule_id: str) -> None:
        """Take a rule off; raises RuleUnknown."""
        rule = self.find(tx, rule_id)
        tx.execute(sa.delete(immutability_rules).where(_row.id == rule_id))
        self._audit.with_change(tx, "registry.immutability.remove", caller, rule.prefix or "/", {"tags": rule.tags})

    def find(self, tx: Transaction, rule_id: str) -> ImmutabilityRule:
        """Return one rule; raises RuleUnknown."""
        query = sa.select(_row.id, _row.prefix, _row.tags).where(_row.id == rule_id)
        row = tx.execute(query).one_or_none()
        if row is None:
            raise RuleUnknown("there is no such rule", remedy="list the rules")
        return ImmutabilityRule(row.id, row.prefix, row.tags)

    def rules(self, tx: Transaction, *, limit: int, after: str = "") -> list[ImmutabilityRule]:
        """Return rules by age."""
        query = sa.select(_row.id, _row.prefix, _row.tags).where(_row.id > after).order_by(_row.id).limit(limit)
        return [ImmutabilityRule(row.id, row.prefix, row.tags) for row in tx.execute(query)]

    def _check(self, tx: Transaction, repository: str, names: Sequence[str]) -> None:
        if not names:
            return
        query = sa.select(_row.prefix, _row.tags).where(_row.prefix.in_(prefixes_of(repository)))
        for rule in tx.execute(query):
            for name in names:
                if matches(rule.tags, name):
                    raise ContentLocked(
                        f"the tag {name} never changes: a rule protects {rule.tags} below /{rule.prefix}",
                        remedy="push under another tag, or remove the rule: pratique registry immutability remove",
                    )
