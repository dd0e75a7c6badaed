"""Tags that never move: by pattern, in the repositories below a prefix; a rule binds everybody until it is off."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.errors import Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import Caller
from pratique.registry.errors import ContentLocked, RuleUnknown
from pratique.registry.locks import Deletion, TagMove
from pratique.registry.ports import AuditTrail
from pratique.registry.retention.tables import immutability_rules
from pratique.registry.tables import tags
from pratique.registry.types import RepositoryName

_PATTERNS = re.compile(r"[A-Za-z0-9_.*?-]{1,128}(?:,[A-Za-z0-9_.*?-]{1,128}){0,19}")
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
        prefix = prefix.strip("/")
        if prefix:
            RepositoryName.parse(prefix)
        if not _PATTERNS.fullmatch(patterns):
            raise Invalid("these are no tag patterns", remedy="write up to 20, separated by commas: v*,stable")
        rule = ImmutabilityRule(new_id(), prefix, patterns)
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
        query = sa.select(_row.prefix, _row.tags).where(_row.prefix.in_(_prefixes(repository)))
        for rule in tx.execute(query):
            for name in names:
                if _expression(rule.tags).fullmatch(name):
                    raise ContentLocked(
                        f"the tag {name} never changes: a rule protects {rule.tags} below /{rule.prefix}",
                        remedy="push under another tag, or remove the rule: pratique registry immutability remove",
                    )


def _prefixes(repository: str) -> list[str]:
    """Every prefix that covers a repository: '', team, team/app."""
    parts = repository.split("/")
    return ["", *("/".join(parts[: number + 1]) for number in range(len(parts)))]


@lru_cache(maxsize=1024)
def _expression(patterns: str) -> re.Pattern[str]:
    """`*` is any characters and `?` is one; several stars in a row are one, so that no tag makes it slow."""
    plain = (re.escape(re.sub(r"\*+", "*", one)) for one in patterns.split(","))
    return re.compile("|".join(one.replace(r"\*", ".*").replace(r"\?", ".") for one in plain))
