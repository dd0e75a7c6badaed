"""Verification from the outside: needs the database, the public keys and, if there is one, the second file."""

from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pratique.core.audit.chain import START, entry_hash
from pratique.core.audit.checkpoints import Message, message_hash, read_chain
from pratique.core.audit.sink import Sink
from pratique.core.audit.tables import audit_checkpoints, audit_entries
from pratique.core.audit.types import Problem, Verification
from pratique.core.clock import MINUTE
from pratique.core.database.database import Database
from pratique.core.database.transaction import Transaction

PublicKeys = Mapping[str, ec.EllipticCurvePublicKey]
UNSEALED_FOR = 15 * MINUTE
"""Entries that are older than this and not sealed mean that checkpoints have stopped, or were removed."""
MOST_PROBLEMS = 100


def verify(database: Database, public_keys: PublicKeys, sink: Path | None = None) -> Verification:
    """Check signatures, chains and the second file against each other; memory grows only with checkpoints."""
    return _Verifier(database, public_keys).run(Sink(sink) if sink else None)


def public_keys_of(keys: Iterable[tuple[str, Mapping[str, Any]]]) -> PublicKeys:
    """Return verification keys from (key id, JWK) pairs; JWKs of other curves are left out."""
    found = {}
    for key_id, jwk in keys:
        if jwk.get("kty") == "EC" and jwk.get("crv") == "P-256":
            x, y = (int.from_bytes(urlsafe_b64decode(jwk[name] + "=="), "big") for name in ("x", "y"))
            found[key_id] = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    return found


class _Verifier:
    def __init__(self, database: Database, public_keys: PublicKeys) -> None:
        self._database = database
        self._keys = public_keys
        self._problems: list[Problem] = []
        self._heads: dict[str, dict[int, str]] = {}
        self._entries = 0
        self._unsealed = 0
        self._sink_until = 0

    def run(self, sink: Sink | None) -> Verification:
        checkpoints = self._checkpoints()
        writers = self._database.read(_writers)
        for writer in sorted(writers | self._heads.keys()):
            self._chain(writer)
        if sink is not None:
            self._sink(sink)
        return Verification(self._entries, checkpoints, self._unsealed, tuple(self._problems[:MOST_PROBLEMS]))

    def _report(self, kind: str, text: str) -> None:
        self._problems.append(Problem(kind, text))

    def _checkpoints(self) -> int:
        """Check the row of checkpoints and gather the heads that they sign."""
        previous, number = "", 0
        for row in self._checkpoint_rows():
            if row.number != number + 1:
                self._report("checkpoint-gap", f"Checkpoint {number + 1} is missing.")
            number, encoded = row.number, row.message.encode()
            message = self._signed(row, encoded)
            if message is not None:
                if message.previous != previous or message.number != row.number:
                    self._report("checkpoint-chain", f"Checkpoint {row.number} does not follow from the one before.")
                self._sink_until = message.sink
                for writer, seq, value in message.heads:
                    self._heads.setdefault(writer, {})[seq] = value
            previous = message_hash(encoded)
        return number

    def _checkpoint_rows(self) -> Iterator[sa.Row[Any]]:
        after = 0
        while True:
            query = sa.select(audit_checkpoints).where(audit_checkpoints.c.number > after)
            ordered = query.order_by(audit_checkpoints.c.number).limit(500)
            rows = self._database.read(lambda tx, page=ordered: tx.execute(page).all())  # type: ignore[misc]
            yield from rows
            if not rows:
                return
            after = rows[-1].number

    def _signed(self, row: Any, encoded: bytes) -> Message | None:
        key = self._keys.get(row.key_id)
        if key is None or not verifies(key, encoded, row.signature):
            why = "is not by a known key" if key is None else "does not match"
            self._report("checkpoint-signature", f"The signature of checkpoint {row.number} {why}.")
            return None
        return msgspec.json.decode(encoded, type=Message)

    def _chain(self, writer: str) -> None:
        """Recompute one chain and compare it with every head that was signed."""
        signed = self._heads.get(writer, {})
        last_signed = max(signed, default=0)
        head, seq, unsealed_since = START, 0, None
        for row in read_chain(self._database, writer, 0):
            if row.seq != seq + 1:
                self._report("entry-missing", f"Entries {seq + 1} to {row.seq - 1} of {writer} are missing.")
            expected = entry_hash(head, writer, row.seq, row._mapping)  # noqa: SLF001  documented name
            if row.hash != expected:
                self._report("entry-changed", f"Entry {row.seq} of {writer} is not what was written.")
            if row.seq in signed and signed[row.seq] != row.hash.hex():
                self._report("head-changed", f"Entry {row.seq} of {writer} is not the one that was signed.")
            head, seq = row.hash, row.seq
            self._entries += 1
            if seq > last_signed:
                self._unsealed += 1
                unsealed_since = row.at if unsealed_since is None else min(unsealed_since, row.at)
        if seq < last_signed:
            self._report("truncated", f"{writer} ends at entry {seq}; {last_signed} were signed.")
        if unsealed_since is not None and unsealed_since < self._database.clock.now() - UNSEALED_FOR:
            self._report(
                "unsealed", f"Entries of {writer} since entry {last_signed + 1} should have been signed by now."
            )

    def _sink(self, sink: Sink) -> None:
        """Compare the second file with the database, both ways."""
        seen: dict[str, int] = {}
        for chunk in _chunks(sink.lines(), 500):
            stored = self._database.read(lambda tx, some=chunk: _hashes(tx, some))  # type: ignore[misc]
            for line in chunk:
                self._sink_line(line, stored, seen)
        for writer, count in self._database.read(_totals).items():
            if seen.get(writer, 0) < count and self._heads.get(writer):
                last_signed = max(self._heads[writer])
                if seen.get(writer, 0) < last_signed:
                    self._report("sink-missing", f"The audit file lacks entries of {writer} that were signed.")

    def _sink_line(self, line: dict[str, Any], stored: Mapping[tuple[str, int], str], seen: dict[str, int]) -> None:
        if "writer" not in line:
            return
        writer, seq = line["writer"], line["seq"]
        seen[writer] = max(seen.get(writer, 0), seq)
        if stored.get((writer, seq)) != line["hash"]:
            what = "is not in the database" if (writer, seq) not in stored else "differs from the database"
            self._report("sink-differs", f"Entry {seq} of {writer} in the audit file {what}.")


def verifies(key: ec.EllipticCurvePublicKey, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is ES256 (r||s) by `key` over `message`."""
    if len(signature) != 64:
        return False
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(der, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _writers(tx: Transaction) -> set[str]:
    return set(tx.execute(sa.select(audit_entries.c.writer).distinct()).scalars())


def _totals(tx: Transaction) -> dict[str, int]:
    query = sa.select(audit_entries.c.writer, sa.func.max(audit_entries.c.seq).label("seq"))
    return {row.writer: row.seq for row in tx.execute(query.group_by(audit_entries.c.writer))}


def _hashes(tx: Transaction, lines: Iterable[dict[str, Any]]) -> dict[tuple[str, int], str]:
    column = audit_entries.c
    wanted: dict[str, list[int]] = {}
    for line in lines:
        if "writer" in line:
            wanted.setdefault(line["writer"], []).append(line["seq"])
    found = {}
    for writer, numbers in wanted.items():
        query = sa.select(column.seq, column.hash).where(column.writer == writer, column.seq.in_(numbers))
        found.update({(writer, row.seq): row.hash.hex() for row in tx.execute(query)})
    return found


def _chunks(lines: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    while chunk := list(islice(lines, size)):
        yield chunk
