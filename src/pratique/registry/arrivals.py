"""Layers that come after the image which names them: the image is held until the last is here, and judged then.

- Nothing is read or judged for an image with missing layers, whatever is known of them from other repositories.
- A layer that comes with another size than the image gives it completes nothing.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.events import Event, EventBus
from pratique.registry.parsing import Descriptor
from pratique.registry.tables import blobs, gates, manifest_blobs, manifests, missing_blobs, repository_blobs
from pratique.registry.types import GateReason, GateState

MANIFEST_PUSHED = "pratique.registry.manifest.pushed.v1"


def note_missing(tx: Transaction, repository_id: str, manifest_id: int, missing: Sequence[Descriptor]) -> None:
    """Remember what an image waits for."""
    if missing:
        rows = [
            {"manifest_id": manifest_id, "repository_id": repository_id, "digest": each.digest, "size": each.size}
            for each in missing
        ]
        tx.execute(sa.insert(missing_blobs), rows)


def is_complete(tx: Transaction, manifest_id: int) -> bool:
    """True unless the manifest still waits for a layer."""
    waiting = sa.select(missing_blobs.c.digest).where(missing_blobs.c.manifest_id == manifest_id).limit(1)
    return tx.execute(waiting).first() is None


def held_for(missing: int) -> GateReason:
    """Return why an image with missing layers is held."""
    return GateReason(
        f"held: {missing} of its layers {'is' if missing == 1 else 'are'} not in this repository",
        remedy="push the missing layers; the image is judged when the last one is here",
    )


def blob_arrived(tx: Transaction, events: EventBus, repository_id: str, repository: str, digest: str) -> None:
    """Complete the images of this repository that wait for the blob, and announce those that wait for no more."""
    query = (
        sa.select(missing_blobs.c.manifest_id, blobs.c.id, gates.c.state)
        .join(blobs, (blobs.c.digest == missing_blobs.c.digest) & (blobs.c.size == missing_blobs.c.size))
        .join(gates, gates.c.manifest_id == missing_blobs.c.manifest_id)
        .where(missing_blobs.c.repository_id == repository_id, missing_blobs.c.digest == digest)
    )
    for found in tx.execute(query).all():
        manifest_id, blob_id, state = tuple(found)
        tx.execute(sa.insert(manifest_blobs), {"manifest_id": manifest_id, "blob_id": blob_id})
        held = repository_blobs.c
        opened = 1 if state == GateState.OPEN else 0
        tx.execute(
            sa.update(repository_blobs)
            .where(held.repository_id == repository_id, held.blob_id == blob_id)
            .values(manifests=held.manifests + 1, open_manifests=held.open_manifests + opened)
        )
        row = missing_blobs.c
        tx.execute(sa.delete(missing_blobs).where(row.manifest_id == manifest_id, row.digest == digest))
        if is_complete(tx, manifest_id):
            pushed = tx.execute(sa.select(*_ANNOUNCED).where(manifests.c.id == manifest_id)).one()
            events.publish(tx, pushed_event(repository=repository, **pushed._asdict()))


_ANNOUNCED = tuple(
    manifests.c[name]
    for name in ("repository_id", "digest", "kind", "media_type", "artifact_type", "subject", "pusher")
)


def pushed_event(**fields: str) -> Event:
    """Return the event that a manifest was pushed: its repository and what the manifest says that it is."""
    return Event(MANIFEST_PUSHED, f"{fields['repository']}@{fields['digest']}", fields)
