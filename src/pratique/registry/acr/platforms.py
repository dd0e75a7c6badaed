"""For which architecture and system an image is made: its config says so, and it never changes."""

import threading
from collections.abc import Iterable, Mapping

import msgspec
import sqlalchemy as sa

from pratique.core.blobs import BlobStore
from pratique.core.blobs.reader import read_spans
from pratique.core.database import Database
from pratique.registry.blobs import spans_of
from pratique.registry.tables import blobs

MAX_CONFIG = 1024 * 1024
"""Bytes of a config that is read for this; larger ones say nothing."""
_REMEMBERED = 20_000

Platform = tuple[str, str]
"""(architecture, system); '' where the config does not say."""


class _Config(msgspec.Struct):
    architecture: str = ""
    os: str = ""


class Platforms:
    """Reads configs, each once; blocks."""

    def __init__(self, database: Database, store: BlobStore) -> None:
        self._database = database
        self._store = store
        self._known: dict[str, Platform] = {}
        self._lock = threading.Lock()

    def of(self, configs: Iterable[str]) -> Mapping[str, Platform]:
        """Return by digest of the config what it says; unreadable ones say nothing."""
        wanted = set(configs)
        found = {digest: self._known[digest] for digest in wanted & self._known.keys()}
        missing = wanted - found.keys()
        if missing:
            read = self._read(missing)
            found |= read
            with self._lock:
                if len(self._known) + len(read) > _REMEMBERED:
                    self._known = {}
                self._known |= read
        return found

    def _read(self, digests: Iterable[str]) -> dict[str, Platform]:
        query = sa.select(blobs.c.digest, blobs.c.size, blobs.c.segments).where(blobs.c.digest.in_(list(digests)))
        rows = self._database.read(lambda tx: tx.execute(query).all())
        found = {}
        for row in rows:
            content = b""
            if row.size <= MAX_CONFIG:
                content = b"".join(read_spans(self._store, spans_of(row.segments), 0, row.size))
            found[row.digest] = _platform(content)
        return found


def _platform(content: bytes) -> Platform:
    try:
        config = msgspec.json.decode(content, type=_Config)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return "", ""
    return config.architecture[:64], config.os[:64]
