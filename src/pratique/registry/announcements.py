"""What the registry tells the outside: types of events and their fields, as `docs/reference/events.md` lists them."""

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
    {**_PLACE, "tag": "The tag.", "digest": "What it stands for now; '' when it is gone."},
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
QUOTA_WARNED: Final = OutwardType(
    "pratique.registry.quota.warned.v1",
    "A quota is nearly used up.",
    {
        **_PLACE,
        "scope": "Where the quota holds.",
        "limit": "Bytes that may be stored.",
        "used": "Bytes stored.",
        "percent": "The share used.",
    },
)
REPLICATION_FAILED: Final = OutwardType(
    "pratique.registry.replication.failed.v1",
    "A replication does not get on; it tries again by itself.",
    {
        **_PLACE,
        "replication": "Name of the replication.",
        "peer": "Host of the other side.",
        "error": "What went wrong.",
    },
)

REGISTRY_EVENTS: Final = (
    PUSHED, DELETED, RESTORED, QUARANTINED, TAG_MOVED, GATE_CHANGED, QUOTA_WARNED, REPLICATION_FAILED
)  # fmt: skip
