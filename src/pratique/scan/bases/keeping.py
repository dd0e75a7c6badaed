"""Keeps bases true: links images to a base that came after them, and names newer builds as tags and facts change.

Every step is committed with what is still to be done after it, so that a worker may end at any point.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pratique.core.database import Database, Transaction
from pratique.registry.types import ManifestName
from pratique.scan.announce import Announcer, places_of
from pratique.scan.bases.chains import built_on, depth_of, link, nearest_below
from pratique.scan.bases.comparing import BaseFacts, Names, look
from pratique.scan.packages import chunks
from pratique.scan.tables import bases, image_chains, images

Check = Callable[[], None]
_PAGE = 200
_FEW = 100
"""Alias groups above which all findings of an image are written anew rather than those alone."""


def _nothing() -> None:
    return None


class BaseKeeper:
    """Writes `scan_bases`, and the findings that follow from it.

    - An image has the longest known chain below its own as base, whichever was pushed first.
    - A newer build is named only while a tag serves it with an open gate and it has fewer vulnerabilities.
    - Nothing is written for images whose advice did not change.
    """

    def __init__(self, database: Database, names: Names, announcer: Announcer) -> None:
        self._database = database
        self._names = names
        self._announcer = announcer

    def relink(self, chain: str, check: Check = _nothing) -> int:
        """Give `chain` the images that were built on it before it was known; return how many."""
        self.refresh(chain, check)
        depth = self._database.read(lambda tx: depth_of(tx, chain))
        below = self._database.read(lambda tx: list(nearest_below(tx, chain))) if depth else []
        digests = [digest for found in below for digest in found]
        for part in chunks(digests, _PAGE):
            check()
            self._database.in_pieces(part, lambda tx, digest: self._link(tx, digest, chain, depth))
        if digests:
            self.refresh(chain, check)
        return len(digests)

    def refresh(self, chain: str, check: Check = _nothing) -> None:
        """Look again at one base, and bring the findings of what was built on it up to that."""
        facts = self._database.read(lambda tx: self._look(tx, chain))
        self._database.write(lambda tx: _store(tx, chain, facts))
        self._spread(chain, check)

    def refresh_all(self, repository: str, check: Check = _nothing) -> int:
        """Look again at all bases of a repository ('' all); returns how many."""
        after, done = "", 0
        while found := self._database.read(lambda tx, after=after: _bases(tx, repository, after)):  # type: ignore[misc]
            for chain in found:
                check()
                self.refresh(chain, check)
            after, done = found[-1], done + len(found)
        return done

    def fill(self, check: Check = _nothing) -> int:
        """Place images that were read before chains were kept; returns how many."""
        done = 0
        while found := self._database.read(_unplaced):
            check()
            self._database.in_pieces(found, self._place)
            done += len(found)
        return done

    def _place(self, tx: Transaction, digest: str) -> None:
        facts = tx.execute(sa.select(images.c.facts).where(images.c.digest == digest)).scalar()
        self._announcer.placed(tx, digest, [str(each) for each in (facts or {}).get("diff_ids", ())])

    def _link(self, tx: Transaction, digest: str, chain: str, depth: int) -> None:
        if link(tx, digest, chain, depth):
            self._announcer.reworded(tx, places_of(tx, [digest]))

    def _look(self, tx: Transaction, chain: str) -> BaseFacts | None:
        if tx.execute(sa.select(image_chains.c.digest).where(image_chains.c.base == chain).limit(1)).first() is None:
            return None
        row = tx.execute(sa.select(bases).where(bases.c.chain == chain)).one_or_none()
        former = ManifestName(row.repository, row.tag, row.digest, row.digest) if row else None
        return look(tx, self._names, chain, former)

    def _spread(self, chain: str, check: Check) -> None:
        """Write anew what the base's change concerns; the mark goes when all of it is written."""
        row = self._database.read(lambda tx: _pending(tx, chain))
        if row is None:
            return
        rules: list[str] = row.pending
        after = ""
        while found := self._database.read(lambda tx, after=after: built_on(tx, chain, after, _PAGE)):  # type: ignore[misc]
            check()
            parts = list(chunks(found, 5))
            self._database.in_pieces(parts, lambda tx, part: self._rewrite(tx, part, rules))
            after = found[-1]
        self._database.write(lambda tx: _settle(tx, chain, row.updated_at))

    def _rewrite(self, tx: Transaction, digests: Sequence[str], rules: Sequence[str]) -> None:
        where = places_of(tx, digests)
        if len(rules) > _FEW:
            self._announcer.reworded(tx, where)
        else:
            self._announcer.patched(tx, where, rules)


def key_of(facts: BaseFacts, chain: str) -> str:
    """Return what recommendations group by: a base's name, so that all its builds of then and now are one line."""
    named = f"{facts.repository}\0{facts.tag}" if facts.tag else chain
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def _store(tx: Transaction, chain: str, facts: BaseFacts | None) -> None:
    row = tx.execute(sa.select(bases).where(bases.c.chain == chain)).one_or_none()
    if facts is None:
        if row is not None:
            tx.execute(sa.delete(bases).where(bases.c.chain == chain))
        return
    values = _values(facts, chain)
    if row is not None and all(getattr(row, name) == value for name, value in values.items()):
        return
    pending = _moved(row, values)
    if row is not None and row.pending is not None:
        pending = sorted({*(pending or ()), *row.pending})
    values |= {"pending": pending, "updated_at": tx.now}
    insert = tx.insert(bases).values(chain=chain, **values)
    tx.execute(insert.on_conflict_do_update(index_elements=[bases.c.chain], set_=values))


def _values(facts: BaseFacts, chain: str) -> dict[str, Any]:
    return {
        "key": key_of(facts, chain),
        "digest": facts.digest,
        "repository": facts.repository,
        "tag": facts.tag,
        "named": facts.named,
        "distro": facts.distro,
        "target": facts.target,
        "target_tag": facts.target_tag,
        "compared": msgspec.to_builtins(facts.compared),
        "cleared": list(facts.cleared),
        "why_not": facts.why_not,
    }


def _moved(row: Any, values: dict[str, Any]) -> list[str] | None:
    """Return the alias groups whose findings say something else now; None for none."""
    before = set(row.cleared) if row is not None else set()
    now = set(values["cleared"])
    same = row is not None and (row.key, row.distro) == (values["key"], values["distro"])
    return sorted(before ^ now if same else before | now) or None


def _pending(tx: Transaction, chain: str) -> Any:
    query = sa.select(bases.c.pending, bases.c.updated_at).where(bases.c.chain == chain, bases.c.pending.is_not(None))
    return tx.execute(query).one_or_none()


def _settle(tx: Transaction, chain: str, updated_at: int) -> None:
    tx.execute(sa.update(bases).where(bases.c.chain == chain, bases.c.updated_at == updated_at).values(pending=None))


def _bases(tx: Transaction, repository: str, after: str) -> list[str]:
    query = sa.select(bases.c.chain).where(bases.c.chain > after).order_by(bases.c.chain).limit(_PAGE)
    if repository:
        query = query.where(bases.c.repository == repository)
    return list(tx.execute(query).scalars())


def _unplaced(tx: Transaction) -> list[str]:
    query = (
        sa.select(images.c.digest)
        .outerjoin(image_chains, image_chains.c.digest == images.c.digest)
        .where(image_chains.c.digest.is_(None), images.c.set_id.is_not(None))
        .limit(_PAGE)
    )
    return list(tx.execute(query).scalars())
