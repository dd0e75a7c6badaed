"""Makes new facts known, inside the transaction that wrote them: findings, then events that others decide on."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.database.prepared import ignoring, one_of
from pratique.core.events import Event, EventBus
from pratique.core.findings.store import FindingStore
from pratique.scan.bases.chains import place_image
from pratique.scan.findings import DOMAIN, occurrences
from pratique.scan.packages import chunks
from pratique.scan.tables import places
from pratique.scan.types import BASE_SEEN, FINDINGS_CHANGED, IMAGES_ASSESSED, Place


class Announcer:
    """Writes findings for places and publishes what changed; both in the caller's transaction."""

    def __init__(self, findings: FindingStore, events: EventBus) -> None:
        self._findings = findings
        self._events = events

    def assessed(self, tx: Transaction, where: Sequence[Place]) -> None:
        """All findings of these images are to be as the tables say now, and decisions are to follow."""
        items = [(place.lineage, place.digest, shown) for place, shown in occurrences(tx, where).items()]
        self._findings.replace_many(tx, domain=DOMAIN, items=items)
        self._publish_findings(tx, where)
        self.decide(tx, where)

    def patched(self, tx: Transaction, where: Sequence[Place], rules: Collection[str]) -> None:
        """The findings of these alias groups are to be as the tables say now; others stay."""
        items = [(place.lineage, place.digest, shown) for place, shown in occurrences(tx, where, rules).items()]
        if self._findings.patch_many(tx, domain=DOMAIN, rules=rules, items=items).changed:
            self._publish_findings(tx, where)

    def reworded(self, tx: Transaction, where: Sequence[Place]) -> None:
        """All findings of these images are to be as the tables say now; nothing that decides about them changed."""
        items = [(place.lineage, place.digest, shown) for place, shown in occurrences(tx, where).items()]
        if self._findings.replace_many(tx, domain=DOMAIN, items=items).changed:
            self._publish_findings(tx, where)

    def placed(self, tx: Transaction, digest: str, diff_ids: Sequence[str]) -> None:
        """Find out what an image was built on; tell if that is new as a base, or if others were built on this one."""
        found = place_image(tx, digest, diff_ids)
        if found is None:
            return
        for chain, wanted, relink in ((found.base, found.unknown_base, False), (found.chain, found.extended, True)):
            if wanted:
                self._events.publish(tx, Event(BASE_SEEN, chain, {"chain": chain, "relink": relink}))

    def gone(self, tx: Transaction, place: Place) -> None:
        """The image is in this repository no longer: its findings there end."""
        self._findings.forget(tx, domain=DOMAIN, lineage=place.lineage, subject=place.digest)
        self._publish_findings(tx, [place])

    def decide(self, tx: Transaction, where: Sequence[Place]) -> None:
        """Facts about these images changed: whoever decides about them does so now."""
        if where:
            data = {"images": [place.as_json() for place in where]}
            self._events.publish(tx, Event(IMAGES_ASSESSED, where[0].digest, data))

    def _publish_findings(self, tx: Transaction, where: Sequence[Place]) -> None:
        lineages = sorted({place.lineage for place in where})
        if lineages:
            data = {"domain": DOMAIN, "lineages": lineages}
            self._events.publish(tx, Event(FINDINGS_CHANGED, lineages[0], data))


def places_of(tx: Transaction, digests: Collection[str]) -> list[Place]:
    """Return every repository that holds these images."""
    rows = [row for part in chunks(sorted(digests)) for row in tx.execute(_PLACES, {"digests": part}).all()]
    return [Place(row.digest, row.repository_id, row.repository) for row in rows]


_PLACES = (
    sa.select(places.c.digest, places.c.repository_id, places.c.repository)
    .where(one_of(places.c.digest, "digests"))
    .order_by(places.c.digest, places.c.repository_id)
)


def store_place(tx: Transaction, place: Place) -> None:
    """Note that a repository holds an image."""
    tx.execute(_INSERT[tx.dialect], {**place.as_json(), "pushed_at": tx.now})


_INSERT = ignoring(places)


def drop_place(tx: Transaction, place: Place) -> None:
    """Forget that a repository holds an image."""
    tx.execute(sa.delete(places).where(places.c.digest == place.digest, places.c.repository_id == place.repository_id))
