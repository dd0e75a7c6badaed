"""What a collection would take now, line by line and to the byte, without taking it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.database import Database, Transaction
from pratique.registry.collection import roots
from pratique.registry.collection.collector import Collector, Counts
from pratique.registry.collection.tables import collection_finds, deleted_items

_PAGE = 500
_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Find:
    """One thing that would go, and why."""

    kind: str
    repository: str
    name: str
    bytes: int
    because: str


def look(database: Database, collector: Collector, check: Callable[[], None]) -> Iterator[Find]:
    """Yield what a run that began now would remove."""
    yield from database.read(_expired)
    for upload in database.read(lambda tx: roots.find_uploads(tx, _ALL)):
        yield Find("uploads", upload.repository, upload.id, upload.size, "its time is over")
    after: int | None = 0
    while after is not None:
        check()
        rows, after = database.read(lambda tx, after=after: roots.find_freed(tx, after))  # type: ignore[misc]
        for row in rows:
            yield Find("blobs", "", row.digest, row.size, "no manifest names it and no lease protects it")
    check()
    for key, size in collector.sweep.unnamed_and_due():
        yield Find("orphaned segments", "", key, size, "no record has named it since it was first seen")
    for lonely in database.read(lambda tx: roots.find_lonely(tx, tx.now - collector.lease, 0, _ALL)):
        because = f"what it speaks about is gone: {lonely.gate_subject}"
        yield Find("referrers", lonely.repository, lonely.digest, 0, because)


def record(database: Database, run_id: str, finds: Iterator[Find]) -> Counts:
    """Keep what was found for those who read the report; a repeated run begins anew."""
    database.write(lambda tx: tx.execute(sa.delete(collection_finds).where(collection_finds.c.run_id == run_id)))
    counts, page = Counts(), list[dict[str, object]]()
    for number, find in enumerate(finds):
        counts.add(find.kind, 1, find.bytes)
        row = {"kind": find.kind, "repository": find.repository, "name": find.name, "bytes": find.bytes}
        page.append({"run_id": run_id, "number": number, "because": find.because, **row})
        if len(page) == _PAGE:
            _store(database, page)
            page = []
    _store(database, page)
    return counts


def _store(database: Database, page: list[dict[str, object]]) -> None:
    if page:
        database.write(lambda tx: tx.execute(sa.insert(collection_finds), page))


def _expired(tx: Transaction) -> list[Find]:
    row = deleted_items.c
    query = sa.select(row.repository, row.name).where(row.expires_at <= tx.now).order_by(row.id)
    because = "it can be restored no longer"
    return [Find("deleted items", found.repository, found.name, 0, because) for found in tx.execute(query)]
