"""Events: what a domain says has happened, for the domains above it (ADR 0103).

Publishing queues one job per durable subscriber in the same transaction, so a crash loses no event and there are no
cursors to keep. Publishers and workers must be built with the same subscriptions: `app.build` does that.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pratique.core.database.transaction import Transaction
from pratique.core.jobs.handlers import JobContext, JobHandlers
from pratique.core.jobs.queue import JobQueue

_TYPE = re.compile(r"pratique(\.[a-z][a-z0-9-]*){2,}\.v[1-9][0-9]*")
EventHandler = Callable[[JobContext, "Event"], None]
Lane = Callable[["Event"], str | None]
Collector = Callable[[Transaction, Sequence["Event"]], None]


@dataclass(frozen=True, slots=True)
class Event:
    """`type` is 'pratique.{domain}.{noun}.{verb}.v1'; `subject` names what it happened to; `data` is JSON."""

    type: str
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Subscription:
    kind: str
    priority: int
    lane: Lane | None


class EventBus:
    """Delivers each event at least once to each durable subscriber, and exactly once to inline ones."""

    def __init__(self, jobs: JobQueue, handlers: JobHandlers) -> None:
        self._jobs = jobs
        self._handlers = handlers
        self._durable: defaultdict[str, list[_Subscription]] = defaultdict(list)
        self._inline: defaultdict[str, list[Callable[[Transaction, Event], None]]] = defaultdict(list)
        self._collectors: defaultdict[str, list[Collector]] = defaultdict(list)

    def subscribe(
        self,
        type: str,  # noqa: A002  CloudEvents' own word
        subscriber: str,
        handler: EventHandler,
        *,
        priority: int = 50,
        lane: Lane | None = None,
    ) -> None:
        """Run `handler` in a job for each event of `type`; `subscriber` names it for ever ('scan.assess-on-push').

        Without `lane`, events may be handled at the same time and in any order.
        """
        kind = f"event/{subscriber}/{_checked(type)}"
        self._handlers.register(kind, lambda context: handler(context, _event(context)))
        self._durable[type].append(_Subscription(kind, priority, lane))

    def subscribe_inline(self, type: str, handler: Callable[[Transaction, Event], None]) -> None:  # noqa: A002
        """Run `handler` inside the publishing transaction: quick, no outside call; if it raises, nothing happened."""
        self._inline[_checked(type)].append(handler)

    def collect(self, type: str, collector: "Collector") -> None:  # noqa: A002
        """Like `subscribe_inline`, for all events of a type that are published at once: one statement for many."""
        self._collectors[_checked(type)].append(collector)

    def publish(self, tx: Transaction, event: Event) -> None:
        """Make `event` part of `tx`; listeners get the hint 'event:{type}' after the commit."""
        self.publish_many(tx, [event])

    def publish_many(self, tx: Transaction, events: Sequence[Event]) -> None:
        """`publish` for many events, with one statement for the jobs of each durable subscriber."""
        sorted_by_type: defaultdict[str, list[Event]] = defaultdict(list)
        for event in events:
            sorted_by_type[event.type].append(event)
        for name, alike in sorted_by_type.items():
            for subscription in self._durable[_checked(name)]:
                self._queue(tx, subscription, alike)
            for handler in self._inline[name]:
                for event in alike:
                    handler(tx, event)
            for collector in self._collectors[name]:
                collector(tx, alike)
            tx.hint(f"event:{name}")

    def _queue(self, tx: Transaction, subscription: _Subscription, events: Sequence[Event]) -> None:
        lane = subscription.lane or _any_lane
        payloads = [
            ({"type": event.type, "subject": event.subject, "data": dict(event.data)}, lane(event)) for event in events
        ]
        self._jobs.enqueue_many(tx, subscription.kind, payloads, priority=subscription.priority)


def _any_lane(_: Event) -> None:
    return None


def _event(context: JobContext) -> Event:
    payload = context.job.payload
    return Event(payload["type"], payload["subject"], payload["data"])


def _checked(name: str) -> str:
    if not _TYPE.fullmatch(name):
        raise ValueError(f"{name!r} is not an event type such as pratique.registry.manifest.pushed.v1")
    return name
