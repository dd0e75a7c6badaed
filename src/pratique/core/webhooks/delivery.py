"""One delivery: what is sent, and what the answer means. No database here."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from pratique.core.clock import SECOND, Clock
from pratique.core.cloudevents.types import MEDIA_TYPE, instant
from pratique.core.errors import PratiqueError
from pratique.core.ids import new_id
from pratique.core.outward import Bounds, Document, OutwardClient
from pratique.core.redaction import redact
from pratique.core.webhooks.signing import signed_headers
from pratique.core.webhooks.types import Route

BOUNDS: Final = Bounds(size=64 * 1024, seconds=10.0, connect=5.0, silence=10.0)
TESTED: Final = "pratique.registry.webhook.tested.v1"
_EXCERPT: Final = 500
_PATIENCE: Final = 3600
_LATER: Final = frozenset({408, 425, 429})


class Outcome(StrEnum):
    """*delivered*; *refused*: this event is not wanted as it is; *away*: nothing can be delivered now; *gone*."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    AWAY = "away"
    GONE = "gone"
    """The receiver asks never to be called again (410)."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one attempt."""

    outcome: Outcome
    status: int
    answer: str
    """What the receiver said, redacted; for an answer that was none, why."""
    milliseconds: int
    retry_after: float = 0.0


class Deliverer:
    """Sends one event to one receiver; never raises for what the receiver does."""

    def __init__(self, client: OutwardClient, clock: Clock, origin: str) -> None:
        self._client = client
        self._clock = clock
        self._origin = origin
        """The name by which receivers know this server (CloudEvents webhook specification, validation)."""

    def deliver(self, route: Route, event: Mapping[str, Any]) -> Result:
        """POST the event, signed now."""
        body = msgspec.json.encode(event)
        stamp = self._clock.now() // SECOND
        headers = {"content-type": f"{MEDIA_TYPE}; charset=utf-8", "webhook-request-origin": self._origin}
        proofs = {**route.headers, **signed_headers(route.secrets, str(event["id"]), stamp, body)}
        return self._ask(route, "POST", headers, proofs, body)

    def agree(self, route: Route) -> Result:
        """Ask the receiver whether it wants deliveries: by the CloudEvents handshake, else by a signed test event."""
        begun = time.monotonic()
        try:
            answer = self._client.fetch(
                route.address,
                method="OPTIONS",
                headers={"webhook-request-origin": self._origin},
                secrets=route.headers,
                bounds=BOUNDS,
            )
        except PratiqueError as error:
            return _failed(error, begun)
        granted = answer.headers.get("webhook-allowed-origin", "")
        if answer.status < 300 and granted in ("*", self._origin):
            return Result(Outcome.DELIVERED, answer.status, "the receiver allows this origin", _passed(begun))
        return self.deliver(route, self._test_event())

    def _test_event(self) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": new_id(),
            "source": self._origin,
            "type": TESTED,
            "subject": self._origin,
            "time": instant(self._clock.now()),
            "datacontenttype": "application/json",
            "data": {"text": "Answer with a status of 200 to 299 to receive events."},
        }

    def _ask(
        self, route: Route, method: str, headers: Mapping[str, str], proofs: Mapping[str, str], body: bytes
    ) -> Result:
        begun = time.monotonic()
        try:
            answer = self._client.fetch(
                route.address, method=method, headers=headers, secrets=proofs, content=body, bounds=BOUNDS
            )
        except PratiqueError as error:
            return _failed(error, begun)
        return Result(
            _meaning(answer.status), answer.status, _excerpt(answer, route), _passed(begun), _retry_after(answer)
        )


def _meaning(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome.DELIVERED
    if status == 410:
        return Outcome.GONE
    if 400 <= status < 500 and status not in _LATER:
        return Outcome.REFUSED
    return Outcome.AWAY


def _excerpt(answer: Document, route: Route) -> str:
    """The begin of the answer without what we sent in confidence: a receiver may echo its request."""
    if 300 <= answer.status < 400:
        return "it redirects, which is not followed: an event goes to the address that was agreed to"
    text = answer.body[: 4 * _EXCERPT].decode(errors="replace")
    for secret in (*route.headers.values(), route.address):
        text = text.replace(secret, "[redacted]")
    return redact(text, limit=_EXCERPT)


def _retry_after(answer: Document) -> float:
    text = answer.headers.get("retry-after", "")
    return float(min(int(text), _PATIENCE)) if text.isdigit() and len(text) < 9 else 0.0


def _failed(error: PratiqueError, begun: float) -> Result:
    return Result(Outcome.AWAY, 0, redact(error.message, limit=_EXCERPT), _passed(begun))


def _passed(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)
