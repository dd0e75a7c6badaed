"""Bringing what is stored to what is set: nothing is lost, nothing rotten is hidden, and old segments stay a while."""

import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.core.blobs.conftest import BlobKeys

from pratique.core.blobs import SegmentSpan
from pratique.core.blobs.local import LocalBlobStore
from pratique.core.blobs.reader import open_blob
from pratique.core.blobs.sealed import SealedBlobStore
from pratique.core.database import Database, Transaction
from pratique.core.digests import Digest, Hasher
from pratique.core.jobs import JobHandlers, JobQueue, JobState, Worker
from pratique.registry.blobs import segments_of, spans_of, store_blob
from pratique.registry.collection.tables import doomed_segments
from pratique.registry.encryption.rewriting import Rewriting
from pratique.registry.ingest import Ingest
from pratique.registry.repositories import ensure_repository
from pratique.registry.tables import blobs
from pratique.registry.types import RepositoryName

QUEUE = JobQueue()


class Shelf:
    """Blobs of a repository, in a store that can be told to encrypt."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.inner = LocalBlobStore(folder / "blobs")
        self.keys = BlobKeys()
        self.store = SealedBlobStore(self.inner, self.keys, writes=False)
        self.rewriting = Rewriting(database, self.store)

    def add(self, content: bytes) -> str:
        ingest = Ingest(self.store, Hasher(), 1 << 40)
        ingest.take([content])
        spans, digest = ingest.seal(), str(Digest.of(content))

        def body(tx: Transaction) -> None:
            store_blob(tx, ensure_repository(tx, RepositoryName.parse("team/app")), digest, spans, tx.now)

        self.database.write(body)
        return digest

    def spans(self, digest: str) -> tuple[SegmentSpan, ...]:
        query = sa.select(blobs.c.segments).where(blobs.c.digest == digest)
        return spans_of(self.database.read(lambda tx: tx.execute(query).scalar_one()))

    def read(self, digest: str) -> bytes:
        with open_blob(self.store, self.spans(digest)) as stream:
            return stream.read()

    def run(self) -> JobState:
        handlers = JobHandlers()
        self.rewriting.register(handlers)
        job = self.database.write(lambda tx: self.rewriting.request(tx, QUEUE))
        Worker(self.database, QUEUE, handlers).drain(1)
        return self.database.read(lambda tx: QUEUE.get(tx, job)).state


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(database, tmp_path)


CONTENTS = [b"", b"small", os.urandom(3_000_000), os.urandom(65536)]


def test_plain_blobs_are_encrypted_and_stay_the_same(shelf: Shelf) -> None:
    digests = [shelf.add(content) for content in CONTENTS]
    before = {span.key for digest in digests for span in shelf.spans(digest)}
    shelf.store.writes = True
    assert shelf.rewriting.survey().plain_segments == len(before)
    assert shelf.run() is JobState.DONE
    found = shelf.rewriting.survey()
    assert (found.plain_segments, found.sealed_bytes) == (0, sum(map(len, CONTENTS)))
    assert [shelf.read(digest) for digest in digests] == CONTENTS
    doomed = sa.select(doomed_segments.c.key)
    assert set(shelf.database.read(lambda tx: tx.execute(doomed).scalars().all())) == before
    assert all(shelf.inner.size(key) >= 0 for key in before)


def test_a_second_run_changes_nothing(shelf: Shelf) -> None:
    shelf.store.writes = True
    digest = shelf.add(CONTENTS[2])
    spans = shelf.spans(digest)
    assert shelf.run() is JobState.DONE
    assert shelf.spans(digest) == spans


def test_turned_off_the_blobs_become_plain_again(shelf: Shelf) -> None:
    shelf.store.writes = True
    digest = shelf.add(CONTENTS[2])
    shelf.store.writes = False
    assert shelf.read(digest) == CONTENTS[2]
    assert shelf.run() is JobState.DONE
    assert {span.version for span in shelf.spans(digest)} == {0}
    assert shelf.read(digest) == CONTENTS[2]


def test_a_new_key_changes_rows_and_no_segment(shelf: Shelf) -> None:
    shelf.store.writes = True
    digest = shelf.add(CONTENTS[2])
    (span,) = shelf.spans(digest)
    stored = shelf.inner.path(span.key).read_bytes()
    shelf.keys.rotate("second")
    assert shelf.run() is JobState.DONE
    assert shelf.rewriting.survey().by_key == {"second": 1}
    assert shelf.inner.path(span.key).read_bytes() == stored
    assert shelf.read(digest) == CONTENTS[2]


def test_rotten_bytes_are_not_hidden_by_encrypting_them(shelf: Shelf) -> None:
    digest = shelf.add(CONTENTS[2])
    path = shelf.inner.path(shelf.spans(digest)[0].key)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    shelf.store.writes = True
    assert shelf.run() is not JobState.DONE
    assert {span.version for span in shelf.spans(digest)} == {0}
    assert len(shelf.inner.keys()) == 1


def test_a_row_that_changes_meanwhile_wins(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = shelf.add(CONTENTS[2])
    other = shelf.add(CONTENTS[3])
    replace = shelf.rewriting._replace

    def change_first(blob_id: int, segments: Any, spans: Any, new: Any) -> bool:
        changed = sa.update(blobs).where(blobs.c.id == blob_id, blobs.c.digest == digest)
        moved = segments_of(shelf.spans(other))
        shelf.database.write(lambda tx: tx.execute(changed.values(segments=moved)))
        return replace(blob_id, segments, spans, new)

    monkeypatch.setattr(shelf.rewriting, "_replace", change_first)
    shelf.store.writes = True
    keys = set(shelf.inner.keys())
    shelf.run()
    assert {span.key for span in shelf.spans(digest)} <= keys
