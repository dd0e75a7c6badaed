"""Image archives: what `docker save` and `podman save` write, and OCI layouts packed as a tar; plain or gzip.

The outer tar is only a container here: what is read from it is checked by digest, or by the diffIDs that the
configuration names, so that nothing depends on which of two members of one name a reader takes.
"""

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

from pratique.inventory.errors import StopReading, UnreadableImage
from pratique.inventory.streams import Stored, Tape
from pratique.inventory.types import Limits
from pratique.scan.sources.documents import as_list, as_object, as_text, parse
from pratique.scan.sources.images import LAYERS, Descriptor, Image, platform_of
from pratique.scan.sources.layout import ArchiveBlobs, layout_images

_MEMBERS: Final = 100_000


class DockerBlobs:
    """The layers of a docker archive, which are named by file; the name stands in the descriptor's media type."""

    def __init__(self, files: ArchiveBlobs) -> None:
        self._files = files

    def document(self, descriptor: Descriptor) -> bytes:
        return self._files.file(descriptor.media_type)

    @contextmanager
    def layer(self, descriptor: Descriptor) -> Iterator[BinaryIO]:
        with self._files.open(descriptor.media_type) as stream:
            yield stream


@contextmanager
def archive_images(path: Path, name: str, platform: str | None) -> Iterator[list[Image]]:
    """The images of an archive, usable while the context lasts."""
    with _plain(path) as raw:
        try:
            archive = tarfile.open(fileobj=raw, mode="r:")  # noqa: SIM115 - closed below, with its own errors mapped
            members = _members(archive)
        except (tarfile.TarError, OSError) as error:
            raise UnreadableImage(f"{path} is no image archive: {error}.") from None
        with archive:
            files = ArchiveBlobs(archive, members)
            if "index.json" in members:
                yield layout_images(files, str(path), name, platform)
            elif "manifest.json" in members:
                yield _docker_images(files, str(path), name)
            else:
                raise UnreadableImage(
                    f"{path} holds neither index.json nor manifest.json.",
                    remedy="Write it with `podman save`, `docker save` or `skopeo copy … oci-archive:FILE`.",
                )


def _members(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    members: dict[str, tarfile.TarInfo] = {}
    for count, member in enumerate(archive):
        if count >= _MEMBERS:
            raise UnreadableImage(f"the archive has more than {_MEMBERS} members.")
        members[member.name.removeprefix("./")] = member
    return members


@contextmanager
def _plain(path: Path) -> Iterator[IO[bytes]]:
    """The archive as a file that can be sought in; a compressed one is unpacked into a temporary file."""
    with path.open("rb") as stored:
        if stored.read(4)[:2] not in (b"\x1f\x8b", b"\x28\xb5"):
            stored.seek(0)
            yield stored
            return
        stored.seek(0)
        limits = Limits()
        with tempfile.TemporaryFile() as unpacked:
            try:
                for chunk in Tape(Stored(stored, limits), limits).chunks():
                    unpacked.write(chunk)
            except StopReading as stop:
                raise UnreadableImage(f"{path} cannot be unpacked: {stop.reason}.") from None
            unpacked.seek(0)
            yield unpacked


def _docker_images(files: ArchiveBlobs, where: str, name: str) -> list[Image]:
    """The images of `manifest.json` (docker image-spec v1.2): all of them, or the one with that tag."""
    listed = parse(b'{"images":' + files.file("manifest.json") + b"}", f"{where}: manifest.json")
    entries = [as_object(entry) for entry in as_list(listed["images"])[:_MEMBERS]]
    chosen = [entry for entry in entries if not name or name in as_list(entry.get("RepoTags"))]
    if not chosen:
        raise UnreadableImage(f"{where} holds no image {name}.")
    return [_docker_image(files, entry, where) for entry in chosen]


def _docker_image(files: ArchiveBlobs, entry: dict[str, Any], where: str) -> Image:
    config_name = as_text(entry.get("Config"))
    config = parse(files.file(config_name), f"{where}: {config_name}")
    layers = tuple(Descriptor("", as_text(layer)) for layer in as_list(entry.get("Layers"))[:LAYERS])
    tag = next(iter(map(as_text, as_list(entry.get("RepoTags")))), "")
    return Image(tag or where, "", platform_of(config), config, layers, DockerBlobs(files))
