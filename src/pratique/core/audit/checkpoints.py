"""Signed checkpoints: what the chains were at an instant, in words that only the key process can make."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa

from pratique.core.audit.chain import Head, entry_hash
from pratique.core.audit.sink import Sink
from pratique.core.audit.tables import audit_checkpoints, audit_entries, audit_writers
from pratique.core.database.database import Database
from pratique.core.database.transaction import Transaction
from pratique.core.errors import Corrupt

PURPOSE = "audit"
PAGE = 1000
CHECKPOINT_KIND = "core.audit.checkpoint"
CHECKPOINT_SECONDS = 60.0
"""Seconds between checkpoints: how long an entry is protected by the chain and the second file alone."""


class SignatureLike(Protocol):
    """What a signer returns: the id of the key and ES256 as r||s."""

    @property
    def key_id(self) -> str: ...
    @property
    def value(self) -> bytes: ...


class Signer(Protocol):
    """Signs with a key that never leaves its process."""

    def sign(self, purpose: str, message: bytes) -> SignatureLike: ...


class Message(msgspec.Struct, frozen=True):
    """What a checkpoint signs: its place in the row of checkpoints, and the heads that have moved since the last."""

    number: int
    at: int
    previous: str
    """SHA-256 of the message before, '' for the first."""
    entries: int
    """How many entries all checkpoints together cover."""
    heads: list[tuple[str, int, str]]
    """Writer, seq, hash."""
    sink: int
    """Size of the second file when this was signed; up to here it is complete."""


@dataclass(frozen=True, slots=True)
class _Chain:
    writer: str
    sealed: Head
    seq: int


class Checkpointer:
    """Seals what was appended since the last time.

    It signs only what continues the sealed heads without a gap, and first brings the second file up to date. It can be
    killed at any point and run again; two at the same time make one checkpoint.
    """

    def __init__(self, database: Database, signer: Signer, sink: Sink | None) -> None:
        self._database = database
        self._signer = signer
        self._sink = sink

    def run(self) -> int | None:
        """Make a checkpoint and return its number; None if there is nothing new. Raises Corrupt on a broken chain."""
        sink_until = self._sink.size() if self._sink else 0  # lines of entries not seen below are after this
        last, chains = self._database.read(_unsealed)
        if not chains:
            return None
        heads = [self._follow(chain) for chain in chains]
        self._complete_sink(chains, decode(last).sink if last else 0)
        message = self._message(last, chains, heads, sink_until)
        encoded = msgspec.json.encode(message)
        signature = self._signer.sign(PURPOSE, encoded)
        stored = self._database.write(lambda tx: _store(tx, message, encoded, signature))
        if stored and self._sink:
            self._sink.append([{"checkpoint": message.number, "message": encoded.decode(),
                                "key_id": signature.key_id, "signature": signature.value}], sync=True)  # fmt: skip
        return message.number if stored else None

    def _message(self, before: str, chains: list[_Chain], heads: list[Head], sink_until: int) -> Message:
        last = decode(before) if before else None
        fresh = sum(chain.seq - chain.sealed.seq for chain in chains)
        return Message(
            number=last.number + 1 if last else 1,
            at=self._database.clock.now(),
            previous=message_hash(before.encode()) if last else "",
            entries=(last.entries if last else 0) + fresh,
            heads=[(chain.writer, head.seq, head.hash.hex()) for chain, head in zip(chains, heads, strict=True)],
            sink=sink_until,
        )

    def _follow(self, chain: _Chain) -> Head:
        """Return the head that the entries after the sealed one lead to."""
        head = chain.sealed
        for row in read_chain(self._database, chain.writer, head.seq, chain.seq):
            values = row._mapping  # noqa: SLF001  SQLAlchemy's documented name
            if row.seq != head.seq + 1 or row.hash != entry_hash(head.hash, row.writer, row.seq, values):
                raise Corrupt(
                    f"The audit log was changed: entry {head.seq + 1} of {chain.writer} does not follow from the last.",
                    remedy="Keep the database and the audit file as they are, and run `pratique audit verify`.",
                )
            head = Head(row.seq, row.hash)
        if head.seq != chain.seq:
            raise Corrupt(f"The audit log was changed: entries of {chain.writer} are missing.")
        return head

    def _complete_sink(self, chains: list[_Chain], offset: int) -> None:
        """Append what a crash or a full disk kept from the second file."""
        if self._sink is None:
            return
        wanted = {chain.writer: chain for chain in chains}
        held: set[tuple[str, int]] = set()
        for line in self._sink.lines(offset):
            if line.get("writer") in wanted:
                held.add((line["writer"], line["seq"]))
        for chain in chains:
            rows = read_chain(self._database, chain.writer, chain.sealed.seq, chain.seq)
            missing = [row._asdict() for row in rows if (row.writer, row.seq) not in held]
            if missing:
                self._sink.append(missing)


def message_hash(encoded: bytes) -> str:
    return hashlib.sha256(encoded).hexdigest()


def read_chain(database: Database, writer: str, after: int, until: int | None = None) -> Iterator[sa.Row[Any]]:
    """Yield the entries of a writer after `after`, in order, in pages."""
    column = audit_entries.c
    while True:
        query = sa.select(audit_entries).where(column.writer == writer, column.seq > after)
        if until is not None:
            query = query.where(column.seq <= until)
        page = query.order_by(column.seq).limit(PAGE)
        rows = database.read(lambda tx, page=page: tx.execute(page).all())  # type: ignore[misc]
        yield from rows
        if len(rows) < PAGE:
            return
        after = rows[-1].seq


def decode(text: str) -> Message:
    return msgspec.json.decode(text, type=Message)


def _unsealed(tx: Transaction) -> tuple[str, list[_Chain]]:
    """Return the message of the last checkpoint ('' if there is none) and the writers with entries after it."""
    newest = sa.select(audit_checkpoints.c.message).order_by(audit_checkpoints.c.number.desc()).limit(1)
    last: str = tx.execute(newest).scalar() or ""
    seq = (
        sa.select(sa.func.max(audit_entries.c.seq))
        .where(audit_entries.c.writer == audit_writers.c.writer)
        .scalar_subquery()
    )
    rows = tx.execute(sa.select(audit_writers, seq.label("seq")).order_by(audit_writers.c.writer))
    chains = [
        _Chain(row.writer, Head(row.sealed_seq, row.sealed_hash), row.seq or 0)
        for row in rows
        if (row.seq or 0) != row.sealed_seq
    ]
    return last, chains


def _store(tx: Transaction, message: Message, encoded: bytes, signature: SignatureLike) -> bool:
    """Store a checkpoint; False if another process has made one of that number."""
    insert = tx.insert(audit_checkpoints).values(
        number=message.number, at=message.at, message=encoded.decode(), key_id=signature.key_id,
        signature=signature.value,
    )  # fmt: skip
    stored = tx.execute(insert.on_conflict_do_nothing().returning(audit_checkpoints.c.number))
    if stored.one_or_none() is None:  # RETURNING, as PostgreSQL's driver counts no rows of such an INSERT
        return False
    sealed = sa.update(audit_writers).where(audit_writers.c.writer == sa.bindparam("sealed"))
    tx.execute(
        sealed.values(sealed_seq=sa.bindparam("seq"), sealed_hash=sa.bindparam("hash")),
        [{"sealed": writer, "seq": seq, "hash": bytes.fromhex(value)} for writer, seq, value in message.heads],
    )
    return True
