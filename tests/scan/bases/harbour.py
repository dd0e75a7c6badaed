"""A real registry, scanner and policy over one database: images are pushed under tags, and jobs run to their end."""

import gzip
import json
from pathlib import Path
from typing import Any

from pratique.core.blobs import SegmentSpan
from pratique.core.blobs.local import LocalBlobStore
from pratique.core.clock import HOUR
from pratique.core.database import Database, Transaction
from pratique.core.digests import Digest
from pratique.core.events import EventBus
from pratique.core.jobs.worker import Worker
from pratique.registry.assembly import create_service
from pratique.registry.blobs import store_blob
from pratique.registry.deletions import Deletions
from pratique.registry.gates import Gates
from pratique.registry.locks import Locks
from pratique.registry.parsing import parse_manifest
from pratique.registry.pushes import Pushes
from pratique.registry.repositories import ensure_repository
from pratique.registry.service import RegistryService
from pratique.registry.types import Reference, RepositoryName
from pratique.scan.bases.jobs import BaseJobs
from pratique.scan.bases.keeping import BaseKeeper
from pratique.scan.jobs import ScanJobs
from pratique.scan.types import Place
from pratique.trust.jobs import TrustJobs
from tests.registry.images import CONFIG, LAYER, Artifact, artifact
from tests.registry.parties import CountingAudit, caller
from tests.scan.parts import Parts, debian_layer, tarred


class Harbour:
    """What a test pushes is read, judged and decided when `push` returns; `settle` runs what else is queued."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.store = LocalBlobStore(folder)

        def join(events: EventBus) -> RegistryService:
            gates, audit, locks = Gates(events), CountingAudit(), Locks()
            self.pushes = Pushes(database, self.store, events, gates, audit, locks, serve_pending=False, blob_lease=60)
            self.deletions = Deletions(events, gates, audit, locks)
            return create_service(database, self.store, events)

        self.parts = Parts(database, registry=join)
        parts, store = self.parts, self.parts.store
        self.keeper = BaseKeeper(database, parts.registry, parts.announcer)
        bases = BaseJobs(parts.jobs, parts.events, self.keeper)
        bases.register(parts.handlers)
        advisories: Any = store
        self.jobs = ScanJobs(
            database,
            parts.jobs,
            parts.events,
            advisories,
            indexer=parts.indexer,
            rejudger=parts.rejudger,
            announcer=parts.announcer,
            judged_again=bases.judged_again,
        )
        self.jobs.register(parts.handlers)
        TrustJobs(parts.trust, parts.events).register(parts.handlers)
        self.start_worker()
        self.settle()

    def start_worker(self) -> None:
        self.worker = Worker(self.database, self.parts.jobs, self.parts.handlers)

    def push(self, name: str, image: Artifact, *tags: str, settle: bool = True) -> Place:
        def upload(tx: Transaction) -> None:
            repository = ensure_repository(tx, RepositoryName(name))
            for digest, content in image.blobs.items():
                writer = self.store.create()
                writer.write(content)
                writer.commit()
                store_blob(tx, repository, digest, [SegmentSpan(writer.key, len(content))], tx.now + HOUR)

        def body(tx: Transaction) -> str:
            manifest = parse_manifest(image.manifest, image.media_type)
            self.pushes.store(
                tx, caller=caller("test"), name=RepositoryName(name), manifest=manifest, content=image.manifest,
                digest=image.digest, tag_names=tags,
            )  # fmt: skip
            return ensure_repository(tx, RepositoryName(name))

        self.database.write(upload)
        place = Place(image.digest, self.database.write(body), name)
        if settle:
            self.settle()
        return place

    def delete(self, name: str, reference: str) -> None:
        self.database.write(
            lambda tx: self.deletions.delete(tx, caller("test"), RepositoryName(name), Reference.parse(reference))
        )
        self.settle()

    def settle(self) -> None:
        """Run every job that is due."""
        self.worker.drain()

    def judge_again(self) -> None:
        self.database.write(lambda tx: self.jobs.announce_data(tx, ()))
        self.settle()

    def actions(self, place: Place) -> dict[str, str]:
        """Action of each finding that an image shows, by the name of its vulnerability."""
        rows = self.database.read(lambda tx: self.parts.findings.of_subject(tx, place.digest, lineage=place.lineage))
        return {stored.finding.aliases[0]: stored.finding.action for stored, _ in rows if stored.finding.aliases}

    def evidence(self, place: Place) -> dict[str, dict[str, Any]]:
        rows = self.database.read(lambda tx: self.parts.findings.of_subject(tx, place.digest, lineage=place.lineage))
        return {stored.finding.aliases[0]: dict(shown.evidence) for stored, shown in rows if stored.finding.aliases}


def built(*layers: bytes, salt: str = "", **config: Any) -> Artifact:
    """An image of these layers."""
    diff_ids = [str(Digest.of(gzip.decompress(each))) for each in layers]
    body = {"architecture": "amd64", "os": "linux", "salt": salt, "config": {"User": "10001"}}
    body |= {"rootfs": {"type": "layers", "diff_ids": diff_ids}}
    return artifact(json.dumps(body | config).encode(), CONFIG, [(each, LAYER) for each in layers])


def system(packages: dict[str, str]) -> bytes:
    return debian_layer(packages)


def own(name: str) -> bytes:
    """A layer with one file."""
    return tarred({f"srv/{name}": name.encode()})
