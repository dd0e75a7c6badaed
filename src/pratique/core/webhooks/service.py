"""Use cases of webhooks: made, shown, paused, given new secrets, read again from an earlier position, deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pratique.core.audit import Audit
from pratique.core.clock import DAY
from pratique.core.cloudevents.log import TOPIC, EventLog
from pratique.core.database import Database, Transaction
from pratique.core.errors import Denied
from pratique.core.ids import new_id
from pratique.core.outward import OutwardRules
from pratique.core.permissions import Authorizer, Caller, Permission, Scope
from pratique.core.redaction import redact_address
from pratique.core.sealed import SealedColumns
from pratique.core.webhooks.errors import WebhookExists, WebhookInvalid, WebhookUnknown
from pratique.core.webhooks.signing import new_secret
from pratique.core.webhooks.tables import webhook_attempts, webhook_dead, webhooks
from pratique.core.webhooks.types import Attempt, Dead, NewWebhook, Route, Webhook, WebhookState

MOST = 500
"""Webhooks of one installation: each is one reader of the log."""
OVERLAP = DAY
"""How long a secret goes on signing beside its successor."""
_row = webhooks.c
_SHOWN = [_row[name] for name in Webhook.__dataclass_fields__]


class Webhooks:
    """Webhooks for people with the right at their scope; whoever lacks it at a webhook's scope finds none there."""

    def __init__(
        self,
        database: Database,
        log: EventLog,
        columns: SealedColumns,
        *,
        authorizer: Authorizer,
        audit: Audit,
        rules: OutwardRules,
    ) -> None:
        self._database = database
        self._log = log
        self._columns = columns
        self._authorizer = authorizer
        self._audit = audit
        self._rules = rules

    def create(self, caller: Caller, new: NewWebhook) -> tuple[Webhook, bytes]:
        """Return the webhook and its secret, which is never shown again. It delivers what happens from now on."""
        scope = Scope.parse(new.scope)
        self._authorizer.require(caller, Permission.REGISTRY_WEBHOOKS_WRITE, scope)
        self._require_sight(caller, scope)
        self._rules.check_url(new.address)
        identity, secret = new_id(), new_secret()
        self._log.place(self._database)

        def body(tx: Transaction) -> None:
            if tx.execute(sa.select(sa.func.count()).select_from(webhooks)).scalar_one() >= MOST:
                raise WebhookInvalid(f"There are {MOST} webhooks already.", remedy="Delete one, or read the stream.")
            made = tx.execute(
                tx.insert(webhooks)
                .values(self._values(tx, identity, new, str(scope), secret, caller))
                .on_conflict_do_nothing(index_elements=[_row.name])
                .returning(_row.id)
            )
            if made.one_or_none() is None:
                raise WebhookExists(f"There is a webhook {new.name} already.", remedy="Choose another name.")
            self._note(tx, "create", caller, new.name, {"address": redact_address(new.address), "scope": str(scope)})
            tx.hint(TOPIC)

        self._database.write(body)
        return self.show(caller, identity), secret

    def list(self, caller: Caller) -> list[Webhook]:
        """Return the webhooks that the caller may see, by name."""
        extent = self._authorizer.extent(caller, Permission.REGISTRY_WEBHOOKS_READ)
        rows = self._database.read(lambda tx: tx.execute(sa.select(*_SHOWN).order_by(_row.name)).all())
        return [_webhook(row) for row in rows if extent.covers(Scope.parse(row.scope))]

    def show(self, caller: Caller, webhook_id: str) -> Webhook:
        """Return one by id or name; raises WebhookUnknown also for what the caller may not see."""
        return self._find(caller, webhook_id, Permission.REGISTRY_WEBHOOKS_READ)

    def delete(self, caller: Caller, webhook_id: str) -> None:
        """Remove one with its log; a delivery under way may still arrive."""
        found = self._writable(caller, webhook_id)

        def body(tx: Transaction) -> None:
            for table in (webhook_attempts, webhook_dead):
                tx.execute(sa.delete(table).where(table.c.webhook_id == found.id))
            tx.execute(sa.delete(webhooks).where(_row.id == found.id))
            self._note(tx, "delete", caller, found.name)

        self._database.write(body)

    def pause(self, caller: Caller, webhook_id: str) -> Webhook:
        """Stop deliveries; what happens meanwhile waits in the log."""
        return self._change(caller, webhook_id, "pause", {"state": WebhookState.PAUSED, "reason": "paused by hand"})

    def resume(self, caller: Caller, webhook_id: str) -> Webhook:
        """Go on where it stopped, after asking the receiver again."""
        return self._change(caller, webhook_id, "resume", _ANEW)

    def test(self, caller: Caller, webhook_id: str) -> Webhook:
        """Send a test event as soon as possible; its outcome is the newest line of the delivery log."""
        return self._change(caller, webhook_id, "test", _ANEW)

    def replay(self, caller: Caller, webhook_id: str, after: int) -> Webhook:
        """Deliver again what came after a position that is still kept."""
        head = self._database.read(self._log.head)
        if not head.forgotten <= after <= head.last:
            raise WebhookInvalid(
                f"Positions {head.forgotten} to {head.last} are kept.", remedy="Choose one of these to go on after."
            )
        return self._change(caller, webhook_id, "replay", {**_ANEW, "cursor": after}, {"after": after})

    def rotate(self, caller: Caller, webhook_id: str) -> bytes:
        """Return a new secret; for a day deliveries carry a signature by each of the two."""
        found, secret = self._writable(caller, webhook_id), new_secret()

        def body(tx: Transaction) -> None:
            sealed = tx.execute(sa.select(_row.secret).where(_row.id == found.id)).scalar_one()
            former = self._columns.open("webhooks", found.id, "secret", sealed)
            values = {
                "secret": self._columns.seal("webhooks", found.id, "secret", secret),
                "former_secret": self._columns.seal("webhooks", found.id, "former_secret", former),
                "former_until": tx.now + OVERLAP,
            }
            tx.execute(sa.update(webhooks).where(_row.id == found.id).values(values))
            self._note(tx, "rotate", caller, found.name)

        self._database.write(body)
        return secret

    def attempts(self, caller: Caller, webhook_id: str, limit: int, before: int | None = None) -> Sequence[Attempt]:
        """Return the delivery log, newest first."""
        found = self.show(caller, webhook_id)
        line = webhook_attempts.c
        query = sa.select(*(line[name] for name in Attempt.__dataclass_fields__)).where(line.webhook_id == found.id)
        if before is not None:
            query = query.where(line.number < before)
        query = query.order_by(line.number.desc()).limit(limit)
        return [Attempt(*tuple(row)) for row in self._database.read(lambda tx: tx.execute(query).all())]

    def dead(self, caller: Caller, webhook_id: str, limit: int, after: int = 0) -> Sequence[Dead]:
        """Return events that the receiver would not take, oldest first."""
        found = self.show(caller, webhook_id)
        line = webhook_dead.c
        query = sa.select(webhook_dead).where(line.webhook_id == found.id, line.position > after)
        rows = self._database.read(lambda tx: tx.execute(query.order_by(line.position).limit(limit)).all())
        return [
            Dead(row.position, row.event["type"], row.event["subject"], row.reason, row.at, row.wanted) for row in rows
        ]

    def resend(self, caller: Caller, webhook_id: str, position: int | None) -> int:
        """Send dead events once more: one, or all; returns how many."""
        found = self._writable(caller, webhook_id)
        line = webhook_dead.c

        def body(tx: Transaction) -> int:
            statement = sa.update(webhook_dead).where(line.webhook_id == found.id).values(wanted=True)
            count = tx.execute(statement if position is None else statement.where(line.position == position)).rowcount
            tx.execute(sa.update(webhooks).where(_row.id == found.id).values(next_at=tx.now))
            self._note(tx, "resend", caller, found.name, {"position": position, "count": count})
            tx.hint(TOPIC)
            return count

        return self._database.write(body)

    def _writable(self, caller: Caller, webhook_id: str) -> Webhook:
        return self._find(caller, webhook_id, Permission.REGISTRY_WEBHOOKS_WRITE)

    def _find(self, caller: Caller, webhook_id: str, permission: Permission) -> Webhook:
        query = sa.select(*_SHOWN).where((_row.id == webhook_id) | (_row.name == webhook_id))
        row = self._database.read(lambda tx: tx.execute(query).one_or_none())
        seen = row is not None and self._authorizer.allowed(
            caller, Permission.REGISTRY_WEBHOOKS_READ, Scope.parse(row.scope)
        )
        if row is None or not (seen or self._authorizer.allowed(caller, permission, Scope.parse(row.scope))):
            raise WebhookUnknown("There is no such webhook.", remedy="List the webhooks.")
        self._authorizer.require(caller, permission, Scope.parse(row.scope))
        return _webhook(row)

    def _require_sight(self, caller: Caller, scope: Scope) -> None:
        """Raise Denied unless the caller may read all events that would be sent: a webhook shows nobody more."""
        self._authorizer.require(caller, Permission.REGISTRY_EVENTS_READ, scope)
        hidden = self._authorizer.extent(caller, Permission.REGISTRY_EVENTS_READ).denied
        if any(scope.covers(place) for place in hidden):
            raise Denied(
                f"You may not {Permission.REGISTRY_EVENTS_READ} everywhere below {scope}.",
                remedy="Choose scopes where you may read all events.",
            )

    def _change(
        self,
        caller: Caller,
        webhook_id: str,
        action: str,
        values: Mapping[str, Any],
        detail: Mapping[str, Any] | None = None,
    ) -> Webhook:
        found = self._writable(caller, webhook_id)

        def body(tx: Transaction) -> None:
            tx.execute(sa.update(webhooks).where(_row.id == found.id).values(next_at=tx.now, **values))
            self._note(tx, action, caller, found.name, detail)
            tx.hint(TOPIC)

        self._database.write(body)
        return self.show(caller, found.id)

    def _note(
        self, tx: Transaction, action: str, caller: Caller, name: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        self._audit.with_change(tx, f"registry.webhook.{action}", caller, name, detail or {})

    def _values(  # noqa: PLR0917  the columns of one row
        self, tx: Transaction, identity: str, new: NewWebhook, scope: str, secret: bytes, caller: Caller
    ) -> dict[str, Any]:
        def seal(column: str, value: bytes) -> bytes:
            return self._columns.seal("webhooks", identity, column, value)

        return {
            "id": identity,
            "name": new.name,
            "address": seal("address", new.address.encode()),
            "shown_address": redact_address(new.address),
            "secret": seal("secret", secret),
            "former_until": 0,
            "headers": seal("headers", msgspec.json.encode(dict(new.headers))) if new.headers else None,
            "scope": scope,
            "types": list(new.types),
            "subjects": list(new.subjects),
            "state": WebhookState.UNVERIFIED,
            "reason": "its receiver was not asked yet",
            "cursor": self._log.head(tx).last,
            "attempt": 0,
            "next_at": tx.now,
            "lease_until": 0,
            "lease_token": "",
            "created_at": tx.now,
            "created_by": caller.principal_id,
        }


_ANEW: Mapping[str, Any] = {
    "state": WebhookState.UNVERIFIED, "reason": "its receiver is asked again", "attempt": 0, "failing_since": None
}  # fmt: skip


def route_of(columns: SealedColumns, row: sa.Row[Any], now: int) -> Route:
    """Open what it takes to deliver; `row` has every column."""
    keys = [columns.open("webhooks", row.id, "secret", row.secret)]
    if row.former_secret is not None and row.former_until > now:
        keys.append(columns.open("webhooks", row.id, "former_secret", row.former_secret))
    headers = columns.open("webhooks", row.id, "headers", row.headers) if row.headers else b"{}"
    return Route(
        columns.open("webhooks", row.id, "address", row.address).decode(), tuple(keys), msgspec.json.decode(headers)
    )


def _webhook(row: sa.Row[Any]) -> Webhook:
    values = dict(zip(Webhook.__dataclass_fields__, row, strict=True))
    values |= {
        "types": tuple(row.types), "subjects": tuple(row.subjects), "state": WebhookState(row.state)
    }  # fmt: skip
    return Webhook(**values)
