"""What is known of each layer: read once, kept for ever, found again by the digest that it is pushed under."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
import zstandard

from pratique.core.database import Transaction
from pratique.core.database.prepared import one_of
from pratique.inventory.types import INDEXER_VERSION, LayerReport
from pratique.scan.tables import layer_reports, layers

RULES_VERSION = 1
"""Version of the rule sets (secrets, malware) that a report was made with."""

MAX_ATTEMPTS = 3
"""Readings of one layer that may end without an answer; then the layer counts as unreadable."""

_UNREAD = "unread:"
_MAX_REPORT = 512 * 1024 * 1024


def known_reports(tx: Transaction, digests: Sequence[str]) -> dict[str, LayerReport]:
    """Return the reports of those layers that have been read by this indexer, by the digest as pushed."""
    keys = report_keys(tx, digests)
    reports = stored_reports(tx, list(set(keys.values())))
    return {digest: reports[key][0] for digest, key in keys.items() if key in reports}


def report_keys(tx: Transaction, digests: Sequence[str]) -> dict[str, str]:
    """Return the keys of the reports of those layers that have been read by this indexer, by the digest as pushed."""
    return {row.digest: row.report_key for row in tx.execute(_KEYS, {"digests": list(set(digests))}).all()}


_KEYS = sa.select(layers.c.digest, layers.c.report_key).where(
    one_of(layers.c.digest, "digests"), layers.c.indexer == INDEXER_VERSION, layers.c.report_key.is_not(None)
)


def stored_reports(tx: Transaction, keys: Sequence[str]) -> dict[str, tuple[LayerReport, int]]:
    """Return report and encoded size under these keys, as far as this indexer made them with the present rules."""
    return {row.report_key: _decode(row.report) for row in tx.execute(_REPORTS, {"keys": keys}).all()}


_REPORTS = sa.select(layer_reports.c.report_key, layer_reports.c.report).where(
    one_of(layer_reports.c.report_key, "keys"),
    layer_reports.c.indexer == INDEXER_VERSION,
    layer_reports.c.rules == RULES_VERSION,
)


def is_final(key: str) -> bool:
    """True when the report of this key can never be replaced: the layer was read to its end."""
    return not key.startswith(_UNREAD)


def begin_reading(tx: Transaction, digest: str, size: int) -> int:
    """Count one more attempt at a layer and return how many there were before."""
    statement = tx.insert(layers).values(
        digest=digest, indexer=INDEXER_VERSION, report_key=None, size=size, attempts=1, read_at=tx.now
    )
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=[layers.c.digest, layers.c.indexer], set_={"attempts": layers.c.attempts + 1}
        )
    )
    where = (layers.c.digest == digest, layers.c.indexer == INDEXER_VERSION)
    return int(tx.execute(sa.select(layers.c.attempts).where(*where)).scalar_one()) - 1


def forgive_reading(tx: Transaction, digest: str) -> None:
    """Take back the last attempt at a layer: it says nothing about the layer."""
    tx.execute(
        sa.update(layers)
        .where(layers.c.digest == digest, layers.c.indexer == INDEXER_VERSION, layers.c.attempts > 0)
        .values(attempts=layers.c.attempts - 1)
    )


def forget_attempts(tx: Transaction, digests: Sequence[str]) -> None:
    """Give layers without a whole reading their attempts back: somebody asks for them to be read again."""
    unread = sa.or_(layers.c.report_key.is_(None), layers.c.report_key.like(f"{_UNREAD}%"))
    where = (layers.c.digest.in_(set(digests)), layers.c.indexer == INDEXER_VERSION, unread)
    keys = sa.select(layers.c.report_key).where(*where, layers.c.report_key.is_not(None))
    tx.execute(sa.delete(layer_reports).where(layer_reports.c.report_key.in_(keys)))
    tx.execute(sa.update(layers).where(*where).values(attempts=0, report_key=None))


def store_report(tx: Transaction, digest: str, report: LayerReport) -> None:
    """Keep what one reading found; a second reading of the same bytes changes nothing."""
    key = report.diff_id if report.complete and report.diff_id else f"{_UNREAD}{digest}"
    body = zstandard.ZstdCompressor(level=3).compress(msgspec.msgpack.encode(report))
    insert = tx.insert(layer_reports).values(
        report_key=key, indexer=INDEXER_VERSION, rules=RULES_VERSION, report=body, read_at=tx.now
    )
    tx.execute(insert.on_conflict_do_nothing())
    tx.execute(
        sa.update(layers)
        .where(layers.c.digest == digest, layers.c.indexer == INDEXER_VERSION)
        .values(report_key=key, read_at=tx.now)
    )


def _decode(body: bytes) -> tuple[LayerReport, int]:
    raw = zstandard.ZstdDecompressor().decompress(body, max_output_size=_MAX_REPORT)
    return msgspec.msgpack.decode(raw, type=LayerReport), len(raw)
