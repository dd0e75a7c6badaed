"""What the registry tells the outside: types of events and their fields, as `pratique events types` lists them."""

from typing import Final

from pratique.core.cloudevents.types import OutwardType

_PLACE: Final = {"repository_id": "Id of the repository.", "repository": "Its name."}
_MANIFEST: Final = {**_PLACE, "digest": "Digest of the manifest."}

PUSHED: Final = OutwardType(
    "pratique.registry.manifest.pushed.v1",
    "A manifest was stored; its gate may still be held.",
    {
        **_MANIFEST,
        "kind": "`image`, `index`, `attached` or `other`.",
        "media_type": "Its media type.",
        "artifact_type": "Its artifact type, or ''.",
        "subject": "Digest that it speaks about, or ''.",
        "pusher": "Id of the principal.",
    },
)
DELETED: Final = OutwardType(
    "pratique.registry.manifest.deleted.v1",
    "A manifest was deleted, with its tags.",
    {**_MANIFEST, "kind": "As above."},
)
RESTORED: Final = OutwardType(
    "pratique.registry.manifest.restored.v1",
    "A deleted manifest is back.",
    {**_MANIFEST, "tags": "Tags that came back with it."},
)
QUARANTINED: Final = OutwardType(
    "pratique.registry.manifest.quarantined.v1",
    "Somebody moved a manifest into quarantine or out of it.",
    {**_MANIFEST, "state": "The quarantine state.", "details": "What was given as the reason."},
)
TAG_MOVED: Final = OutwardType(
    "pratique.registry.tag.moved.v1",
    "Readers of a tag get another manifest from now on.",
    {
        "repository": "Name of the repository.",
        "tag": "The tag.",
        "digest": "What it stands for now; '' when it is gone.",
    },
)
GATE_CHANGED: Final = OutwardType(
    "pratique.registry.gate.changed.v1",
    "A manifest is held, open or refused from now on.",
    {
        **_MANIFEST,
        "kind": "As above.",
        "state": "`held`, `open` or `refused`.",
        "previous": "What it was.",
        "summary": "Why, in one line.",
    },
)
REPOSITORY_DELETED: Final = OutwardType(
    "pratique.registry.repository.deleted.v1", "A repository was deleted whole.", _PLACE
)

REGISTRY_EVENTS: Final = (PUSHED, DELETED, RESTORED, QUARANTINED, TAG_MOVED, GATE_CHANGED, REPOSITORY_DELETED)
