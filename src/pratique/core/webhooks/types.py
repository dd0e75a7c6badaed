"""Values of webhooks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pratique.core.webhooks.errors import WebhookInvalid

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")  # so that no name looks like an id
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_FORBIDDEN = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie", "expect", "te", "upgrade"}
)
MOST_PATTERNS = 20


class WebhookState(StrEnum):
    """*unverified* until its receiver has agreed, *active*, *paused* by a person, *disabled* by too many failures."""

    UNVERIFIED = "unverified"
    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook as somebody asks for it; checked as far as text can be."""

    name: str
    address: str = field(repr=False)
    scope: str = "/"
    types: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise WebhookInvalid(
                "This is no name for a webhook.",
                remedy="Begin with a letter; use lower-case letters, digits and '-', 63 at most.",
            )
        if len(self.types) > MOST_PATTERNS or len(self.subjects) > MOST_PATTERNS:
            raise WebhookInvalid(f"A webhook has {MOST_PATTERNS} patterns of each kind at most.")
        for name, value in self.headers.items():
            plain = _HEADER.fullmatch(name) and value.isascii() and value.isprintable() and len(value) <= 4096
            if not plain or name.lower() in _FORBIDDEN or name.lower().startswith(("webhook-", "proxy-")):
                raise WebhookInvalid(f"The header {name[:64]!r} cannot be set.", remedy="Set Authorization or X-….")


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as lists show it: no secret, and of its address only what is none."""

    id: str
    name: str
    shown_address: str
    scope: str
    types: tuple[str, ...]
    subjects: tuple[str, ...]
    state: WebhookState
    reason: str
    cursor: int
    attempt: int
    next_at: int
    failing_since: int | None
    created_at: int
    created_by: str


@dataclass(frozen=True, slots=True)
class Route:
    """What it takes to deliver; never logged, never shown."""

    address: str = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of the delivery log."""

    number: int
    event_id: str
    type: str
    subject: str
    at: int
    milliseconds: int
    status: int
    outcome: str
    answer: str


@dataclass(frozen=True, slots=True)
class Dead:
    """An event that the receiver would not take."""

    position: int
    type: str
    subject: str
    reason: str
    at: int
    wanted: bool
