"""Chains of layers: the first n layers of an image have one digest, so that an image built on another is found by it.

Every prefix of every image stands once in `scan_chains`, with the prefix that it extends: what was built on a chain is
found downwards from it, whichever of the two came first.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.database.prepared import ignoring, inserts
from pratique.scan.packages import chunks
from pratique.scan.tables import bases, chains, image_chains

MOST_LAYERS = 500
MOST_NODES = 200_000
"""Prefixes that are followed downwards from one chain."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an image stands among all others."""

    chain: str
    base: str
    """The chain of the image that it was built on; '' when none is known."""
    extended: bool
    """Whether other images go on where this one ends: they may have been built on it."""
    unknown_base: bool
    """Whether nothing is stored of its base as a base."""


_c = image_chains.c
_whole: sa.BindParameter[str] = sa.bindparam("whole", type_=sa.Text)
_LOOK = sa.select(
    sa.select(_c.chain)
    .where(_c.chain.in_(sa.bindparam("prefixes", expanding=True)))
    .order_by(_c.depth.desc())
    .limit(1)
    .scalar_subquery()
    .label("base"),
    sa.select(chains.c.chain).where(chains.c.chain == _whole).scalar_subquery().label("known"),
    sa.select(chains.c.chain).where(chains.c.parent == _whole).limit(1).scalar_subquery().label("extension"),
)
_GROW = ignoring(chains)
_IS_BASE = sa.select(bases.c.chain).where(bases.c.chain == _whole)


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """Return the ChainID of each prefix, shortest first (OCI image specification, config.md, "Layer ChainID")."""
    found: list[str] = []
    for diff_id in diff_ids:
        found.append(f"sha256:{hashlib.sha256(f'{found[-1]} {diff_id}'.encode()).hexdigest()}" if found else diff_id)
    return found


def place_image(tx: Transaction, digest: str, diff_ids: Sequence[str]) -> Placement | None:
    """Store the chain of an image and what it was built on; None when a layer of it has no known diffID."""
    if not diff_ids or not all(diff_ids) or len(diff_ids) > MOST_LAYERS:
        _store(tx, digest, ("", 0), ("", 0))
        return None
    found = chain_ids(diff_ids)
    whole, prefixes = found[-1], found[:-1]
    row = tx.execute(_LOOK, {"whole": whole, "prefixes": prefixes}).one()
    if row.known is None:
        nodes = [{"chain": chain, "parent": parent} for chain, parent in zip(found, ["", *prefixes], strict=True)]
        tx.execute(_GROW[tx.dialect], nodes)
    base = row.base or ""
    _store(tx, digest, (whole, len(found)), (base, found.index(base) + 1 if base else 0))
    unknown = bool(base) and tx.execute(_IS_BASE, {"whole": base}).scalar() is None
    return Placement(whole, base, row.extension is not None, unknown)


def _store(tx: Transaction, digest: str, own: tuple[str, int], base: tuple[str, int]) -> None:
    """Store chain and number of layers of an image and of its base."""
    values = {"digest": digest, "chain": own[0], "depth": own[1], "base": base[0], "base_depth": base[1]}
    tx.execute(_PLACE[tx.dialect], values)


def _placing(insert: Any) -> Any:
    names = ("chain", "depth", "base", "base_depth")
    return insert.on_conflict_do_update(
        index_elements=[_c.digest], set_={name: insert.excluded[name] for name in names}
    )


_PLACE = inserts(image_chains, _placing)


def depth_of(tx: Transaction, chain: str) -> int:
    """Return how many layers a chain has that is a whole image; 0 when none is."""
    return int(tx.execute(sa.select(_c.depth).where(_c.chain == chain).limit(1)).scalar() or 0)


def nearest_below(tx: Transaction, chain: str) -> Iterator[list[str]]:
    """Yield images that go on where `chain` ends, without those that go on from another image between them.

    What hangs below such an image has that one as its base, or a nearer one.
    """
    level, left = [chain], MOST_NODES
    while level and left > 0:
        following: list[str] = []
        for part in chunks(level):
            nodes = tx.execute(sa.select(chains.c.chain).where(chains.c.parent.in_(part)).limit(left)).scalars().all()
            left -= len(nodes)
            following += nodes
        ends: set[str] = set()
        for part in chunks(following):
            rows = tx.execute(sa.select(_c.digest, _c.chain).where(_c.chain.in_(part))).all()
            ends.update(row.chain for row in rows)
            if rows:
                yield [row.digest for row in rows]
        level = [node for node in following if node not in ends]


def link(tx: Transaction, digest: str, base: str, depth: int) -> bool:
    """Make `base` the base of an image that has none, or a shorter one; True if it became that."""
    where = (_c.digest == digest, _c.base_depth < depth, _c.depth > depth)
    return bool(tx.execute(sa.update(image_chains).where(*where).values(base=base, base_depth=depth)).rowcount)


def built_on(tx: Transaction, base: str, after: str, limit: int) -> list[str]:
    """Return images with this base, by digest, from the one after `after`."""
    query = sa.select(_c.digest).where(_c.base == base, _c.digest > after).order_by(_c.digest).limit(limit)
    return list(tx.execute(query).scalars())
