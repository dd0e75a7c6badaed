"""Reads a .deb: its control data and the files it would install. Format: deb(5)."""

import io
import lzma
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from pratique.demo.errors import BadArchive

_MAGIC = b"!<arch>\n"
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


@dataclass(frozen=True, slots=True)
class Deb:
    """A package archive that was checked by digest before it is opened."""

    control: str
    """The control paragraph, as dpkg would copy it into its database."""
    info: dict[str, bytes]
    """Further control files (conffiles, md5sums, triggers …) by name."""
    data: bytes
    """The decompressed tar of the files."""

    @classmethod
    def read(cls, path: Path) -> "Deb":
        members = dict(_members(path.read_bytes()))
        control = next((body for name, body in members.items() if name.startswith("control.tar")), None)
        data = next((body for name, body in members.items() if name.startswith("data.tar")), None)
        if control is None or data is None:
            raise BadArchive(f"{path.name} is no .deb: it has no control.tar or data.tar")
        info = dict(_files(_unpack(control)))
        text = info.pop("control", b"").decode()
        return cls(control=text.strip() + "\n", info=info, data=_unpack(data))

    def entries(self) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        """The files, with paths as they lie on a system whose /bin, /lib … are links into /usr."""
        with tarfile.open(fileobj=io.BytesIO(self.data)) as archive:
            for member in archive:
                body = archive.extractfile(member) if member.isreg() else None
                member.name = merged(member.name)
                if member.islnk():
                    member.linkname = merged(member.linkname)
                if member.name:
                    yield member, body.read() if body is not None else b""

    def paths(self) -> list[str]:
        """The paths as dpkg lists them in `info/NAME.list`: unmerged, absolute."""
        with tarfile.open(fileobj=io.BytesIO(self.data)) as archive:
            names = [member.name.removeprefix(".").removeprefix("/") for member in archive]
        return ["/.", *(f"/{name}" for name in names if name)]


def merged(name: str) -> str:
    """The path without `./`, moved under `usr/` where the system has a link to there."""
    path = name.removeprefix("./").strip("/")
    if path == ".":
        return ""
    top = path.partition("/")[0]
    return f"usr/{path}" if top in _MERGED else path


def _members(raw: bytes) -> Iterator[tuple[str, bytes]]:
    if not raw.startswith(_MAGIC):
        raise BadArchive("not an ar archive")
    at = len(_MAGIC)
    while at + 60 <= len(raw):
        header = raw[at : at + 60]
        size = int(header[48:58])
        yield header[:16].decode().strip().rstrip("/"), raw[at + 60 : at + 60 + size]
        at += 60 + size + size % 2


def _unpack(body: bytes) -> bytes:
    if body.startswith(b"\xfd7zXZ"):
        return lzma.decompress(body)
    if body.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)).read()
    if body.startswith(b"\x1f\x8b"):
        import gzip

        return gzip.decompress(body)
    return body


def _files(tar: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file is not None:
                yield member.name.removeprefix("./"), file.read()
