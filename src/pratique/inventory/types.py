"""The values of the inventory: packages, distributions, layer reports and image inventories.

All are frozen and can be coded by msgspec, so that the reader child, a table and a file hold the same bytes. Everything
in them that came out of an image is foreign text: it is bounded by `Limits` and must be escaped where it is shown.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec

from pratique.inventory.purl import package_url

INDEXER_VERSION = 3
"""Raised whenever a reader learns something: reports made by an older one stay valid, are labelled, and are read again
as a job of low priority."""

Ecosystem = str
"""`deb`, `apk`, `rpm`, `pypi`, `golang` …: the purl type of the packages that one reader yields."""


class NotAssessed(msgspec.Struct, frozen=True, order=True):
    """One thing that was not looked at, and why.

    `scope` says how much is in doubt: `image` and `layer` leave the whole image unassessed, `ecosystem` one family of
    packages, `file` one file, `package` one package. `code` is stable kebab-case (`limit-entries`, `tar-ambiguous`).
    """

    what: str
    reason: str
    code: str
    scope: Literal["image", "layer", "ecosystem", "file", "package"] = "file"
    ecosystem: Ecosystem = ""


class Distro(msgspec.Struct, frozen=True, order=True):
    """A distribution as its own os-release names it; `key` is what advisories are looked up by (`debian:12`)."""

    id: str
    version_id: str = ""
    codename: str = ""
    name: str = ""
    id_like: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """`id:release` with the release cut to what the distribution's feed is published for (`alpine:3.19`)."""
        return f"{self.id}:{self.release}"

    @property
    def release(self) -> str:
        """The release part of `key`: `12`, `3.19`, `22.04`, `edge`; a codename where there is no number (`sid`)."""
        if not self.version_id:
            return self.codename
        parts = self.version_id.split(".")
        if self.id == "debian":
            return parts[0]
        if self.id == "alpine":
            return "edge" if "_alpha" in self.version_id else ".".join(parts[:2])
        if self.id in _BY_MAJOR:
            return parts[0]
        return self.version_id


_BY_MAJOR: Final = frozenset(("rhel", "centos", "rocky", "almalinux", "ol"))
"""Distributions whose feeds speak of a major release as a whole."""


class Package(msgspec.Struct, frozen=True, order=True):
    """One installed package, with everything that matching by source, distribution or ecosystem needs.

    `name` is canonical for its ecosystem (PEP 503 for pypi). `version` and `source_version` carry the epoch.
    `distro` is `Distro.key` for packages of a distribution, else empty. `repository` is the release that the package
    manager was pointed at (apk: `v3.19`, `edge`), else empty. `location` is the path of the record, without leading
    slash. `owned_by` names the distribution's package that ships these files (`deb/python3-six`), else empty.
    `module` is the stream that an rpm was built in (`name:stream:version:context`), else empty. `confidence` is `low`
    where name or version was guessed (a file's name, a manifest's title, text inside a binary).
    """

    ecosystem: Ecosystem
    name: str
    version: str
    arch: str = ""
    source_name: str = ""
    source_version: str = ""
    distro: str = ""
    repository: str = ""
    vendor: str = ""
    location: str = ""
    owned_by: str = ""
    module: str = ""
    confidence: Literal["high", "low"] = "high"

    @property
    def purl(self) -> str:
        """The package URL with version and qualifiers."""
        return package_url(self, with_version=True)

    @property
    def purl_base(self) -> str:
        """The package URL without version or qualifiers: the location of a finding."""
        return package_url(self, with_version=False)


class RecordFile(msgspec.Struct, frozen=True):
    """One file of a layer that a reader understood, or tried to: its packages and facts.

    A later layer that writes or deletes the same path replaces it as a whole.
    `owns` holds, for databases that list files, pairs of (path of a language package's record, owning package name).
    `values` holds key and value of files that are not lists of packages (os-release, apk repositories).
    """

    reader: str
    path: str
    packages: tuple[Package, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    owns: tuple[tuple[str, str], ...] = ()
    problem: NotAssessed | None = None


class Link(msgspec.Struct, frozen=True, order=True):
    """A symbolic link that may stand in the way of a record: near the root, or at a path that a reader wants."""

    path: str
    target: str


class PrivilegedFile(msgspec.Struct, frozen=True, order=True):
    """A regular file that runs with more rights than its caller: setuid, setgid or file capabilities."""

    path: str
    mode: int
    uid: int
    gid: int
    capabilities: bool = False


class Executable(msgspec.Struct, frozen=True, order=True):
    """An executable file and its SHA-256; collected only where `Limits.hash_executables` asks for it."""

    path: str
    size: int
    sha256: str


class SecretPlace(msgspec.Struct, frozen=True, order=True):
    """Where a secret lies: place, kind and keyed fingerprint, never its value.

    `fingerprint` is empty where nobody has a key to make one: it is never a plain hash of the value.
    """

    path: str
    kind: str
    line: int
    fingerprint: str = ""


class Cache(msgspec.Struct, frozen=True, order=True):
    """What a package manager keeps for its next run, which an image never has: files and bytes of one layer."""

    manager: str
    files: int
    size: int


class Reading(msgspec.Struct, frozen=True):
    """What a reader child answers. `digests` runs parallel to `report.secrets`.

    They are hashes of values: they live in memory between the two processes, until fingerprints are made of them.
    """

    report: "LayerReport"
    digests: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"Reading({self.report!r}, {len(self.digests)} digests)"

    def keyed(self, fingerprint: Callable[[bytes], str]) -> "LayerReport":
        """The report with a fingerprint for each secret."""
        made = {digest: fingerprint(digest) for digest in set(self.digests)}
        pairs = zip(self.report.secrets, self.digests, strict=True)
        secrets = tuple(msgspec.structs.replace(place, fingerprint=made[digest]) for place, digest in pairs)
        return msgspec.structs.replace(self.report, secrets=secrets) if secrets else self.report


class LayerReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that one pass over a layer found. Keyed by (diff_id, indexer); true of those bytes for ever.

    A report with a problem of scope `layer` is incomplete: what it lists was read, more may be there.
    """

    indexer: int = INDEXER_VERSION
    digest: str
    """SHA-256 of the bytes as stored (compressed)."""
    diff_id: str
    """SHA-256 of the decompressed tar; empty where the stream could not be decompressed to its end."""
    compression: Literal["gzip", "zstd", "none"] = "none"
    size: int = 0
    diff_size: int = 0
    entries: int = 0
    files: int = 0
    executable_files: int = 0
    records: tuple[RecordFile, ...] = ()
    links: tuple[Link, ...] = ()
    whiteouts: tuple[str, ...] = ()
    """Paths that this layer deletes from those below (the `.wh.` prefix removed)."""
    opaque: tuple[str, ...] = ()
    """Directories whose lower contents this layer hides."""
    directories: tuple[str, ...] = ()
    """Directory entries on the way to a record: they replace a symbolic link of a lower layer."""
    shadows: tuple[str, ...] = ()
    """Near the root: entries that are no directory and so replace a whole directory of a lower layer."""
    privileged: tuple[PrivilegedFile, ...] = ()
    open_paths: tuple[str, ...] = ()
    """Files that everybody may write to, and such folders without the sticky bit; at most `Limits.open_paths`."""
    caches: tuple[Cache, ...] = ()
    executables: tuple[Executable, ...] = ()
    replaced: bytes = b""
    """Sorted eight-byte `marks.mark` of executables that are no record: they replace binaries of lower layers."""
    secrets: tuple[SecretPlace, ...] = ()
    devices: tuple[str, ...] = ()
    problems: tuple[NotAssessed, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the whole layer was read and every reader could look at all it wanted."""
        return not any(problem.scope in ("layer", "image") for problem in self.problems)


class Coverage(msgspec.Struct, frozen=True, order=True):
    """What is known of one ecosystem in an image: `read` (with the number of packages), `absent`, or `not-assessed`."""

    ecosystem: Ecosystem
    state: Literal["read", "absent", "not-assessed"]
    packages: int = 0
    reason: str = ""


class Origin(msgspec.Struct, frozen=True, order=True):
    """The layer that brought a package in its present version; index 0 is the lowest.

    Where there are no layers (a root file system, an SBOM) `diff_id` is empty and the index -1.
    """

    layer_index: int = -1
    diff_id: str = ""


class HistoryStep(msgspec.Struct, frozen=True):
    """One build step of the image; `layer_index` is -1 for a step that wrote no layer. Redact before storing."""

    created_by: str
    layer_index: int = -1
    created: str = ""
    comment: str = ""


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the image's configuration says. Environment values and history may hold secrets: redact before storing."""

    os: str = ""
    architecture: str = ""
    variant: str = ""
    created: str = ""
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    working_directory: str = ""
    history: tuple[HistoryStep, ...] = ()


class PackageSet(msgspec.Struct, frozen=True):
    """A sorted, duplicate-free set of packages and the distribution they stand on; equal sets have equal digests.

    Matching is done once per set, for all images that have it. Where a package came from is not part of the set.
    """

    packages: tuple[Package, ...]
    distro: Distro | None
    digest: str

    @classmethod
    def of(cls, packages: "tuple[Package, ...] | list[Package]", distro: Distro | None) -> "PackageSet":
        """The set of these packages; order and duplicates of the argument do not matter."""
        ordered = tuple(sorted(set(packages)))
        canonical = msgspec.json.encode(("pratique.package-set.v1", distro, ordered))
        return cls(ordered, distro, "sha256:" + hashlib.sha256(canonical).hexdigest())


class PlacedSecret(msgspec.Struct, frozen=True, order=True):
    """A secret of one layer; `deleted` where a later layer deletes its file, which leaves it in the image for all."""

    place: SecretPlace
    origin: Origin
    deleted: bool = False


class ImageInventory(msgspec.Struct, frozen=True, kw_only=True):
    """What an image holds, and what could not be told about it.

    `origins` runs parallel to `package_set.packages`. `not_assessed` is sorted, widest scope first.
    """

    package_set: PackageSet
    origins: tuple[Origin, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    facts: ImageFacts = ImageFacts()
    privileged: tuple[PrivilegedFile, ...] = ()
    secrets: tuple[PlacedSecret, ...] = ()
    open_paths: tuple[str, ...] = ()
    caches: tuple[tuple[int, Cache], ...] = ()
    """Index of a layer, and a cache in it: deleting it later makes the image no smaller."""
    diff_ids: tuple[str, ...] = ()
    not_assessed: tuple[NotAssessed, ...] = ()

    @property
    def distro(self) -> Distro | None:
        return self.package_set.distro

    @property
    def blockers(self) -> tuple[NotAssessed, ...]:
        """The reasons for which the image as a whole cannot be assessed; empty for an assessable image."""
        return tuple(problem for problem in self.not_assessed if problem.scope in ("image", "layer"))

    @property
    def assessable(self) -> bool:
        return not self.blockers

    def placed(self) -> Iterator[tuple[Package, Origin]]:
        """Each package of the set with the layer that brought it."""
        return zip(self.package_set.packages, self.origins, strict=True)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what one layer may cost; hitting one is named in the report and never raises.

    The defaults let every layer pass that a registry would normally see, and keep the reader under 300 MB.
    """

    stored_bytes: int = 64 << 30
    """Bytes of the stored (compressed) stream."""
    tar_bytes: int = 256 << 30
    """Bytes of the decompressed tar."""
    ratio: int = 1_100
    """Decompressed bytes per stored byte, judged after the first 64 MiB: deflate cannot exceed 1,032."""
    entries: int = 5_000_000
    """Entries of the tar."""
    path_bytes: int = 4_096
    """Length of one path or link target: PATH_MAX."""
    header_bytes: int = 1 << 20
    """Length of one extended header (PAX, GNU long name)."""
    record_bytes: int = 128 << 20
    """Length of one package database (dpkg status, rpm's Packages) or archive (jar)."""
    small_record_bytes: int = 4 << 20
    """Length of one package's own record (METADATA, package.json, os-release)."""
    records: int = 100_000
    """Files handed to readers."""
    packages: int = 200_000
    """Packages of one layer."""
    captured_bytes: int = 512 << 20
    """Bytes handed to readers, in all."""
    notes: int = 50_000
    """Links, whiteouts, directories, privileged files and devices noted, each."""
    seconds: float = 600.0
    """Time for one layer."""
    binary_bytes: int = 192 << 20
    """Length of one executable that is looked into."""
    source_tree: bool = False
    """Whether this is a tree of sources, in which lock files are read, and not an image."""
    open_paths: int = 200
    """Paths of one layer that everybody may write to, which are listed."""
    secrets: int = 1_000
    """Secrets of one layer that are listed; 0 looks for none."""
    hash_executables: bool = False
    """Whether executables are hashed: costs up to a second SHA-256 over the layer."""


class ExpectedLayer(msgspec.Struct, frozen=True):
    """What a manifest says of a layer; what the bytes say instead is a problem of scope `layer`. Empty: not checked."""

    digest: str = ""
    diff_id: str = ""
    size: int = -1
