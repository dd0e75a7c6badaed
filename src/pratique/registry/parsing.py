"""Reads pushed manifests strictly: what two readers could take differently is refused. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from pratique.core import strict_json as strict
from pratique.core.digests import Digest
from pratique.core.errors import Invalid
from pratique.registry.errors import ManifestInvalid
from pratique.registry.types import ArtifactKind

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})

EMPTY_CONFIG = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
"""Digest of `{}`. Only with the type of an empty config is it none: podman runs the layers beside `{}` typed as one."""
EMPTY_CONFIG_TYPE = "application/vnd.oci.empty.v1+json"

# Docker takes each of these config types for an image (moby, distribution/pull_v2.go and schema2 defaults).
_IMAGE_CONFIGS = frozenset({
    "", "application/json", "application/octet-stream", "text/html", "text/plain",
    "application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json",
})  # fmt: skip
_IMAGE_LAYERS = (
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
    "application/vnd.sylabs.sif.",  # one file that Apptainer runs
)
_FOREIGN = (
    "application/vnd.oci.image.layer.nondistributable.",
    "application/vnd.docker.image.rootfs.foreign.",
)
_STATEMENTS = frozenset({
    "application/vnd.in-toto+json", "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/vnd.dsse.envelope.v1+json",
})  # fmt: skip
"""Layers that are statements about an image, pushed with an image config by buildkit and cosign."""

_FIELDS = frozenset({
    "schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations", "digest",
    "size", "urls", "data", "platform", "architecture", "os", "os.version", "os.features", "variant", "features",
})  # fmt: skip
_FOLDED = frozenset(name.lower() for name in _FIELDS)

MAX_DEPTH = 32
MAX_LAYERS = 1000
MAX_MEMBERS = 1000
MAX_TEXT = 256
_STATEMENT_SUBJECT = "vnd.docker.reference.digest"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One line of a manifest (OCI image specification, descriptor)."""

    digest: str
    media_type: str
    size: int
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()

    @property
    def foreign(self) -> bool:
        """True for a layer whose bytes the registry need not hold."""
        return self.media_type.startswith(_FOREIGN)

    @property
    def runnable(self) -> bool:
        return not (self.platform.get("os") == "unknown" and self.platform.get("architecture") == "unknown")

    @property
    def statement_subject(self) -> str:
        """The digest that buildkit writes beside an attestation in an index, or ''."""
        return self.annotations.get(_STATEMENT_SUBJECT, "")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that has exactly one reading."""

    media_type: str
    kind: ArtifactKind
    artifact_type: str
    subject: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    members: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @property
    def claims_statement(self) -> bool:
        """True when only the types of its layers say that it cannot run: their bytes must be looked at."""
        return self.kind is ArtifactKind.ATTACHED and _statements(self.layers)

    def blobs(self) -> tuple[Descriptor, ...]:
        """Return the config and the layers, each digest once."""
        every = ((self.config,) if self.config else ()) + self.layers
        return tuple({descriptor.digest: descriptor for descriptor in every}.values())


def parse_manifest(content: bytes, media_type: str) -> Manifest:
    """Return the manifest, or raise ManifestInvalid naming what is wrong.

    `media_type` is the Content-Type of the push; a `mediaType` in the body must say the same (OCI image
    specification 1.1, section "mediaType").
    """
    body = _fields(strict_json(content), "the manifest")
    declared = _text(body, "mediaType")
    given = media_type.partition(";")[0].strip().lower() or declared
    if declared and declared != given:
        _refuse(f"the body says {declared!r} and the Content-Type says {given!r}")
    if body.get("schemaVersion") != 2:
        _refuse("schemaVersion is not 2", "push it as an OCI or Docker schema 2 manifest")
    if "manifests" in body and ("layers" in body or "config" in body or "fsLayers" in body):
        _refuse("it is an index and an image at once")
    if given not in MANIFESTS | INDEXES:
        _refuse(f"the media type {given[:100]!r} is not known", "push an OCI manifest or index, or Docker schema 2")
    return _index(body, given) if given in INDEXES else _image(body, given)


def strict_json(content: bytes) -> Any:
    """Return the value, or raise ManifestInvalid: UTF-8, no duplicate key, no NaN, at most 32 levels."""
    try:
        return strict.parse(content, what="the manifest", depth=MAX_DEPTH)
    except strict.NotStrictJson as error:
        raise ManifestInvalid(error.message, remedy=error.remedy) from error


def _image(body: Mapping[str, Any], media_type: str) -> Manifest:
    config = _descriptor(body.get("config"), "config")
    layers = _descriptors(body, "layers", MAX_LAYERS)
    subject = _subject(body)
    artifact_type = _text(body, "artifactType") or config.media_type
    return Manifest(
        media_type=media_type,
        kind=_kind(media_type, config, layers, subject),
        artifact_type=artifact_type,
        subject=subject,
        config=config,
        layers=layers,
        members=(),
        annotations=_texts(body.get("annotations"), "annotations"),
    )


def _index(body: Mapping[str, Any], media_type: str) -> Manifest:
    return Manifest(
        media_type=media_type,
        kind=ArtifactKind.INDEX,
        artifact_type=_text(body, "artifactType"),
        subject=_subject(body),
        config=None,
        layers=(),
        members=_descriptors(body, "manifests", MAX_MEMBERS),
        annotations=_texts(body.get("annotations"), "annotations"),
    )


def _kind(media_type: str, config: Descriptor, layers: Sequence[Descriptor], subject: str) -> ArtifactKind:
    """What an engine would run is an image, whatever it says about itself; only the rest may share another's gate."""
    if media_type == OCI_MANIFEST and config.digest == EMPTY_CONFIG and config.media_type == EMPTY_CONFIG_TYPE:
        return ArtifactKind.ATTACHED if subject else ArtifactKind.OTHER
    if _statements(layers):
        return ArtifactKind.ATTACHED
    if media_type == DOCKER_MANIFEST or _image_config(config) or any(map(_image_layer, layers)):
        return ArtifactKind.IMAGE
    return ArtifactKind.ATTACHED if subject else ArtifactKind.OTHER


def _statements(layers: Sequence[Descriptor]) -> bool:
    return bool(layers) and all(layer.media_type in _STATEMENTS for layer in layers)


def _image_layer(layer: Descriptor) -> bool:
    return layer.media_type.lower().startswith(_IMAGE_LAYERS)


def _image_config(config: Descriptor) -> bool:
    return config.media_type.lower() in _IMAGE_CONFIGS


def _subject(body: Mapping[str, Any]) -> str:
    value = body.get("subject")
    return "" if value is None else _descriptor(value, "subject").digest


def _descriptors(body: Mapping[str, Any], name: str, most: int) -> tuple[Descriptor, ...]:
    values = body.get(name)
    if not isinstance(values, list):
        _refuse(f"{name} is not a list")
    if len(values) > most:
        _refuse(f"{name} has {len(values)} entries", f"at most {most} are taken")
    return tuple(_descriptor(value, f"{name}[{place}]") for place, value in enumerate(values))


def _descriptor(value: Any, place: str) -> Descriptor:
    entry = _fields(value, place)
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**53:
        _refuse(f"{place}.size is not a size")
    try:
        digest = str(Digest.parse(_text(entry, "digest", limit=200)))
    except Invalid as error:
        raise ManifestInvalid(f"{place}.digest is no digest", remedy="use sha256:… or sha512:…") from error
    urls = entry.get("urls") or []
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        _refuse(f"{place}.urls is not a list of texts")
    return Descriptor(
        digest=digest,
        media_type=_text(entry, "mediaType"),
        size=size,
        artifact_type=_text(entry, "artifactType"),
        annotations=_texts(entry.get("annotations"), f"{place}.annotations"),
        platform=_platform(entry.get("platform"), place),
        urls=tuple(urls),
    )


def _platform(value: Any, place: str) -> dict[str, str]:
    if value is None:
        return {}
    return {key: item for key, item in _fields(value, f"{place}.platform").items() if isinstance(item, str)}


def _texts(value: Any, place: str) -> dict[str, str]:
    if value is None:
        return {}
    entries = _object(value, place)
    if not all(isinstance(item, str) for item in entries.values()):
        _refuse(f"{place} is not a map of texts")
    return dict(entries)


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _refuse(f"{place} is not an object")
    return value


def _fields(value: Any, place: str) -> Mapping[str, Any]:
    """An object of the specification, with keys in the one spelling: Go's decoder would read others too."""
    entry = _object(value, place)
    for key in entry:
        if key not in _FIELDS and key.lower() in _FOLDED:
            _refuse(f"{place} has the key {key[:50]!r}, which readers take differently", "write keys as specified")
    return entry


def _text(entry: Mapping[str, Any], name: str, *, limit: int = MAX_TEXT) -> str:
    value = entry.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit or not value.isprintable():
        _refuse(f"{name} is not a short text")
    return value


def _refuse(message: str, remedy: str = "") -> NoReturn:
    raise ManifestInvalid(f"the manifest is refused: {message}", remedy=remedy)
