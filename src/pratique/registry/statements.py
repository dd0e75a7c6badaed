"""Manifests whose layers claim to be statements: their bytes must bear that out."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pratique.core.blobs import BlobStore
from pratique.core.blobs.reader import open_blob
from pratique.core.database import Database, Transaction
from pratique.registry.blobs import spans_of
from pratique.registry.errors import ManifestBlobUnknown, ManifestInvalid
from pratique.registry.parsing import Manifest
from pratique.registry.tables import blobs

MAX_STATEMENT = 64 * 1024 * 1024
"""Bytes of all statements of one manifest."""


def check_statements(database: Database, store: BlobStore, manifest: Manifest) -> None:
    """Raise ManifestInvalid unless every layer is one JSON object, which no engine can unpack. Blocks.

    Such a manifest shares the gate of what it speaks about, so a file system must not hide in it. A layer that is not
    here yet is refused too: it could come between this look and the transaction that stores the manifest.
    """
    wanted = {layer.digest for layer in manifest.layers}
    rows = database.read(lambda tx: _rows(tx, wanted))
    if len(rows) < len(wanted):
        missing = min(wanted - {row.digest for row in rows})
        raise ManifestBlobUnknown("a blob of the manifest is not here", remedy="push it first", digest=missing)
    if sum(row.size for row in rows) > MAX_STATEMENT:
        raise ManifestInvalid(f"its statements are larger than {MAX_STATEMENT} bytes", remedy="push them one by one")
    for row in rows:
        with open_blob(store, spans_of(row.segments)) as stream:
            content = stream.read()
        if not content.lstrip().startswith(b"{") or not _is_json(content):
            raise ManifestInvalid(
                "a layer claims to be a statement and is not JSON",
                remedy="push an image with the media types of image layers",
            )


def _rows(tx: Transaction, digests: Collection[str]) -> Sequence[sa.Row[tuple[str, int, Any]]]:
    query = sa.select(blobs.c.digest, blobs.c.size, blobs.c.segments).where(blobs.c.digest.in_(digests))
    return tx.execute(query).all()


def _is_json(content: bytes) -> bool:
    try:
        msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
