"""Takes events from the log to their receivers, in threads of their own, so that no receiver holds up any other work.

- A webhook is served by one thread of one process at a time: a lease in its row.
- Its events go out in the order of the log. While its receiver is away (no answer, 5xx, 429) it waits, in growing
  steps; after `patience` without any success it is disabled, with its place in the log kept.
- An event that the receiver refuses (4xx) is tried `TRIES` times, then it is buried with its reason, and the next one
  goes out.
- The place in the log is stored after each delivery: after a crash one event may arrive a second time, with its id.
"""

import logging
import random
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from pratique.core.clock import SECOND
from pratique.core.cloudevents.log import TOPIC, EventLog
from pratique.core.cloudevents.types import Filter, LoggedEvent
from pratique.core.database import Database, Transaction
from pratique.core.errors import PratiqueError
from pratique.core.keys.errors import SealBroken
from pratique.core.sealed import SealedColumns
from pratique.core.webhooks.delivery import Deliverer, Outcome, Result
from pratique.core.webhooks.service import route_of
from pratique.core.webhooks.tables import webhook_attempts, webhook_dead, webhooks
from pratique.core.webhooks.types import Route, WebhookState

_LOG = logging.getLogger("pratique.webhooks")
THREADS: Final = 4
POLL: Final = 2.0
LEASE: Final = 60 * SECOND
"""Longer than the longest delivery; a process that died lets go of its webhooks after it."""
BATCH: Final = 20
"""Deliveries of one webhook before another gets its turn."""
TRIES: Final = 5
KEPT: Final = 500
"""Lines of the delivery log of one webhook."""
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 3600.0
_row = webhooks.c
_LIVE = _row.state.in_((WebhookState.UNVERIFIED, WebhookState.ACTIVE))


@dataclass(frozen=True, slots=True)
class Turn:
    """A claimed webhook: its row as it was, and the token that proves the claim."""

    row: sa.Row[Any]
    token: str

    @property
    def id(self) -> str:
        return str(self.row.id)


class WebhookSender:
    """Delivers until `stop`; several processes may run one each."""

    def __init__(
        self,
        database: Database,
        log: EventLog,
        columns: SealedColumns,
        deliverer: Deliverer,
        *,
        source: str,
        patience: float,
        threads: int = THREADS,
    ) -> None:
        self._database = database
        self._log = log
        self._columns = columns
        self._deliverer = deliverer
        self._source = source
        self._patience = round(patience * SECOND)
        self._count = threads
        self._threads: list[threading.Thread] = []
        self._state = threading.Condition()
        self._stopping = False
        self._next_look = 0.0

    def start(self) -> None:
        """Serve webhooks in background threads."""
        self._forget = self._database.hints.listen(TOPIC, lambda _: self._wake())
        for number in range(self._count):
            thread = threading.Thread(target=self._run, name=f"webhooks-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, grace: float = 10.0) -> None:
        """Begin no delivery any more, and wait for those under way."""
        self._forget()
        with self._state:
            self._stopping = True
            self._state.notify_all()
        for thread in self._threads:
            thread.join(grace)

    def run_due(self) -> int:
        """Serve every webhook that is due now, on this thread; returns how many turns that took."""
        turns = 0
        self._log.place(self._database)
        while (turn := self._claim()) is not None:
            self._wake()  # another thread looks for more while this one waits for a receiver
            self._serve(turn)
            turns += 1
        return turns

    def _wake(self) -> None:
        with self._state:
            self._state.notify()

    def _run(self) -> None:
        while not self._stopping:
            try:
                turns = self.run_due()
            except PratiqueError as error:  # busy or unavailable: the log is still there
                _LOG.warning("webhooks cannot be served now: %s", error)
                turns = 0
            except Exception:  # noqa: BLE001  the sender outlives every surprise
                _LOG.exception("the webhook sender met an error")
                turns = 0
            if not turns:
                self._rest()

    def _rest(self) -> None:
        """Wait for a hint, or until it is time to look again; all threads together look once in `POLL` seconds."""
        with self._state:
            while not self._stopping:
                if self._state.wait(POLL):
                    return
                now = time.monotonic()
                if now >= self._next_look:
                    self._next_look = now + POLL
                    return

    def _claim(self) -> Turn | None:
        """Take the webhook that has waited longest among those that have something to do."""
        due = self._database.read(_find_due)
        token = secrets.token_hex(8)

        def body(tx: Transaction) -> sa.Row[Any] | None:
            free = (_row.id == due) & _LIVE & (_row.next_at <= tx.now) & (_row.lease_until <= tx.now)
            changed = sa.update(webhooks).where(free).values(lease_until=tx.now + LEASE, lease_token=token)
            return tx.execute(changed.returning(webhooks)).one_or_none()

        while due is not None:
            row = self._database.write_relaxed(body)
            if row is not None:
                return Turn(row, token)
            due = self._database.read(_find_due)
        return None

    def _serve(self, turn: Turn) -> None:
        """Verify, send again what is wanted, then go on in the log; give the claim back."""
        try:
            route = route_of(self._columns, turn.row, self._database.clock.now())
            if turn.row.state == WebhookState.UNVERIFIED and not self._verify(turn, route):
                return
            if self._send_wanted(turn, route):
                self._send_new(turn, route)
        except SealBroken as error:
            self._store(turn, {"state": WebhookState.DISABLED, "reason": error.message})
        finally:
            self._database.write(lambda tx: _release(tx, turn))

    def _verify(self, turn: Turn, route: Route) -> bool:
        result = self._deliverer.agree(route)
        self._record(turn, {"id": "", "type": "handshake", "subject": ""}, result)
        if result.outcome is Outcome.DELIVERED:
            return self._store(turn, {**_WELL, "state": WebhookState.ACTIVE, "reason": ""})
        self._suspend(turn, result, turn.row.attempt)
        return False

    def _send_wanted(self, turn: Turn, route: Route) -> bool:
        """Send dead events that somebody wants sent again; True if the receiver took or refused them all."""
        line = webhook_dead.c
        query = sa.select(webhook_dead).where(line.webhook_id == turn.id, line.wanted).order_by(line.position)
        for row in self._database.read(lambda tx: tx.execute(query.limit(BATCH)).all()):
            if not self._store(turn, {"lease_until": self._database.clock.now() + LEASE}):
                return False
            result = self._deliverer.deliver(route, row.event)
            self._record(turn, row.event, result)
            if result.outcome in (Outcome.AWAY, Outcome.GONE):
                self._suspend(turn, result, turn.row.attempt)
                return False
            here = (line.webhook_id == turn.id) & (line.position == row.position)
            taken = result.outcome is Outcome.DELIVERED
            after: sa.Executable = (
                sa.delete(webhook_dead).where(here)
                if taken
                else sa.update(webhook_dead).where(here).values(wanted=False, reason=_reason(result))
            )
            self._database.write(lambda tx, after=after: tx.execute(after))  # type: ignore[misc]
        return True

    def _send_new(self, turn: Turn, route: Route) -> None:
        row = turn.row
        wanted = Filter(tuple(row.types), tuple(row.subjects), row.scope)
        head = self._database.read(self._log.head)
        start = max(row.cursor, head.forgotten)
        events, reached = self._database.read(lambda tx: self._log.read(tx, start, wanted, limit=BATCH))
        attempt = row.attempt
        for event in events:
            result = self._deliverer.deliver(route, event.as_json(self._source))
            self._record(turn, event.as_json(self._source), result)
            if result.outcome in (Outcome.AWAY, Outcome.GONE):
                self._suspend(turn, result, attempt)
                return
            if result.outcome is Outcome.REFUSED and attempt + 1 < TRIES:
                self._store(turn, {"attempt": attempt + 1, "next_at": self._later(attempt, result)})
                return
            if not self._done(turn, event, result):
                return
            attempt = 0
        self._store(turn, {"cursor": reached})

    def _done(self, turn: Turn, event: LoggedEvent, result: Result) -> bool:
        """Store that an event is dealt with: delivered, or buried. False if the claim is lost."""
        buried = result.outcome is Outcome.REFUSED

        def body(tx: Transaction) -> bool:
            values: Mapping[str, Any] = {"attempt": 0} if buried else _WELL
            if not _held(tx, turn, {**values, "cursor": event.position, "lease_until": tx.now + LEASE}):
                return False
            if buried:
                tx.execute(
                    tx.insert(webhook_dead)
                    .values(
                        webhook_id=turn.id,
                        position=event.position,
                        event=event.as_json(self._source),
                        reason=_reason(result),
                        at=tx.now,
                        wanted=False,
                    )
                    .on_conflict_do_nothing()
                )
            return True

        return self._database.write(body)

    def _suspend(self, turn: Turn, result: Result, attempt: int) -> None:
        """Wait before the next attempt; disable what has failed for too long or asked to be left alone."""
        now = self._database.clock.now()
        since = turn.row.failing_since or now
        values: dict[str, Any] = {"attempt": attempt + 1, "failing_since": since, "reason": _reason(result)}
        if result.outcome is Outcome.GONE:
            values |= {"state": WebhookState.DISABLED, "reason": "the receiver asks not to be called any more (410)"}
        elif now - since >= self._patience:
            values |= {"state": WebhookState.DISABLED}
        self._store(turn, {**values, "next_at": self._later(attempt, result)})

    def _later(self, attempt: int, result: Result) -> int:
        pause = min(_FIRST_PAUSE * 3.0 ** min(attempt, 10), _LONGEST_PAUSE)
        spread = pause * random.uniform(0.8, 1.2)  # noqa: S311  spreads, guards nothing
        return self._database.clock.now() + round(max(spread, result.retry_after) * SECOND)

    def _store(self, turn: Turn, values: Mapping[str, Any]) -> bool:
        return self._database.write(lambda tx: _held(tx, turn, values))

    def _record(self, turn: Turn, event: Mapping[str, Any], result: Result) -> None:
        line = {
            "webhook_id": turn.id,
            "event_id": event["id"],
            "type": event["type"],
            "subject": event["subject"],
            "milliseconds": result.milliseconds,
            "status": result.status,
            "outcome": result.outcome.value,
            "answer": result.answer,
        }
        self._database.write(lambda tx: _log_attempt(tx, turn.id, line))


_WELL: Mapping[str, Any] = {"attempt": 0, "failing_since": None, "reason": ""}


def _find_due(tx: Transaction) -> str | None:
    """Return a webhook that is free, due, and has something to send or to ask."""
    from pratique.core.cloudevents.tables import event_heads

    head = sa.select(event_heads.c.last).scalar_subquery()
    wanted = sa.exists().where(webhook_dead.c.webhook_id == _row.id, webhook_dead.c.wanted)
    work = sa.or_(_row.state == WebhookState.UNVERIFIED, _row.cursor < head, wanted)
    query = sa.select(_row.id).where(_LIVE, _row.next_at <= tx.now, _row.lease_until <= tx.now, work)
    found: str | None = tx.execute(query.order_by(_row.next_at, _row.lease_until).limit(1)).scalar_one_or_none()
    return found


def _held(tx: Transaction, turn: Turn, values: Mapping[str, Any]) -> bool:
    """Change the webhook if it is still this turn's, and nobody has paused or rewound it meanwhile."""
    same = (_row.id == turn.id) & (_row.lease_token == turn.token) & _LIVE & (_row.next_at == turn.row.next_at)
    return tx.execute(sa.update(webhooks).where(same).values(values)).rowcount == 1


def _release(tx: Transaction, turn: Turn) -> None:
    held = (_row.id == turn.id) & (_row.lease_token == turn.token)
    tx.execute(sa.update(webhooks).where(held).values(lease_until=0, lease_token=""))


def _log_attempt(tx: Transaction, webhook_id: str, line: Mapping[str, Any]) -> None:
    log = webhook_attempts.c
    if not tx.execute(sa.select(_row.id).where(_row.id == webhook_id)).first():
        return
    number: int = tx.execute(sa.insert(webhook_attempts).values(at=tx.now, **line).returning(log.number)).scalar_one()
    if number % 50 == 0:
        oldest = sa.select(log.number).where(log.webhook_id == webhook_id).order_by(log.number.desc())
        kept = tx.execute(oldest.offset(KEPT).limit(1)).scalar_one_or_none()
        if kept is not None:
            tx.execute(sa.delete(webhook_attempts).where(log.webhook_id == webhook_id, log.number <= kept))


def _reason(result: Result) -> str:
    return f"status {result.status}: {result.answer}"[:500] if result.status else result.answer
