"""What one layer holds that merging and later scanners need, bounded in every list."""

import hashlib
from functools import lru_cache
from typing import Any, Final

import msgspec

from pratique.inventory import caches, locks, readers, tar
from pratique.inventory.binaries import MAGICS, START, look_into
from pratique.inventory.marks import mark
from pratique.inventory.readers.text import path_text
from pratique.inventory.readers.wanted import Index, Wanted
from pratique.inventory.secrets import search
from pratique.inventory.tar import Entry, TarWalk
from pratique.inventory.types import (
    Cache,
    Executable,
    Limits,
    Link,
    NotAssessed,
    PrivilegedFile,
    RecordFile,
    SecretPlace,
)

NEAR_ROOT: Final = 3
"""Depth up to which links and directories are noted: what lies deeper cannot hide a whole package database."""

_WHITEOUT: Final = b".wh."
_OPAQUE: Final = b".wh..wh..opq"
_MANAGED: Final = (
    b"bin/", b"sbin/", b"lib", b"usr/bin/", b"usr/sbin/", b"usr/lib", b"usr/libexec/", b"usr/games/", b"usr/share/",
)  # fmt: skip
_OVERLAY_ATTRIBUTES: Final = (b"SCHILY.xattr.trusted.overlay.", b"SCHILY.xattr.user.overlay.")
_CAPABILITY: Final = b"SCHILY.xattr.security.capability"
_PIECE: Final = 1 << 20
_INDEX: Final = Index(readers.ALL)
_SOURCE_INDEX: Final = Index((*readers.ALL, *locks.ALL))


@lru_cache(maxsize=1024)
def _mode(field: bytes) -> int:
    return tar.number(field)


class Problems:
    """Problems by kind, the first of each named and the rest counted, so that a million take no more room than one."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str, str], list[Any]] = {}

    def add(self, problem: NotAssessed) -> None:
        kind = self._kinds.setdefault((problem.scope, problem.code, problem.ecosystem), [problem, 0])
        kind[1] += 1

    def result(self) -> tuple[NotAssessed, ...]:
        """One value a kind, widest scope first."""
        ordered = sorted(self._kinds.values(), key=lambda kind: (SCOPE_ORDER[kind[0].scope], kind[0].code))
        return tuple(
            msgspec.structs.replace(first, reason=f"{first.reason} (and {count - 1} more like it)")
            if count > 1
            else first
            for first, count in ordered
        )


SCOPE_ORDER: Final = {"image": 0, "layer": 1, "ecosystem": 2, "package": 3, "file": 4}


class Collector:
    """Takes the entries of one layer in order; `result` gives the lists of its report.

    Later entries of a path replace earlier ones, as unpacking does; whether that is plain or suspicious is judged here.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._index = _SOURCE_INDEX if limits.source_tree else _INDEX
        self._problems = Problems()
        self._records: dict[bytes, RecordFile] = {}
        self._contents: dict[bytes, bytes] = {}
        self._order: dict[bytes, int] = {}
        self._links: dict[bytes, bytes] = {}
        self._whiteouts: dict[bytes, int] = {}
        self._opaque: set[bytes] = set()
        self._directories: set[bytes] = set()
        self._shadows: set[bytes] = set()
        self._privileged: dict[bytes, PrivilegedFile] = {}
        self._executables: dict[bytes, Executable] = {}
        self._replaced: set[bytes] = set()
        self._devices: set[bytes] = set()
        self._open_paths: set[bytes] = set()
        self._caches: dict[str, list[int]] = {}
        self._secrets: dict[tuple[bytes, str, int], bytes] = {}
        self._captured = self._packages = self._files = self._executable_files = self._seen = 0

    def refuse(self, problem: NotAssessed) -> None:
        """Notes a problem."""
        self._problems.add(problem)

    def take(self, path: bytes, entry: Entry, walk: TarWalk) -> None:
        """Looks at one entry; its content is read from `walk` only if somebody wants it."""
        self._seen += 1
        directory, _, name = path.rpartition(b"/")
        if name.startswith(_WHITEOUT):
            self._whiteout(path, directory, name)
            return
        kind = entry.kind
        if kind == tar.REGULAR:
            self._regular(path, directory, name, entry, walk)
        elif kind == tar.DIRECTORY:
            self._directory(path, entry)
        elif kind == tar.SYMLINK:
            self._symlink(path, directory, name, entry)
        else:
            self._other(path, directory, name, entry)

    def _regular(self, path: bytes, directory: bytes, name: bytes, entry: Entry, walk: TarWalk) -> None:
        self._files += 1
        wanted = self._index.match(path, directory, name)
        start = b""
        if wanted is not None:
            self._record(wanted, path, entry, walk)
        else:
            if path.count(b"/") < 2:
                self._note(self._shadows, path)
            if search.is_wanted(name, entry.size):
                start = self._searched(path, entry.size, walk)
        if path.startswith(caches.STARTS):
            self._cached(path, entry.size)
        mode = _mode(entry.header[100:108])
        if mode & 0o2:
            self._open(path)
        if mode & 0o6000 or entry.pax is not None:
            self._privilege(path, mode, entry)
        if mode & 0o111 and entry.size:
            self._executable(path, name, entry, walk, start)
        if path in self._records and self._order[path] != self._seen:
            self._contradicts(path)  # a binary, written again as something else: readers may take either
            del self._records[path], self._order[path]

    def _cached(self, path: bytes, size: int) -> None:
        """Counts a file of a package manager's cache; locks and other empty files are none."""
        if size:
            cache = self._caches.setdefault(caches.manager_of(path), [0, 0])
            cache[0] += 1
            cache[1] += size

    def _open(self, path: bytes) -> None:
        if len(self._open_paths) < self._limits.open_paths:
            self._open_paths.add(path)

    def _searched(self, path: bytes, size: int, walk: TarWalk) -> bytes:
        """Looks for secrets in a file that is text; gives what was read of it."""
        start = walk.content(min(search.START, size))
        if b"\0" in start or not self._limits.secrets:
            return start
        data = start if len(start) == size else start + walk.content(size - len(start))
        for found in search.secrets_in(path, data):
            if len(self._secrets) >= self._limits.secrets:
                reason = f"the layer has more than {self._limits.secrets} secrets, of which these are listed"
                self.refuse(NotAssessed("layer", reason, "limit-secrets"))
                break
            self._secrets[path, found.kind, found.line] = found.digest
        return data

    def _record(self, wanted: Wanted, path: bytes, entry: Entry, walk: TarWalk) -> None:
        """Reads a wanted file, or says why not."""
        shown = path_text(path)
        if wanted.parse is None:
            problem = wanted.lost(shown, f"this version has no reader for {wanted.ecosystem} packages", "no-reader")
            self._keep(path, RecordFile("unread", shown, problem=problem), b"")
            return
        if self._over_limit(wanted, path, entry.size):
            return
        data = walk.content(entry.size)
        self._captured += len(data)
        try:
            record = wanted.parse(shown, data)
        except Exception as error:  # noqa: BLE001 - a reader's own fault must cost one file, never the image
            problem = wanted.lost(shown, f"its reader failed ({type(error).__name__})", "reader-failed")
            record = RecordFile(wanted.reader, shown, problem=problem)
        self._keep(path, record, hashlib.sha256(data).digest())

    def _over_limit(self, wanted: Wanted, path: bytes, size: int) -> bool:
        limits, shown = self._limits, path_text(path)
        most = limits.small_record_bytes if wanted.weight in ("package", "release") else limits.record_bytes
        if size > most:
            problem = wanted.lost(shown, f"it is larger than {most} bytes", "limit-record")
            self._keep(path, RecordFile(wanted.reader, shown, problem=problem), b"")
        elif self._captured + size > limits.captured_bytes:
            reason = f"the layer's package records exceed {limits.captured_bytes} bytes"
            self.refuse(NotAssessed("layer", reason, "limit-captured", scope="layer"))
        else:
            return False
        return True

    def _keep(self, path: bytes, record: RecordFile, content: bytes) -> None:
        """Keeps one record, unless the layer has too many or says two things about one path."""
        limits = self._limits
        if self._contents.get(path, content) != content or path in self._links:
            self._contradicts(path)
        if len(self._records) >= limits.records:
            reason = f"the layer has more than {limits.records} package records"
            self.refuse(NotAssessed("layer", reason, "limit-records", scope="layer"))
            return
        self._packages += len(record.packages)
        if self._packages > limits.packages:
            reason = f"the layer has more than {limits.packages} packages"
            self.refuse(NotAssessed("layer", reason, "limit-packages", scope="layer"))
            return
        self._records[path], self._contents[path], self._order[path] = record, content, self._seen

    def _contradicts(self, path: bytes) -> None:
        reason = "the layer writes it twice with two contents, of which readers may take either"
        self.refuse(NotAssessed(path_text(path), reason, "duplicate-record", scope="layer"))

    def _privilege(self, path: bytes, mode: int, entry: Entry) -> None:
        capabilities = entry.pax is not None and _CAPABILITY in entry.pax
        if not (mode & 0o6000 or capabilities):
            return
        if len(self._privileged) < self._limits.notes:
            uid, gid = entry.owner
            self._privileged[path] = PrivilegedFile(path_text(path), mode & 0o7777, uid, gid, capabilities)

    def _executable(self, path: bytes, name: bytes, entry: Entry, walk: TarWalk, start: bytes) -> None:
        """Counts executables, looks into binaries, names those that nobody vouches for, and hashes if asked."""
        self._executable_files += 1
        if path in self._order and self._order[path] == self._seen:
            return  # read as a record just now
        self._note(self._replaced, mark(path))
        hashing = self._limits.hash_executables
        library = b".so" in name
        if library and not hashing:
            return
        start = start or walk.peek(START)
        binary = start[:START] in MAGICS and not library
        data = self._looked_into(path, start, entry.size, walk) if binary else None
        if path in self._records or not (hashing or (binary and not path.startswith(_MANAGED))):
            return
        if len(self._executables) < self._limits.notes:
            digest = _hashed(data if data is not None else start, entry.size, walk) if hashing else ""
            self._executables[path] = Executable(path_text(path), entry.size, digest)

    def _looked_into(self, path: bytes, start: bytes, size: int, walk: TarWalk) -> bytearray | None:
        """The content of a binary that was looked into; None for one that is too long."""
        shown = path_text(path)
        if size > self._limits.binary_bytes:
            reason = f"it is larger than {self._limits.binary_bytes} bytes"
            problem = NotAssessed(shown, reason, "limit-binary", scope="package", ecosystem="generic")
            self._keep(path, RecordFile("binary", shown, problem=problem), b"")
            return None
        data = walk.large(start, size)
        try:
            record = look_into(shown, data)
        except Exception as error:  # noqa: BLE001 - a reader's own fault must cost one file, never the image
            reason = f"its reader failed ({type(error).__name__})"
            problem = NotAssessed(shown, reason, "reader-failed", scope="package", ecosystem="generic")
            record = RecordFile("binary", shown, problem=problem)
        if record is not None:
            self._replaced.discard(mark(path))
            self._keep(path, record, hashlib.sha256(msgspec.msgpack.encode(record)).digest())
        return data

    def _directory(self, path: bytes, entry: Entry) -> None:
        if _mode(entry.header[100:108]) & 0o1002 == 0o2:
            self._open(path)
        if path.count(b"/") < NEAR_ROOT:
            self._note(self._directories, path)
        if entry.pax is not None and any(key.startswith(_OVERLAY_ATTRIBUTES) for key in entry.pax):
            reason = "an overlayfs attribute hides lower layers from some engines only"
            self.refuse(NotAssessed(path_text(path), reason, "overlay-attribute", scope="layer"))

    def _symlink(self, path: bytes, directory: bytes, name: bytes, entry: Entry) -> None:
        wanted = self._index.match(path, directory, name)
        if wanted is None and path.count(b"/") >= NEAR_ROOT:
            return
        if path in self._records:
            self._contradicts(path)
            del self._records[path]
        if len(self._links) < self._limits.notes:
            self._links[path] = entry.link
        else:
            self.refuse(NotAssessed(path_text(path), "the layer has too many links", "limit-links"))

    def _other(self, path: bytes, directory: bytes, name: bytes, entry: Entry) -> None:
        wanted = self._index.match(path, directory, name)
        if entry.kind == tar.HARD_LINK:
            self._files += 1
            if wanted is not None:
                self._hard_link(wanted, path, entry.link)
        elif wanted is not None:
            problem = wanted.lost(path_text(path), "it is no plain file", "not-a-file")
            self._keep(path, RecordFile(wanted.reader, path_text(path), problem=problem), b"")
        elif entry.kind in (tar.CHARACTER, tar.BLOCK_DEVICE):
            self._device(path, entry)

    def _hard_link(self, wanted: Wanted, path: bytes, target: bytes) -> None:
        """A second name of a record of this layer is that record again; of anything else, it was not captured."""
        shown, first = path_text(path), self._records.get(target)
        if first is None or first.reader != wanted.reader:
            problem = wanted.lost(shown, "it is a hard link to a file that was not read", "hard-link")
            self._keep(path, RecordFile(wanted.reader, shown, problem=problem), b"")
            return
        packages = tuple(msgspec.structs.replace(package, location=shown) for package in first.packages)
        self._keep(path, msgspec.structs.replace(first, path=shown, packages=packages), self._contents[target])

    def _device(self, path: bytes, entry: Entry) -> None:
        if entry.kind == tar.CHARACTER and entry.device == (0, 0):
            reason = "a 0:0 character device deletes a file for some engines only"
            self.refuse(NotAssessed(path_text(path), reason, "overlay-whiteout", scope="layer"))
        self._note(self._devices, path)

    def _whiteout(self, path: bytes, directory: bytes, name: bytes) -> None:
        if name == _OPAQUE:
            self._note(self._opaque, directory)
            return
        if name.startswith(b".wh..wh."):
            return  # aufs bookkeeping, which every engine skips
        target = name[len(_WHITEOUT) :]
        if target in (b"", b".", b".."):
            reason = "a deletion names no file, which engines treat differently"
            self.refuse(NotAssessed(path_text(path), reason, "whiteout-outside", scope="layer"))
        elif len(self._whiteouts) < self._limits.notes:
            self._whiteouts[directory + b"/" + target if directory else target] = self._seen
        else:
            self.refuse(NotAssessed(path_text(path), "the layer deletes too many files", "limit-whiteouts"))

    def _note(self, kind: set[bytes], path: bytes) -> None:
        if len(kind) < self._limits.notes:
            kind.add(path)

    def result(self) -> dict[str, Any]:
        """The lists of the report, sorted."""
        self._check_deletions()
        ways = {way for path in self._records for way in ancestors(path)}
        return {
            "files": self._files,
            "executable_files": self._executable_files,
            "records": tuple(self._records[path] for path in sorted(self._records)),
            "links": tuple(Link(path_text(path), path_text(target)) for path, target in sorted(self._links.items())),
            "whiteouts": _texts(self._whiteouts),
            "opaque": _texts(self._opaque),
            "directories": _texts(self._directories & ways),
            "shadows": _texts(self._shadows),
            "privileged": tuple(self._privileged[path] for path in sorted(self._privileged)),
            "open_paths": _texts(self._open_paths),
            "caches": tuple(Cache(name, *counts) for name, counts in sorted(self._caches.items())),
            "executables": tuple(self._executables[path] for path in sorted(self._executables)),
            "replaced": b"".join(sorted(self._replaced)),
            "secrets": tuple(SecretPlace(path_text(path), kind, line) for path, kind, line in sorted(self._secrets)),
            "devices": _texts(self._devices),
            "problems": self._problems.result(),
        }

    def digests(self) -> tuple[bytes, ...]:
        """Hashes of the values behind `secrets` of the result, in its order."""
        return tuple(self._secrets[place] for place in sorted(self._secrets))

    def _check_deletions(self) -> None:
        """A whiteout is for lower layers; behind a record of its own layer, some engines delete that as well."""
        for path, order in self._order.items() if self._whiteouts else ():
            for place in (path, *ancestors(path)):
                if self._whiteouts.get(place, 0) > order:
                    reason = "the layer writes and then deletes it, which engines treat differently"
                    self.refuse(NotAssessed(path_text(path), reason, "whiteout-conflict", scope="layer"))


def ancestors(path: bytes) -> list[bytes]:
    """Every directory above a path, nearest first, without the root."""
    above = []
    at = path.rfind(b"/")
    while at > 0:
        above.append(path[:at])
        at = path.rfind(b"/", 0, at)
    return above


def _hashed(start: bytes | bytearray, size: int, walk: TarWalk) -> str:
    digest, left = hashlib.sha256(start), size - len(start)
    while left:
        piece = walk.content(min(left, _PIECE))
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()


def _texts(paths: "dict[bytes, int] | set[bytes]") -> tuple[str, ...]:
    return tuple(path_text(path) for path in sorted(paths))
