"""What other domains may ask of the scanner."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import sqlalchemy as sa

from pratique.advisories.types import NeededFeed
from pratique.core.database import Transaction
from pratique.scan.bases import told
from pratique.scan.bases.told import BaseUpgrade, ImageBase, ReplacedFile, Split
from pratique.scan.facts import ecosystems_of, facts_of, severity_counts
from pratique.scan.image_layers import stored_layers
from pratique.scan.tables import images, places
from pratique.scan.types import ImageFacts, LayerTold, Place

__all__ = ["BaseUpgrade", "ImageBase", "ReplacedFile", "ScanService", "Split"]


class Needs(Protocol):
    """Tells which feeds would be needed; `advisories.service.AdvisoryStore` does."""

    def needed(self, ecosystems: Iterable[str]) -> tuple[NeededFeed, ...]: ...


class ScanService:
    """Facts about images: each layer read once, each package judged once, for all images that have it."""

    def __init__(self, store: Needs) -> None:
        self._store = store

    def facts(self, tx: Transaction, digest: str) -> ImageFacts:
        """Return what is known about an image, with counts by severity; state READING when nothing is yet."""
        return replace(self.facts_of(tx, [digest])[digest], counts=self.counts(tx, digest))

    def facts_of(self, tx: Transaction, digests: Sequence[str]) -> dict[str, ImageFacts]:
        """Return the facts of many images in a bounded number of statements, without counts."""
        return facts_of(tx, digests)

    def counts(self, tx: Transaction, digest: str) -> dict[str, int]:
        """Return how many pairs of package and vulnerability an image has, by severity, worst first."""
        return severity_counts(tx, digest)

    def needed(self, tx: Transaction, digest: str) -> tuple[NeededFeed, ...]:
        """Return feeds that would judge the packages of an image and are absent, or there only as starter data."""
        return self._store.needed(sorted(ecosystems_of(tx, digest)))

    def details(self, tx: Transaction, digest: str) -> dict[str, Any]:
        """Return what is kept of an image's configuration, and what was not assessed in it."""
        found = tx.execute(sa.select(images.c.facts).where(images.c.digest == digest)).scalar()
        return dict(found or {})

    def layers(self, tx: Transaction, digest: str) -> list[LayerTold]:
        """Return what is told of an image's layers, from the lowest; empty when it was not read."""
        found = tx.execute(sa.select(images.c.layers).where(images.c.digest == digest)).scalar()
        return stored_layers(found) if found else []

    def base(self, tx: Transaction, digest: str) -> ImageBase | None:
        """Return what an image was built on; None when no other image is known that it goes on from."""
        return told.base_of(tx, digest)

    def split(self, tx: Transaction, place: Place) -> Split:
        """Return how the findings of an image divide between its base and its own layers."""
        return told.split(tx, place)

    def replaced(self, tx: Transaction, digest: str) -> tuple[ReplacedFile, ...]:
        """Return files of an image's base that later layers delete or replace, of those that layer reports name."""
        return told.replaced(tx, digest)

    def base_upgrades(self, tx: Transaction, keys: Collection[str]) -> dict[str, BaseUpgrade]:
        """Return the bases that actions `base-upgrade|…|KEY` speak about, by key."""
        return told.upgrades(tx, keys)

    def reading(self, tx: Transaction, limit: int = 100) -> list[Place]:
        """Return images that were pushed and have no facts yet, newest first."""
        statement = (
            sa.select(places)
            .outerjoin(images, images.c.digest == places.c.digest)
            .where(sa.or_(images.c.digest.is_(None), images.c.state == "reading"))
            .order_by(places.c.pushed_at.desc())
            .limit(limit)
        )
        return [Place(row.digest, row.repository_id, row.repository) for row in tx.execute(statement)]

    def places(self, tx: Transaction, digest: str) -> list[Place]:
        """Return the repositories that hold an image."""
        statement = sa.select(places).where(places.c.digest == digest).order_by(places.c.repository)
        return [Place(row.digest, row.repository_id, row.repository) for row in tx.execute(statement)]

    def places_under(self, tx: Transaction, prefix: str, after: str = "", limit: int = 500) -> list[Place]:
        """Return images in the repository `prefix`, or below it when it ends with '/', in order of name and digest."""
        statement = sa.select(places).where(_under(prefix))
        order = (places.c.repository, places.c.digest)
        if after:
            repository, _, digest = after.partition("@")
            statement = statement.where(sa.tuple_(*order) > sa.tuple_(repository, digest))
        rows = tx.execute(statement.order_by(*order).limit(limit))
        return [Place(row.digest, row.repository_id, row.repository) for row in rows]


def _under(prefix: str) -> sa.ColumnElement[bool]:
    if not prefix:
        return sa.true()
    if not prefix.endswith("/"):
        return places.c.repository == prefix
    # '0' is the character after '/', so that a range on the index takes the place of LIKE.
    return sa.and_(places.c.repository >= prefix, places.c.repository < prefix[:-1] + "0")
