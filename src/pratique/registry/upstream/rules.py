"""Cache rules: who fills which repositories. Read from memory, changed by those with the right."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from pratique.core.audit import Audit
from pratique.core.clock import SECOND
from pratique.core.database import Database, Epochs, Transaction
from pratique.core.ids import new_id
from pratique.core.outward import OutwardClient
from pratique.core.permissions import Authorizer, Caller, Permission, Scope
from pratique.core.sealed import SealedColumns
from pratique.registry.tables import repositories
from pratique.registry.upstream.client import Login, UpstreamRegistry
from pratique.registry.upstream.errors import CacheRuleExists, CacheRuleInvalid, CacheRuleUnknown
from pratique.registry.upstream.tables import cache_rules, cached_tags
from pratique.registry.upstream.types import CacheRule, NewRule, split_upstream

EPOCH: Final = "cache-rules"
MOST: Final = 1000
_row = cache_rules.c
_SHOWN = [_row[name if name != "user" else "user_name"] for name in CacheRule.__dataclass_fields__]


class CacheRules:
    """The rules of now: `of` answers from memory, at most a second after a change elsewhere."""

    def __init__(
        self, database: Database, epochs: Epochs, columns: SealedColumns, client: OutwardClient, *, manifest_limit: int
    ) -> None:
        self._database = database
        self._epochs = epochs
        self._columns = columns
        self._client = client
        self._manifest_limit = manifest_limit
        self._known: tuple[int, tuple[CacheRule, ...]] = (-1, ())
        self._sources: dict[str, UpstreamRegistry] = {}

    def of(self, name: str) -> CacheRule | None:
        """Return the rule that fills a repository: that of the longest prefix."""
        return next((rule for rule in self._all() if rule.covers(name)), None)

    def find(self, rule_id: str) -> CacheRule | None:
        return next((rule for rule in self._all() if rule.id == rule_id), None)

    def source(self, rule: CacheRule) -> UpstreamRegistry:
        """Return the registry of a rule, signed in as the rule says; made once for each rule."""
        found = self._sources.get(rule.id)
        if found is None:
            secret = self._database.read(
                lambda tx: tx.execute(sa.select(_row.secret).where(_row.id == rule.id)).scalar_one_or_none()
            )
            login = None
            if secret is not None:
                login = Login(rule.user, self._columns.open("cache_rules", rule.id, "secret", secret).decode())
            found = UpstreamRegistry(self._client, rule.address, login, manifest_limit=self._manifest_limit)
            self._sources[rule.id] = found
        return found

    def create(self, tx: Transaction, caller: Caller, new: NewRule) -> str:
        """Store a rule and return its id; its prefix must not hold what was pushed here."""
        _check_free(tx, new.prefix)
        host, remote = split_upstream(new.upstream)
        self._client.rules.check_url(f"{self._client.rules.scheme_of(host)}://{host}/v2/")
        identity = new_id()
        sealed = self._columns.seal("cache_rules", identity, "secret", new.secret.encode()) if new.secret else None
        made = tx.execute(
            tx.insert(cache_rules)
            .values(
                id=identity,
                prefix=new.prefix,
                host=host,
                remote=remote,
                user_name=new.user,
                secret=sealed,
                patterns=list(new.patterns),
                platforms=list(new.platforms),
                ttl=round(new.ttl * SECOND),
                created_at=tx.now,
                created_by=caller.principal_id,
            )
            .on_conflict_do_nothing(index_elements=[_row.prefix])
            .returning(_row.id)
        )
        if made.one_or_none() is None:
            raise CacheRuleExists(f"There is a rule for {new.prefix} already.", remedy="Delete it first.")
        self._epochs.bump(tx, EPOCH)
        return identity

    def delete(self, tx: Transaction, rule: CacheRule) -> None:
        """Remove a rule; what it has brought stays, as if it had been pushed."""
        tx.execute(sa.delete(cache_rules).where(_row.id == rule.id))
        below = cached_tags.c.repository.startswith(rule.prefix + "/", autoescape=True)
        tx.execute(sa.delete(cached_tags).where((cached_tags.c.repository == rule.prefix) | below))
        self._epochs.bump(tx, EPOCH)

    def all(self) -> Sequence[CacheRule]:
        """Return every rule by prefix."""
        return sorted(self._all(), key=lambda rule: rule.prefix)

    def _all(self) -> tuple[CacheRule, ...]:
        epoch = self._epochs.current(EPOCH)
        if self._known[0] != epoch:
            rows = self._database.read(lambda tx: tx.execute(sa.select(*_SHOWN)).all())
            rules = sorted(map(_rule, rows), key=lambda rule: -len(rule.prefix))
            self._known = epoch, tuple(rules)
        return self._known[1]


class CacheAdministration:
    """The use cases of people: each asks for the right at the prefix."""

    def __init__(self, database: Database, rules: CacheRules, authorizer: Authorizer, audit: Audit) -> None:
        self._database = database
        self._rules = rules
        self._authorizer = authorizer
        self._audit = audit

    def create(self, caller: Caller, new: NewRule) -> CacheRule:
        """Make a rule."""
        self._authorizer.require(caller, Permission.REGISTRY_CACHES_WRITE, Scope.for_repository(new.prefix))

        def body(tx: Transaction) -> None:
            self._rules.create(tx, caller, new)
            detail: dict[str, Any] = {"upstream": new.upstream, "user": new.user}
            self._audit.with_change(tx, "registry.cache.create", caller, new.prefix, detail)

        self._database.write(body)
        return self.show(caller, new.prefix)

    def list(self, caller: Caller) -> list[CacheRule]:
        """Return the rules that the caller may see."""
        extent = self._authorizer.extent(caller, Permission.REGISTRY_CACHES_READ)
        return [rule for rule in self._rules.all() if extent.covers(Scope.for_repository(rule.prefix))]

    def show(self, caller: Caller, prefix: str) -> CacheRule:
        """Return one by prefix; raises CacheRuleUnknown also for what the caller may not see."""
        found = next((rule for rule in self.list(caller) if rule.prefix == prefix), None)
        if found is None:
            raise CacheRuleUnknown("There is no such rule.", remedy="List the rules.")
        return found

    def delete(self, caller: Caller, prefix: str) -> None:
        """Delete a rule; what it has brought stays."""
        rule = self.show(caller, prefix)
        self._authorizer.require(caller, Permission.REGISTRY_CACHES_WRITE, Scope.for_repository(prefix))

        def body(tx: Transaction) -> None:
            self._rules.delete(tx, rule)
            self._audit.with_change(tx, "registry.cache.delete", caller, prefix, {})

        self._database.write(body)


def _check_free(tx: Transaction, prefix: str) -> None:
    """Raise CacheRuleInvalid where repositories are already: nobody's pushes become another registry's."""
    name = repositories.c.name
    taken = sa.select(name).where((name == prefix) | name.startswith(prefix + "/", autoescape=True)).limit(1)
    found = tx.execute(taken).scalar_one_or_none()
    if found is not None:
        raise CacheRuleInvalid(f"{found} is here already.", remedy="Choose a prefix under which nothing was pushed.")


def _rule(row: sa.Row[Any]) -> CacheRule:
    values = dict(zip(CacheRule.__dataclass_fields__, row, strict=True))
    return CacheRule(**{**values, "patterns": tuple(row.patterns), "platforms": tuple(row.platforms)})
