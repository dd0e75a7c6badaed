"""Values of the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Principal(Protocol):
    """What the log keeps of a caller (`permissions.Caller` is one)."""

    @property
    def principal_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def credential_id(self) -> str: ...


class EntryClass(StrEnum):
    """When an entry is stored."""

    BEFORE = "before"
    """On the disk before the caller gets the answer."""
    CHANGE = "change"
    """In the transaction of the change that it tells of."""
    COUNT = "count"
    """How often something happened in one minute; written when the minute is over."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log; `seq` counts from 1 within `writer`, `at` is in microseconds."""

    writer: str
    seq: int
    at: int
    entry_class: str
    action: str
    principal_id: str
    principal: str
    kind: str
    credential_id: str
    target: str
    detail: Mapping[str, Any]
    count: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """One contradiction that verification found."""

    kind: str
    """checkpoint-gap, checkpoint-signature, checkpoint-chain, entry-changed, entry-missing, head-changed, truncated,
    sink-differs, sink-missing or unsealed."""
    text: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was verified, and everything that is wrong."""

    entries: int
    checkpoints: int
    unsealed: int
    """Entries after the last signed head: protected by the chain and the second file, not yet by a signature."""
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        return not self.problems
