"""An image whose layers and packages are all known: what a push of its manifest costs, decision and gate included.

On SQLite, with the registry's own transaction: 300 packages, 8 layers, some of them affected. First the same image in
another repository, then a new image that is made of known layers. The limit of the design is 20 ms for either.
"""

import argparse
import gzip
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the parts of the tests stand beside this folder
from tests.registry.images import CONFIG, LAYER, Artifact, artifact
from tests.registry.parties import CountingAudit, caller
from tests.scan.parts import Parts, Said, debian_layer, tarred

from pratique.core.blobs import SegmentSpan
from pratique.core.blobs.local import LocalBlobStore
from pratique.core.clock import HOUR, SystemClock
from pratique.core.database import Database, Transaction, create_schema, open_database
from pratique.core.digests import Digest
from pratique.core.events import Event, EventBus
from pratique.core.findings.types import Severity
from pratique.registry.arrivals import MANIFEST_PUSHED
from pratique.registry.assembly import create_service
from pratique.registry.blobs import store_blob
from pratique.registry.gates import Gates
from pratique.registry.locks import Locks
from pratique.registry.parsing import parse_manifest
from pratique.registry.pushes import Pushes
from pratique.registry.repositories import ensure_repository
from pratique.registry.service import RegistryService
from pratique.registry.types import GateState, RepositoryName
from pratique.scan.types import Place

LIMIT = 0.020
PUSHES = 100


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--packages", type=int, default=300)
    count = options.parse_args().packages
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(Path(folder))
        layers = _layers(count)
        first = _image(layers, "first")
        place = bench.push(first, "team/first")
        bench.parts.index(place)
        told = [bench.timed(first, f"team/again{number}") for number in range(PUSHES)]
        print(_line("same image, another repository", told))
        told = [bench.timed(_image(layers, f"salt {number}"), "team/first") for number in range(PUSHES)]
        print(_line("new image of known layers", told))
        bench.database.close()


class _Bench:
    """A registry whose pushes are judged at once when all is known."""

    def __init__(self, folder: Path) -> None:
        self.database: Database = open_database(
            f"sqlite:///{folder}/bench.db", clock=SystemClock(), hints_directory=folder
        )
        create_schema(self.database)
        self.store = LocalBlobStore(folder)

        def join(events: EventBus) -> RegistryService:
            self.pushes = Pushes(
                self.database,
                self.store,
                events,
                Gates(events),
                CountingAudit(),
                Locks(),
                serve_pending=False,
                blob_lease=60,
            )
            return create_service(self.database, self.store, events)

        self.parts = Parts(self.database, registry=join)
        high = Said("vg-1", ("1",), fix="2", severity=Severity.HIGH)
        for number in range(0, 300, 10):
            self.parts.store.say(f"p{number}", high)
        self.parts.events.subscribe_inline(MANIFEST_PUSHED, self._judge)

    def _judge(self, tx: Transaction, event: Event) -> None:
        self.parts.indexer.judge_at_push(tx, Place.from_json(event.data))

    def push(self, image: Artifact, name: str) -> Place:
        self.put_blobs(image, name)
        return self.put_manifest(image, name)[0]

    def timed(self, image: Artifact, name: str) -> tuple[float, float]:
        """Return seconds and CPU seconds of the push of a manifest, whose gate is open when it ends."""
        self.put_blobs(image, name)
        began, cpu = time.perf_counter(), time.process_time()
        _, state = self.put_manifest(image, name)
        if state is not GateState.OPEN:
            raise SystemExit(f"the gate is {state}: the image was not judged inside the push")
        return time.perf_counter() - began, time.process_time() - cpu

    def put_blobs(self, image: Artifact, name: str) -> None:
        def body(tx: Transaction) -> None:
            repository = ensure_repository(tx, RepositoryName(name))
            for digest, content in image.blobs.items():
                writer = self.store.create()
                writer.write(content)
                writer.commit()
                store_blob(tx, repository, digest, [SegmentSpan(writer.key, len(content))], tx.now + HOUR)

        self.database.write(body)

    def put_manifest(self, image: Artifact, name: str) -> tuple[Place, GateState]:
        def body(tx: Transaction) -> tuple[Place, GateState]:
            manifest = parse_manifest(image.manifest, image.media_type)
            pushed = self.pushes.store(
                tx,
                caller=caller("bench"),
                name=RepositoryName(name),
                manifest=manifest,
                content=image.manifest,
                digest=image.digest,
                tag_names=("latest",),
            )
            return Place(image.digest, ensure_repository(tx, RepositoryName(name)), name), pushed.state

        return self.database.write(body)


def _layers(count: int) -> list[bytes]:
    packages = {f"p{number}": "1" for number in range(count)}
    return [debian_layer(packages), *(tarred({f"srv/{number}": b"x"}) for number in range(7))]


def _image(layers: list[bytes], salt: str) -> Artifact:
    diff_ids = [str(Digest.of(gzip.decompress(layer))) for layer in layers]
    config = {"architecture": "amd64", "os": "linux", "salt": salt, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    return artifact(json.dumps(config).encode(), CONFIG, [(layer, LAYER) for layer in layers])


def _line(title: str, told: list[tuple[float, float]]) -> str:
    wall = sorted(seconds for seconds, _ in told)
    cpu = statistics.mean(seconds for _, seconds in told)
    middle, late = statistics.median(wall), wall[int(len(wall) * 0.95)]
    return (
        f"{title}: {middle * 1000:.1f} ms (p95 {late * 1000:.1f} ms), {cpu * 1000:.1f} CPU ms, "
        f"{middle / LIMIT:.2f} of the limit"
    )


if __name__ == "__main__":
    main()
