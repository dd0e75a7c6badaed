"""OCI image layouts, as a folder or packed as a tar (OCI image-spec v1.1, image-layout.md)."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from pratique.inventory.errors import UnreadableImage
from pratique.scan.sources.documents import as_list, as_object, as_text, parse
from pratique.scan.sources.images import DOCUMENT_BYTES, Descriptor, Image, choose, descriptor_of, select

_NAME: Final = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME: Final = "io.containerd.image.name"


class FolderBlobs:
    """The blobs of a layout folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def index(self) -> bytes:
        """`index.json`."""
        return self._small(self._folder / "index.json")

    def document(self, descriptor: Descriptor) -> bytes:
        return self._small(self._path(descriptor))

    @contextmanager
    def layer(self, descriptor: Descriptor) -> Iterator[BinaryIO]:
        try:
            stream = self._path(descriptor).open("rb")
        except OSError as error:
            raise UnreadableImage(f"blob {descriptor.digest} cannot be opened: {error.strerror}.") from None
        with stream:
            yield stream

    def _path(self, descriptor: Descriptor) -> Path:
        algorithm, _, digest = descriptor.digest.partition(":")
        return self._folder / "blobs" / algorithm / digest

    @staticmethod
    def _small(path: Path) -> bytes:
        try:
            with path.open("rb") as stream:
                return bounded(stream.read(DOCUMENT_BYTES + 1), path.name)
        except OSError as error:
            raise UnreadableImage(f"{path} cannot be read: {error.strerror}.") from None


class ArchiveBlobs:
    """The blobs of a layout in a tar; also the files of a docker archive, by name."""

    def __init__(self, archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> None:
        self._archive, self._members = archive, members

    def index(self) -> bytes:
        return self.file("index.json")

    def file(self, name: str) -> bytes:
        """A small file as a whole."""
        with self.open(name) as stream:
            return bounded(stream.read(DOCUMENT_BYTES + 1), name)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A plain file of the archive, links inside it followed once."""
        member = self._members.get(name)
        if member is not None and (member.issym() or member.islnk()):
            member = self._members.get(_joined(name, member))
        stream = self._archive.extractfile(member) if member is not None and member.isreg() else None
        if stream is None:
            raise UnreadableImage(f"the archive has no file {name}.")
        with stream:
            yield cast("BinaryIO", stream)

    def document(self, descriptor: Descriptor) -> bytes:
        return self.file(_blob_name(descriptor))

    @contextmanager
    def layer(self, descriptor: Descriptor) -> Iterator[BinaryIO]:
        with self.open(_blob_name(descriptor)) as stream:
            yield stream


def _blob_name(descriptor: Descriptor) -> str:
    return "blobs/" + descriptor.digest.replace(":", "/")


def _joined(name: str, member: tarfile.TarInfo) -> str:
    """Where a link of an archive leads: docker links a repeated `layer.tar` to its first copy."""
    if member.islnk():
        return member.linkname.removeprefix("./")
    parts = name.split("/")[:-1]
    for part in member.linkname.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def bounded(data: bytes, name: str) -> bytes:
    """The data, unless it is longer than a document may be."""
    if len(data) > DOCUMENT_BYTES:
        raise UnreadableImage(f"{name} is larger than {DOCUMENT_BYTES} bytes.")
    return data


def layout_images(blobs: FolderBlobs | ArchiveBlobs, where: str, name: str, platform: str | None) -> list[Image]:
    """The images of a layout that go by `name`, or of its only entry."""
    entries = as_list(parse(blobs.index(), f"{where}: index.json").get("manifests"))
    roots = [descriptor_of(entry, f"{where}: index.json") for entry in entries]
    if not name and len({root.digest for root in roots}) > 1 and _one_image(entries):
        name = roots[0].digest
    root, found = choose(roots, [_name_of(entry) for entry in entries], name, where)
    return select(blobs, root, found, platform)


def _one_image(entries: list[Any]) -> bool:
    """Whether all but the first entry are attachments (referrers) of an image."""
    return all("artifactType" in as_object(entry) for entry in entries[1:])


def _name_of(entry: Any) -> str:
    notes = as_object(as_object(entry).get("annotations"))
    return as_text(notes.get(_CONTAINERD_NAME)) or as_text(notes.get(_NAME))
