"""The hash chain: each entry's hash covers the one before it of the same writer."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from pratique.core.audit.tables import audit_entries, audit_writers
from pratique.core.audit.types import Entry, EntryClass, Principal
from pratique.core.database.transaction import Transaction

START = bytes(32)
_MEMORY = "audit"
_TARGET, _NAME, _DETAIL = 512, 200, 8192
COLUMNS = (
    "at",
    "entry_class",
    "action",
    "principal_id",
    "principal",
    "kind",
    "credential_id",
    "target",
    "detail",
    "count",
)


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a writer."""

    seq: int = 0
    hash: bytes = START


def entry_hash(previous: bytes, writer: str, seq: int, values: "Mapping[str, Any] | sa.RowMapping") -> bytes:
    """Return SHA-256 over the hash before and the canonical JSON of the entry."""
    body = msgspec.json.encode([writer, seq, *(values[name] for name in COLUMNS)])
    return hashlib.sha256(previous + body).digest()


def append(
    tx: Transaction,
    entry_class: EntryClass,
    action: str,
    principal: Principal,
    target: str,
    *,
    detail: Mapping[str, Any],
    count: int = 1,
    at: int | None = None,
) -> dict[str, Any]:
    """Add an entry to the chain of the transaction's writer; returns it as a row.

    Nobody else appends to that chain, and its head is known without asking the database: see `Transaction.memory`.
    """
    if not tx.writer_id:
        raise RuntimeError("an audit entry needs a transaction that writes")
    head = tx.memory.get(_MEMORY, Head())
    if head.seq == 0:
        first = {"writer": tx.writer_id, "started_at": tx.now, "sealed_seq": 0, "sealed_hash": START}
        tx.execute(_INSERT_WRITER, first)
    values: dict[str, Any] = {
        "at": tx.now if at is None else at,
        "entry_class": entry_class.value,
        "action": action,
        "principal_id": principal.principal_id,
        "principal": principal.name[:_NAME],
        "kind": principal.kind,
        "credential_id": principal.credential_id,
        "target": target[:_TARGET],
        "detail": canonical(detail),
        "count": count,
    }
    seq = head.seq + 1
    row = {"writer": tx.writer_id, "seq": seq, "hash": entry_hash(head.hash, tx.writer_id, seq, values), **values}
    tx.execute(_INSERT_ENTRY, row)
    tx.memory[_MEMORY] = Head(seq, row["hash"])
    return row


_INSERT_WRITER = sa.insert(audit_writers)
_INSERT_ENTRY = sa.insert(audit_entries)


def canonical(detail: Mapping[str, Any]) -> str:
    """Return JSON with sorted keys; what is too long is replaced by a note of its length."""
    text = msgspec.json.encode(detail, order="deterministic").decode()
    return text if len(text) <= _DETAIL else f'{{"omitted":"{len(text)} characters"}}'


def entry_of(row: Any) -> Entry:
    values = {name: getattr(row, name) for name in COLUMNS if name != "detail"}
    return Entry(
        writer=row.writer, seq=row.seq, hash=row.hash, detail=msgspec.json.decode(row.detail.encode()), **values
    )
