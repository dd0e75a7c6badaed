"""Manifests with an image's config whose layers claim to be statements: their bytes must bear that out."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from pratique.core.blobs import BlobStore
from pratique.core.blobs.reader import open_blob
from pratique.core.database import Database, Transaction
from pratique.registry.blobs import spans_of
from pratique.registry.errors import ManifestInvalid
from pratique.registry.parsing import Manifest
from pratique.registry.tables import blobs

MAX_STATEMENT = 64 * 1024 * 1024


def check_statements(database: Database, store: BlobStore, manifest: Manifest) -> None:
    """Raise ManifestInvalid unless every layer is one JSON object, which no engine can unpack. Blocks.

    Such a manifest shares the gate of what it speaks about, so a file system must not hide in it.
    """
    wanted = [layer.digest for layer in manifest.layers]
    for row in database.read(lambda tx: _rows(tx, wanted)):
        with open_blob(store, spans_of(row.segments)) as stream:
            content = stream.read() if row.size <= MAX_STATEMENT else b""
        if not content.lstrip().startswith(b"{") or not _is_json(content):
            raise ManifestInvalid(
                "a layer claims to be a statement and is not JSON",
                remedy="push an image with the media types of image layers",
            )


def _rows(tx: Transaction, digests: Sequence[str]) -> Sequence[sa.Row[tuple[int, str]]]:
    return tx.execute(sa.select(blobs.c.size, blobs.c.segments).where(blobs.c.digest.in_(digests))).all()


def _is_json(content: bytes) -> bool:
    try:
        msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
