"""Writes image layers: the same files always give the same bytes.

Owner 0, the names' order, whole seconds, one gzip header without a date: OCI image-spec, "layer".
"""

import hashlib
import io
import tarfile
from dataclasses import dataclass
from typing import Self

from isal import isal_zlib


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as it is pushed, and the digest of its tar."""

    digest: str
    diff_id: str
    data: bytes
    created_by: str


class LayerFiles:
    """Files of a layer by path; a later file takes the place of an earlier one."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._entries: dict[str, tuple[tarfile.TarInfo, bytes]] = {}

    def add(self, member: tarfile.TarInfo, body: bytes) -> None:
        """Take an entry of another tar: mode, kind and time stay, owner becomes root."""
        entry = tarfile.TarInfo(member.name)
        entry.type, entry.mode, entry.linkname = member.type, member.mode, member.linkname
        entry.size, entry.mtime = len(body), min(int(member.mtime), self._seconds)
        self._entries[member.name] = (entry, body)

    def file(self, path: str, body: bytes, mode: int = 0o644) -> Self:
        """Write a regular file."""
        entry = tarfile.TarInfo(path)
        entry.mode, entry.size, entry.mtime = mode, len(body), self._seconds
        self._entries[path] = (entry, body)
        return self

    def directory(self, path: str, mode: int = 0o755) -> Self:
        """Make a directory."""
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, mode, self._seconds
        self._entries[path] = (entry, b"")
        return self

    def link(self, path: str, target: str) -> Self:
        """Make a symbolic link."""
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode, entry.linkname, entry.mtime = tarfile.SYMTYPE, 0o777, target, self._seconds
        self._entries[path] = (entry, b"")
        return self

    def body(self, path: str) -> bytes | None:
        """The bytes of a file that was added, or None."""
        found = self._entries.get(path)
        return found[1] if found else None

    def build(self, created_by: str) -> Layer:
        """Return the layer."""
        tar = self._tar()
        data = isal_zlib.compress(tar, level=3, wbits=31)  # 31: with a gzip header, which then bears no date
        return Layer(_digest(data), _digest(tar), data, created_by)

    def _tar(self) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for entry, body in sorted(self._entries.values(), key=_place):
                archive.addfile(entry, io.BytesIO(body) if entry.isreg() else None)
        return out.getvalue()


def _place(item: tuple[tarfile.TarInfo, bytes]) -> tuple[bool, str]:
    """Hard links come last: they may only point to what was written before."""
    return item[0].islnk(), item[0].name


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
