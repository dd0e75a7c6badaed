"""A root file system in place, as the one layer that it would be: only what readers want is read.

The walk stays inside the folder: no symbolic link is followed, no other kind of file opened, pseudo file systems and
other mounts of foreign kinds left out. What it finds goes to the reader child as a small tar, so that foreign bytes are
parsed where every layer is parsed.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pratique.core.progress import Reporter
from pratique.inventory import locks
from pratique.inventory.readers import ALL, Index
from pratique.inventory.readers.wanted import Wanted
from pratique.scan.sources.streaming import GeneratedStream

_SKIPPED: Final = frozenset((b"proc", b"sys", b"dev", b"run", b"tmp", b"lost+found", b"var/cache", b"var/tmp"))
_ENGINE_STORES: Final = (b"var/lib/docker", b"var/lib/containers", b"var/lib/containerd", b"var/lib/kubelet/pods")
_PSEUDO: Final = frozenset(
    ("proc", "sysfs", "devtmpfs", "cgroup", "cgroup2", "nfs", "nfs4", "cifs", "fuse.sshfs", "9p")
)
_FETCHED: Final = frozenset((b".git", b".hg", b"node_modules", b".venv", b"venv", b".tox", b".nox", b"target"))
_ENTRIES: Final = 5_000_000
_RECORD_BYTES: Final = 64 << 20
_NEAR_ROOT: Final = 3
_MANAGED: Final = (b"bin/", b"sbin/", b"lib", b"usr/bin/", b"usr/sbin/", b"usr/lib", b"usr/libexec/", b"usr/share/")
_REPORT_EVERY: Final = 2_000


class RootWalk:
    """Walks one root; `stream` is its layer. `denied` counts folders and files that this user may not read."""

    def __init__(self, root: Path, reporter: Reporter) -> None:
        self._root, self._reporter = os.fsencode(root.resolve()), reporter
        self._index = Index(ALL)
        self._foreign = _foreign_mounts()
        self.denied = 0
        self.entries = 0
        self.cut = False

    def stream(self) -> GeneratedStream:
        """The tar of what is wanted, made while it is read."""
        return GeneratedStream(self._members())

    def _members(self) -> Iterator[bytes]:
        todo = [b""]
        while todo:
            folder = todo.pop()
            for name, information in self._listed(folder):
                path = folder + b"/" + name if folder else name
                self._count(path)
                if stat.S_ISDIR(information.st_mode):
                    if self._enters(path):
                        todo.append(path)
                    continue
                yield from self._member(path, folder, name, information)
            if self.entries > _ENTRIES:
                self.cut = True
                break
        yield bytes(1024)

    def _count(self, path: bytes) -> None:
        self.entries += 1
        if self.entries % _REPORT_EVERY == 0:
            self._reporter.advance(_REPORT_EVERY, os.fsdecode(path)[:60])

    def _listed(self, folder: bytes) -> list[tuple[bytes, os.stat_result]]:
        found = []
        try:
            with os.scandir(self._root + b"/" + folder) as entries:
                for entry in entries:
                    try:
                        found.append((entry.name, entry.stat(follow_symlinks=False)))
                    except OSError:
                        self.denied += 1
        except OSError:
            self.denied += 1
        return sorted(found)

    def _enters(self, path: bytes) -> bool:
        if path in _SKIPPED or path in _ENGINE_STORES:
            return False
        return self._root + b"/" + path not in self._foreign

    def _member(self, path: bytes, folder: bytes, name: bytes, information: os.stat_result) -> Iterator[bytes]:
        kind = information.st_mode
        wanted = self._index.match(path, folder, name)
        if stat.S_ISLNK(kind):
            if wanted is not None or path.count(b"/") < _NEAR_ROOT:
                yield from self._link(path)
        elif not stat.S_ISREG(kind):
            return
        elif wanted is not None:
            yield from self._file(path, information, wanted)
        elif kind & 0o111 or kind & 0o6000:
            yield from self._executable(path, name, information)

    def _link(self, path: bytes) -> Iterator[bytes]:
        try:
            target = os.readlink(self._root + b"/" + path)  # noqa: PTH115 - bytes, as file names are
        except OSError:
            self.denied += 1
            return
        yield from member(path, 0o777, kind=b"2", link=target)

    def _file(self, path: bytes, information: os.stat_result, wanted: Wanted) -> Iterator[bytes]:
        """A wanted file with its content; an over-long one as its size alone would be, for the reader to refuse."""
        if wanted.parse is None:
            yield from member(path, information.st_mode)
            return
        data = self._content(path, _RECORD_BYTES)
        if data is not None:
            yield from member(path, information.st_mode, data)

    def _content(self, path: bytes, most: int) -> bytes | None:
        try:
            descriptor = os.open(self._root + b"/" + path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self.denied += 1
            return None
        with os.fdopen(descriptor, "rb") as handle:
            return handle.read(most) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None

    def _executable(self, path: bytes, name: bytes, information: os.stat_result) -> Iterator[bytes]:
        """Setuid files, and binaries outside the folders of package managers: their first bytes are enough."""
        privileged = information.st_mode & 0o6000
        if privileged or not (path.startswith(_MANAGED) or b".so" in name):
            start = self._content(path, 4) or b""
            if privileged or start == b"\x7fELF":
                yield from member(path, information.st_mode, start, owner=(information.st_uid, information.st_gid))


class SourceWalk(RootWalk):
    """A tree of sources: lock files, and packages that lie in it; what tools fetched for a build is left out."""

    def __init__(self, root: Path, reporter: Reporter) -> None:
        super().__init__(root, reporter)
        self._index = Index((*ALL, *locks.ALL))

    def _enters(self, path: bytes) -> bool:
        return path.rpartition(b"/")[2] not in _FETCHED and self._root + b"/" + path not in self._foreign

    def _executable(self, path: bytes, name: bytes, information: os.stat_result) -> Iterator[bytes]:
        """Nothing: a tree of sources is not run."""
        del path, name, information
        return iter(())


def member(
    path: bytes,
    mode: int,
    data: bytes = b"",
    *,
    kind: bytes = b"0",
    link: bytes = b"",
    owner: tuple[int, int] = (0, 0),
) -> Iterator[bytes]:
    """One member of a tar; long names go into a PAX header."""
    records = b""
    if len(path) > 100:
        records += _record(b"path", path)
    if len(link) > 100:
        records += _record(b"linkpath", link)
    if records:
        yield _header(b"PaxHeaders/0", 0o644, len(records), b"x")
        yield _padded(records)
    yield _header(path[:100].rstrip(b"/"), mode & 0o7777, len(data), kind, link=link[:100], owner=owner)
    if data:
        yield _padded(data)


def _record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    while length != len(body) + len(str(length)):
        length = len(body) + len(str(length))
    return str(length).encode() + body


def _header(
    name: bytes, mode: int, size: int, kind: bytes, *, link: bytes = b"", owner: tuple[int, int] = (0, 0)
) -> bytes:
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"%07o\0" % mode
    block[108:116] = b"%07o\0" % (owner[0] & 0o7777777)
    block[116:124] = b"%07o\0" % (owner[1] & 0o7777777)
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"%011o\0" % 0
    block[148:157] = b" " * 8 + kind
    block[157 : 157 + len(link)] = link
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def _foreign_mounts() -> frozenset[bytes]:
    """Mount points of pseudo and network file systems, which hold no installed package and may hang."""
    try:
        lines = Path("/proc/self/mounts").read_bytes().splitlines()
    except OSError:
        return frozenset()
    fields = [line.split() for line in lines]
    return frozenset(one[1].replace(b"\\040", b" ") for one in fields if len(one) > 2 and _foreign(one[2]))


def _foreign(kind: bytes) -> bool:
    return kind.decode("ascii", "replace") in _PSEUDO
