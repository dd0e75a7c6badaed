"""Parts that scanner and trust tests are put together from: a registry in memory, advisories that a test writes."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from pratique.advisories.types import (
    ChangeSet,
    Evidence,
    FeedState,
    FeedStatus,
    Match,
    MatchReport,
    MatchState,
    NeededFeed,
    PackageCoverage,
    PackageKey,
    PackageLike,
)
from pratique.core.database import Database, Transaction
from pratique.core.events import EventBus
from pratique.core.findings.store import FindingStore
from pratique.core.findings.types import Severity
from pratique.core.jobs.handlers import JobHandlers
from pratique.core.jobs.queue import JobQueue
from pratique.inventory.service import read_layer
from pratique.inventory.types import ExpectedLayer, LayerReport
from pratique.registry.errors import BlobUnknown, ManifestUnknown
from pratique.registry.service import RegistryService
from pratique.registry.types import (
    ArtifactKind,
    BlobSource,
    GateChange,
    GateReason,
    GateState,
    ImageSource,
    QuarantineMark,
    RepositoryRef,
)
from pratique.scan.announce import Announcer
from pratique.scan.indexing import Indexer
from pratique.scan.rejudging import Rejudger
from pratique.scan.service import ScanService
from pratique.scan.types import IMAGES_ASSESSED, Place
from pratique.trust.policy import DefaultPolicy
from pratique.trust.service import TrustService


@dataclass(frozen=True)
class Said:
    """One thing that a test's advisories say: these versions of a package are affected."""

    rule: str
    versions: tuple[str, ...]
    fix: str = ""
    severity: Severity = Severity.HIGH
    exploited: bool = False

    @property
    def name(self) -> str:
        return self.rule.replace("vg-", "CVE-")


class WrittenAdvisories:
    """Advisories as a test writes them; every `say` is a new revision."""

    def __init__(self) -> None:
        self.said: dict[PackageKey, list[Said]] = {}
        self.unloaded: set[str] = set()
        self.number = 1
        self.history: list[tuple[int, PackageKey]] = []
        self.matched: list[str] = []

    def say(self, name: str, *what: Said) -> None:
        key = PackageKey("debian", name)
        self.said[key] = list(what)
        self.number += 1
        self.history.append((self.number, key))

    @property
    def revision(self) -> str:
        return f"r{self.number}"

    def refresh(self) -> bool:
        return False

    def feeds(self) -> tuple[FeedStatus, ...]:
        return (FeedStatus("debian", "Debian", FeedState.CURRENT, fetched_at=1),)

    def needed(self, ecosystems: Iterable[str]) -> tuple[NeededFeed, ...]:
        return ()

    def keys_of(self, package: PackageLike) -> tuple[PackageKey, ...]:
        return (PackageKey("debian", package.source_name or package.name),)

    def candidates_digest(self, package: PackageLike, distro: str = "") -> str:
        found = [self.said.get(key, []) for key in self.keys_of(package)]
        return hashlib.sha256(repr(found).encode()).hexdigest()

    def changes(self, old: str, new: str) -> ChangeSet:
        if not old:
            return ChangeSet(old, new, frozenset(), everything=True)
        since = int(old[1:])
        return ChangeSet(old, new, frozenset(key for number, key in self.history if number > since))

    def match(self, packages: Sequence[PackageLike], distro: str = "") -> MatchReport:
        matches, coverage = [], []
        for package in packages:
            self.matched.append(package.name)
            assessed = package.distro not in self.unloaded
            coverage.append(
                PackageCoverage(
                    package,
                    assessed,
                    reason="" if assessed else f"no data for {package.distro}",
                    code="" if assessed else "no-data",
                )
            )
            if assessed:
                matches.extend(self._of(package))
        return MatchReport(tuple(matches), tuple(coverage), self.revision)

    def _of(self, package: PackageLike) -> list[Match]:
        said = [item for key in self.keys_of(package) for item in self.said.get(key, ())]
        return [
            Match(
                package=package,
                state=MatchState.AFFECTED,
                group_id=item.rule,
                aliases=(item.name,),
                title="a fault",
                fixed_version=item.fix,
                severity=item.severity,
                severity_source="debian",
                exploited=item.exploited,
                evidence=(Evidence(item.name, "debian", f"< {item.fix}", "as the test says", 1),),
            )
            for item in said
            if package.version in item.versions
        ]


@dataclass
class Shelf:
    """A registry in memory: manifests, blobs, and the gates that were set."""

    manifests: dict[tuple[str, str], ImageSource] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    gates: dict[tuple[str, str], tuple[GateState, GateReason]] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    failed: dict[tuple[str, str], QuarantineMark] = field(default_factory=dict)

    def put(
        self,
        repository: str,
        layers: Sequence[bytes],
        config: bytes | None = None,
        salt: str = "",
        extra: dict[str, Any] | None = None,
    ) -> Place:
        body = config if config is not None else _config(layers, salt)
        if extra:
            body = json.dumps(json.loads(body) | extra).encode()
        for blob in (*layers, body):
            self.blobs[_digest(blob)] = blob
        manifest = json.dumps([_digest(body), [_digest(layer) for layer in layers]]).encode()
        place = Place(_digest(manifest), f"id-{repository}", repository)
        self.manifests[place.repository_id, place.digest] = ImageSource(
            repository=RepositoryRef(place.repository_id, repository),
            digest=place.digest,
            media_type="manifest",
            kind=ArtifactKind.IMAGE,
            artifact_type="",
            subject="",
            manifest=manifest,
            config=_source(body),
            layers=tuple(_source(layer) for layer in layers),
            members=(),
        )
        return place

    def image_source(self, tx: Transaction, repository_id: str, digest: str) -> ImageSource:
        try:
            return self.manifests[repository_id, digest]
        except KeyError:
            raise ManifestUnknown("no such manifest") from None

    def open_blob(self, digest: str) -> BinaryIO:
        self.opened.append(digest)
        if digest not in self.blobs:
            raise BlobUnknown("no such blob")
        return io.BytesIO(self.blobs[digest])

    def failed_marks(self, tx: Transaction, digests: Sequence[str]) -> dict[tuple[str, str], QuarantineMark]:
        return {key: mark for key, mark in self.failed.items() if key[1] in digests}

    def apply_gates(self, tx: Transaction, changes: Sequence[GateChange]) -> set[tuple[str, str]]:
        changed = set()
        for change in changes:
            key = change.repository_id, change.digest
            if key not in self.gates or self.gates[key][0] is not change.state:
                changed.add(key)
            self.gates[key] = (change.state, change.reason)
        return changed

    def state(self, place: Place) -> GateState | None:
        held = self.gates.get((place.repository_id, place.digest))
        return held[0] if held else None

    def summary(self, place: Place) -> str:
        return self.gates[place.repository_id, place.digest][1].summary


class ReadHere:
    """Reads layers in this process: what the child does, without the child."""

    def __init__(self) -> None:
        self.read_digests: list[str] = []
        self.ends = 0

    def read(self, stream: BinaryIO, media_type: str = "", *, expected: ExpectedLayer | None = None) -> LayerReport:
        self.read_digests.append(expected.digest if expected else "")
        if self.ends:
            from pratique.inventory.types import NotAssessed

            self.ends -= 1
            problem = NotAssessed(what="layer", reason="the reader ended", code="reader-died", scope="layer")
            return LayerReport(digest=expected.digest if expected else "", diff_id="", problems=(problem,))
        return read_layer(stream, media_type, expected=expected)


class Parts:
    """The scanner and trust over one database, with what surrounds them in memory."""

    def __init__(
        self,
        database: Database,
        policy: DefaultPolicy | None = None,
        registry: Callable[[EventBus], RegistryService] | None = None,
    ) -> None:
        self.database = database
        self.jobs = JobQueue()
        self.handlers = JobHandlers()
        self.events = EventBus(self.jobs, self.handlers)
        self.findings = FindingStore()
        self.store = WrittenAdvisories()
        self.shelf = Shelf()
        self.reader = ReadHere()
        self.scan = ScanService(self.store)
        self.announcer = Announcer(self.findings, self.events)
        shelf: Any = self.shelf
        self.registry: RegistryService = registry(self.events) if registry else shelf
        self.indexer = Indexer(database, self.registry, self.reader, self.store, self.announcer)
        self.rejudger = Rejudger(database, self.store, self.announcer)
        self.trust = TrustService(
            database,
            self.registry,
            self.scan,
            findings=self.findings,
            events=self.events,
            jobs=self.jobs,
            policy=policy,
            console="https://localhost:8443",
        )
        self.events.subscribe_inline(
            IMAGES_ASSESSED,
            lambda tx, event: _drop(self.trust.decide_many(tx, [Place.from_json(i) for i in event.data["images"]])),
        )
        self.rejudger.run()

    def index(self, place: Place) -> None:
        def complete(body: Any) -> None:
            self.database.write(body)

        self.indexer.index(place, lambda: None, complete)

    def push(self, repository: str, packages: dict[str, str], salt: str = "") -> Place:
        place = self.shelf.put(repository, [debian_layer(packages)], salt=salt)
        self.index(place)
        return place

    def shown(self, place: Place) -> dict[str, str]:
        """Names of what the image shows, with state."""
        rows = self.database.read(lambda tx: self.findings.of_subject(tx, place.digest, lineage=place.lineage))
        return {stored.finding.title: stored.finding.state for stored, _ in rows}


def debian_layer(packages: dict[str, str], files: dict[str, bytes] | None = None) -> bytes:
    """A layer with Debian's release file and a dpkg database of these packages, all of source NAME."""
    status = "\n".join(
        f"Package: {name}\nStatus: install ok installed\nPriority: optional\nSection: libs\nInstalled-Size: 1\n"
        f"Maintainer: Debian <debian@lists.debian.org>\nArchitecture: amd64\nVersion: {version}\nDescription: x\n"
        for name, version in sorted(packages.items())
    )
    release = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n'
    content = {"etc/os-release": release.encode(), "var/lib/dpkg/status": status.encode(), **(files or {})}
    return tarred(content)


def tarred(content: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, body in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return gzip.compress(out.getvalue(), mtime=0)


def _config(layers: Sequence[bytes], salt: str) -> bytes:
    diff_ids = [_digest(gzip.decompress(layer)) for layer in layers]
    body = {"architecture": "amd64", "os": "linux", "salt": salt, "config": {"User": "10001"}}
    return json.dumps(body | {"rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()


def _drop(_value: object) -> None:
    return None


def _source(blob: bytes) -> BlobSource:
    return BlobSource(_digest(blob), "application/vnd.oci.image.layer.v1.tar+gzip", len(blob), ("segment",))


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
