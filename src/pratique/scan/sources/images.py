"""Images as every source gives them: verified manifest and configuration, layers that can be opened once each.

A source is a set of blobs by digest. `select` walks from a root descriptor through indexes to the images of the asked
platform (OCI image-spec v1.1: image-index.md, manifest.md); every document is checked against its digest.
"""

import hashlib
import platform as machine
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Protocol

from pratique.inventory.errors import UnreadableImage
from pratique.scan.sources.documents import as_digest, as_list, as_object, as_text, parse

DOCUMENT_BYTES: Final = 8 << 20
LAYERS: Final = 512
_DEPTH: Final = 4
_INDEXES: Final = frozenset(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i686": "386"}


@dataclass(frozen=True)
class Descriptor:
    """A blob as a manifest names it; `size` is -1 where nothing says."""

    digest: str
    media_type: str = ""
    size: int = -1
    platform: str = ""


class Blobs(Protocol):
    """Content by digest; what it gives is checked by whoever reads it."""

    def document(self, descriptor: Descriptor) -> bytes:
        """A small blob as a whole. Raises `UnreadableImage` where it is missing or longer than `DOCUMENT_BYTES`."""
        ...

    def layer(self, descriptor: Descriptor) -> AbstractContextManager[BinaryIO]:
        """A layer as a stream."""
        ...


@dataclass(frozen=True)
class Image:
    """One image of one platform, ready to be read."""

    name: str
    digest: str
    platform: str
    config: Mapping[str, Any]
    layers: tuple[Descriptor, ...]
    blobs: Blobs = field(repr=False)

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The diffIDs that the configuration names; empty texts where it names none."""
        named = as_list(as_object(self.config.get("rootfs")).get("diff_ids"))
        texts = tuple(as_text(one) for one in named[: len(self.layers)])
        return texts + ("",) * (len(self.layers) - len(texts))


def host_platform() -> str:
    """The platform of this machine as images name it: `linux/amd64`."""
    return f"linux/{_MACHINES.get(machine.machine(), machine.machine())}"


def select(blobs: Blobs, root: Descriptor, name: str, platform: str | None) -> list[Image]:
    """The images under a descriptor: of one platform, or all where `platform` is None.

    A single image is given whatever its platform is: there is no other to prefer.
    """
    found = list(_images(blobs, root, name, _DEPTH))
    if len(found) <= 1 or platform is None:
        chosen = found
    else:
        chosen = [image for image in found if _fits(image.platform, platform)][:1]
    if not chosen:
        offered = ", ".join(sorted({image.platform for image in found})) or "none"
        raise UnreadableImage(
            f"{name} has no image for {platform or 'any platform'}; it offers: {offered}.",
            remedy="Choose one with --platform, or scan them all with --all-platforms.",
        )
    return chosen


def _fits(offered: str, wanted: str) -> bool:
    return offered == wanted or offered.startswith(wanted + "/")


def _images(blobs: Blobs, root: Descriptor, name: str, depth: int) -> Iterator[Image]:
    document = verified(blobs, root)
    value = parse(document, f"the manifest of {name}")
    digest = root.digest or "sha256:" + hashlib.sha256(document).hexdigest()
    if as_text(value.get("mediaType")) in _INDEXES or root.media_type in _INDEXES or "manifests" in value:
        if depth <= 0:
            raise UnreadableImage(f"{name} nests image indexes more than {_DEPTH} deep.")
        for member in as_list(value.get("manifests"))[:LAYERS]:
            descriptor = descriptor_of(member, f"an index of {name}")
            if _runs(descriptor):
                yield from _images(blobs, descriptor, name, depth - 1)
        return
    yield _image(blobs, value, digest, name)


def _runs(descriptor: Descriptor) -> bool:
    """Attestations and signatures sit in an index as platform unknown/unknown."""
    return not descriptor.platform.startswith("unknown/")


def _image(blobs: Blobs, manifest: Mapping[str, Any], digest: str, name: str) -> Image:
    layers = as_list(manifest.get("layers"))
    if "config" not in manifest or len(layers) > LAYERS:
        raise UnreadableImage(
            f"{name} is no image: its manifest has no configuration, or more than {LAYERS} layers.",
            remedy="Old schema 1 manifests are not read: push the image again with a current client.",
        )
    config = parse(verified(blobs, descriptor_of(manifest["config"], name)), f"the configuration of {name}")
    return Image(
        name,
        digest,
        platform_of(config),
        config,
        tuple(descriptor_of(layer, name) for layer in layers),
        blobs,
    )


def platform_of(config: Mapping[str, Any]) -> str:
    """`os/architecture[/variant]` as a configuration or an index entry says."""
    parts = [as_text(config.get(key)) for key in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if part) or "unknown"


def descriptor_of(value: Any, where: str) -> Descriptor:
    """A descriptor out of JSON (OCI image-spec, descriptor.md)."""
    fields = as_object(value)
    size = fields.get("size")
    return Descriptor(
        as_digest(fields.get("digest"), where),
        as_text(fields.get("mediaType")),
        size if isinstance(size, int) and size >= 0 else -1,
        platform_of(as_object(fields.get("platform"))),
    )


def verified(blobs: Blobs, descriptor: Descriptor) -> bytes:
    """A document whose bytes have the digest by which it was asked for."""
    data = blobs.document(descriptor)
    algorithm, _, stated = descriptor.digest.partition(":")
    if descriptor.digest and hashlib.new(algorithm, data).hexdigest() != stated:
        raise UnreadableImage(f"the bytes of {descriptor.digest} have another digest: the source is damaged.")
    return data


def choose(roots: Sequence[Descriptor], names: Sequence[str], wanted: str, where: str) -> tuple[Descriptor, str]:
    """The root of that name; the only one where no name is given."""
    if wanted:
        for root, name in zip(roots, names, strict=True):
            if wanted in (name, root.digest):
                return root, name or root.digest
    elif len(roots) == 1:
        return roots[0], names[0] or where
    offered = ", ".join(name or root.digest for root, name in zip(roots, names, strict=True)) or "nothing"
    raise UnreadableImage(
        f"{where} holds {offered}{f', not {wanted}' if wanted else ''}.",
        remedy="Name one behind a colon, as in oci:FOLDER:NAME." if roots else "",
    )
