"""The registry's records, uploads and collector over one database, without HTTP: what tests of collection stand on."""

import asyncio
from pathlib import Path

import sqlalchemy as sa
from tests.registry.images import Artifact
from tests.registry.parties import CountingAudit, caller

from pratique.core.blobs import SegmentSpan
from pratique.core.blobs.local import LocalBlobStore
from pratique.core.clock import SECOND
from pratique.core.database import Database, Transaction
from pratique.core.digests import Digest, Hasher
from pratique.core.events import EventBus
from pratique.core.jobs import JobHandlers, JobQueue
from pratique.registry.collection.collector import Collector, Counts
from pratique.registry.deleted import Bin, Restoring
from pratique.registry.deletions import Deletions
from pratique.registry.gates import Gates
from pratique.registry.locks import Locks
from pratique.registry.parsing import parse_manifest
from pratique.registry.pushes import Pushes
from pratique.registry.service import RegistryService
from pratique.registry.tables import blobs, uploads
from pratique.registry.types import GateState, Reference, RepositoryName
from pratique.registry.uploads import Upload, Uploads

NAME = RepositoryName("team/app")
PUSHER = caller("pusher")
LEASE = 100
AGE = 1000


class Content:
    """A registry whose bytes are real."""

    def __init__(self, database: Database, directory: Path, *, keep: float = 0, grace: int = 0) -> None:
        self.database = database
        self.store = LocalBlobStore(directory / "blobs")
        self.events = EventBus(JobQueue(), JobHandlers())
        self.audit = CountingAudit()
        keeper, locks = Gates(self.events), Locks()
        self.deletions = Deletions(self.events, keeper, self.audit, locks, Bin(keep))
        self.pushes = Pushes(
            database, self.store, self.events, keeper, self.audit, locks, serve_pending=False, blob_lease=LEASE
        )
        self.restoring = Restoring(self.pushes, self.events, self.audit, blob_lease=LEASE)
        self.service = RegistryService(database, self.store, keeper)
        self.uploads = Uploads(database, self.store, self.events, lifetime=LEASE, blob_lease=LEASE, blob_limit=1 << 30)
        self.collector = Collector(
            database, self.store, self.events, self.deletions,
            read_grace=grace * SECOND, orphan_age=AGE * SECOND, blob_lease=LEASE * SECOND,
        )  # fmt: skip

    def segment(self, content: bytes) -> SegmentSpan:
        """Write bytes that no row names."""
        writer = self.store.create()
        writer.write(content)
        writer.commit()
        return SegmentSpan(writer.key, writer.size)

    def finish(self, span: SegmentSpan, digest: str, name: RepositoryName = NAME, upload: Upload | None = None) -> bool:
        """Record a blob as the end of an upload does; False when the bytes lay here already (and are removed)."""
        unneeded = asyncio.run(self.uploads.finish(name, Digest.parse(digest), (span,), upload))
        self.uploads.remove(unneeded)
        return not unneeded

    def push_blob(self, content: bytes, name: RepositoryName = NAME) -> str:
        digest = str(Digest.of(content))
        self.finish(self.segment(content), digest, name)
        return digest

    def put(self, artifact: Artifact, *tag_names: str, name: RepositoryName = NAME) -> GateState:
        manifest = parse_manifest(artifact.manifest, artifact.media_type)

        def body(tx: Transaction) -> GateState:
            return self.pushes.store(
                tx, caller=PUSHER, name=name, manifest=manifest, content=artifact.manifest, digest=artifact.digest,
                tag_names=tag_names,
            ).state  # fmt: skip

        return self.database.write(body)

    def push(self, artifact: Artifact, *tag_names: str, name: RepositoryName = NAME) -> GateState:
        for content in artifact.blobs.values():
            self.push_blob(content, name)
        return self.put(artifact, *tag_names, name=name)

    def delete(self, reference: str, name: RepositoryName = NAME) -> None:
        self.database.write(lambda tx: self.deletions.delete(tx, PUSHER, name, Reference.parse(reference)))

    def collect(self) -> Counts:
        return self.collector.run()

    def begin(self, span: SegmentSpan) -> Upload:
        """An upload that holds one recorded segment."""
        state = Hasher("sha256").save()
        identity = asyncio.run(self.uploads.start(PUSHER, NAME, "sha256"))
        upload = Upload(identity, 0, state, ())
        asyncio.run(self.uploads.append(upload, self.uploads.ingest(upload), [span]))
        return Upload(identity, span.size, state, (span,))

    def stored(self) -> set[str]:
        return set(self.store.keys())

    def named(self) -> set[str]:
        """Keys that a row names."""
        tables = (sa.select(blobs.c.segments), sa.select(uploads.c.segments))
        rows = self.database.read(lambda tx: [row for query in tables for row in tx.execute(query).scalars()])
        return {segment[0] for spans in rows for segment in spans}

    def readable(self, artifact: Artifact) -> bool:
        """Every blob of the artifact has its row and its bytes."""
        for digest, content in artifact.blobs.items():
            with self.service.open_blob(digest) as stream:
                if stream.read() != content:
                    return False
        return True
