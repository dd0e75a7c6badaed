"""Segments that no row names: how one leaves the store, and why none leaves that a row will name (ADR 0313).

`suspected`: the store lists it, and no row named it when the sweep looked. Who names it now takes the mark off.
`condemned`: no row names it; `claim_segments` refuses whoever tries. It is removed from the store when it is due.
`removed`: gone from the store, and remembered for a month, so that a request that slept that long is still refused.

A segment gets its name by chance and never a second time, and only these rows name segments: blobs, uploads.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.blobs import SegmentSpan
from pratique.core.database import Transaction
from pratique.registry.collection.tables import doomed_segments
from pratique.registry.errors import UploadRangeInvalid

SUSPECTED, CONDEMNED, REMOVED = "suspected", "condemned", "removed"
_CHUNK = 500
_row = doomed_segments.c
_MARKED = sa.select(_row.key, _row.state).where(_row.key.in_(sa.bindparam("keys", expanding=True)))


def claim_segments(tx: Transaction, spans: Iterable[SegmentSpan]) -> None:
    """Make sure that these segments stay; to be called in the transaction that writes the row which names them.

    Raises UploadRangeInvalid where the sweep has given one up, which takes a request that lasted more than a day.
    """
    for part in chunks([span.key for span in spans]):
        marked = tx.execute(_MARKED, {"keys": part}).all()
        if any(row.state != SUSPECTED for row in marked):
            raise UploadRangeInvalid(
                "these bytes waited too long to be recorded",
                remedy="ask for the range of the upload and send them anew",
            )
        if marked:
            tx.execute(sa.delete(doomed_segments).where(_row.key.in_([row.key for row in marked])))


def condemn(tx: Transaction, spans: Sequence[SegmentSpan], origin: str, due_at: int) -> None:
    """Give segments up whose row goes in this very transaction."""
    fixed = {"state": CONDEMNED, "origin": origin, "since": tx.now, "due_at": due_at}
    values = [{"key": span.key, "size": span.size, **fixed} for span in spans]
    for part in chunks(values):
        tx.execute(tx.insert(doomed_segments).on_conflict_do_nothing(index_elements=[_row.key]), part)


def suspect(tx: Transaction, keys: Sequence[str], due_at: int) -> None:
    """Mark segments that no row named; those that are marked stay as they are."""
    fixed = {"state": SUSPECTED, "origin": "orphan", "size": 0, "since": tx.now, "due_at": due_at}
    values = [{"key": key, **fixed} for key in keys]
    if values:
        tx.execute(tx.insert(doomed_segments).on_conflict_do_nothing(index_elements=[_row.key]), values)


def due_suspects(tx: Transaction, after: str, limit: int) -> list[str]:
    """Return keys that have been under suspicion long enough."""
    query = sa.select(_row.key).where(_row.state == SUSPECTED, _row.due_at <= tx.now, _row.key > after)
    return list(tx.execute(query.order_by(_row.key).limit(limit)).scalars())


def settle_suspects(tx: Transaction, keys: Sequence[str], named: Collection[str]) -> int:
    """Clear those that a row names, condemn the others that are still under suspicion; return how many."""
    cleared = [key for key in keys if key in named]
    left = [key for key in keys if key not in named]
    suspected = _row.state == SUSPECTED
    for part in chunks(cleared):
        tx.execute(sa.delete(doomed_segments).where(suspected, _row.key.in_(part)))
    condemned = 0
    for part in chunks(left):
        statement = sa.update(doomed_segments).where(suspected, _row.key.in_(part))
        condemned += tx.execute(statement.values(state=CONDEMNED, since=tx.now, due_at=tx.now)).rowcount
    return condemned


def due_condemned(tx: Transaction, limit: int) -> list[sa.Row[Any]]:
    """Return key, origin and size of segments that are to be removed now."""
    query = sa.select(_row.key, _row.origin, _row.size).where(_row.state == CONDEMNED, _row.due_at <= tx.now)
    return list(tx.execute(query.order_by(_row.due_at).limit(limit)))


def record_removed(tx: Transaction, rows: Sequence[sa.Row[Any]], remember_until: int) -> None:
    """Forget segments that are gone from the store; only of orphans could somebody still think that they are there."""
    known = [row.key for row in rows if row.origin != "orphan"]
    orphans = [row.key for row in rows if row.origin == "orphan"]
    for part in chunks(known):
        tx.execute(sa.delete(doomed_segments).where(_row.state == CONDEMNED, _row.key.in_(part)))
    for part in chunks(orphans):
        gone = sa.update(doomed_segments).where(_row.state == CONDEMNED, _row.key.in_(part))
        tx.execute(gone.values(state=REMOVED, since=tx.now, due_at=remember_until))


def forget_removed(tx: Transaction, limit: int) -> int:
    """Forget, after a month, that orphans were ever there."""
    due = sa.select(_row.key).where(_row.state == REMOVED, _row.due_at <= tx.now).limit(limit)
    keys = list(tx.execute(due).scalars())
    for part in chunks(keys):
        tx.execute(sa.delete(doomed_segments).where(_row.key.in_(part)))
    return len(keys)


def chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield the items in parts that fit into one statement."""
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
