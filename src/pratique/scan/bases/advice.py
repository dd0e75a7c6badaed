"""What an image's base means for its findings: which of them came with it, and which a newer build is without."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.scan.packages import chunks
from pratique.scan.tables import bases, image_chains

_LINKS = sa.select(image_chains.c.digest, image_chains.c.base, image_chains.c.base_depth).where(
    image_chains.c.digest.in_(sa.bindparam("digests", expanding=True)), image_chains.c.base != ""
)
_BETTER = sa.select(bases.c.chain, bases.c.key, bases.c.distro, bases.c.cleared).where(
    bases.c.chain.in_(sa.bindparam("chains", expanding=True)), bases.c.target != ""
)


@dataclass(frozen=True, slots=True)
class Advice:
    """The base of one image."""

    layers: int
    """How many of its layers are those of the base."""
    action: str = ""
    """The action that settles what `cleared` holds; '' where no newer build is better."""
    cleared: frozenset[str] = frozenset()

    def covers(self, places: Sequence[Sequence[object]]) -> bool:
        """Whether a package lies in layers of the base and nowhere else: (layer index, …) each."""
        return bool(places) and all(isinstance(place[0], int) and 0 <= place[0] < self.layers for place in places)

    def settles(self, group: str, places: Sequence[Sequence[object]]) -> bool:
        """Whether a finding ends when the image is built on the newer base."""
        return group in self.cleared and self.covers(places)


def action_key(distro: str, key: str) -> str:
    """Return the action of all that a newer build of one base settles.

    It names no repository: who sees an image may not see where its base lies.
    """
    return f"base-upgrade|{distro.replace('|', '-') or 'unknown'}|{key}"


def advice_for(tx: Transaction, digests: Collection[str]) -> dict[str, Advice]:
    """Return the bases of those images that have one."""
    links = [row for part in chunks(digests) for row in tx.execute(_LINKS, {"digests": part})]
    if not links:
        return {}
    better = {
        row.chain: (action_key(row.distro, row.key), frozenset(row.cleared))
        for part in chunks({row.base for row in links})
        for row in tx.execute(_BETTER, {"chains": part})
    }
    return {row.digest: Advice(row.base_depth, *better.get(row.base, ("", frozenset()))) for row in links}
