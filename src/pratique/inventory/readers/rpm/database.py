"""Installed RPM packages out of the database, whichever of its three formats it has.

`version` is `epoch:version-release`, the epoch left out where the package has none. A source package's file name has no
epoch: it is the binary's own where both have one version and release, else unknown and left out.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pratique.inventory.readers.owned import owned_of
from pratique.inventory.readers.rpm import bdb, ndb, sqlite
from pratique.inventory.readers.rpm.errors import BrokenDatabase
from pratique.inventory.readers.rpm.header import (
    ARCH,
    EPOCH,
    MODULARITY_LABEL,
    NAME,
    RELEASE,
    SOURCE_RPM,
    VENDOR,
    VERSION,
    Header,
)
from pratique.inventory.readers.text import field, plain
from pratique.inventory.readers.wanted import Wanted
from pratique.inventory.types import NotAssessed, Package, RecordFile

_FOLDERS: Final = r"(?:var/lib|usr/lib/sysimage|usr/share)/rpm/"
_SOURCE: Final = re.compile(r"(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm")
_KEYS: Final = "gpg-pubkey"


def parse_database(path: str, data: bytes) -> RecordFile:
    """The packages of a database, with the language records that their files include.

    A database that breaks in the middle gives what was before, and leaves the image unassessed.
    """
    packages: list[Package] = []
    owns: list[tuple[str, str]] = []
    problem = None
    odd = 0
    try:
        for blob in _blobs(data):
            header = Header(blob)
            package = _package(path, header)
            if package is None:
                odd += 1
            elif package.name != _KEYS:
                packages.append(package)
                owns += owned_of(header.files(), f"rpm/{package.name}")
    except BrokenDatabase as broken:
        problem = NotAssessed(path, f"the rpm database is damaged: {broken}", "rpm-damaged", "image", "rpm")
    if odd and problem is None:
        reason = f"{odd} of its packages cannot be read"
        problem = NotAssessed(path, reason, "rpm-entry", "package" if packages else "image", "rpm")
    return RecordFile("rpm", path, tuple(packages), owns=tuple(owns), problem=problem)


def _blobs(data: bytes) -> Iterator[bytes]:
    if data.startswith(sqlite.MAGIC):
        return sqlite.blobs(data)
    if data.startswith(ndb.MAGIC):
        return ndb.blobs(data)
    return bdb.blobs(data)


def _package(path: str, header: Header) -> Package | None:
    name, version, release = (field(header.text(tag)) for tag in (NAME, VERSION, RELEASE))
    if name == _KEYS:
        return Package("rpm", name, version)
    if not all(map(plain, (name, version, release))):
        return None
    epoch = _prefix(header.numbers(EPOCH))
    installed = f"{version}-{release}"
    source, source_version = _source(field(header.text(SOURCE_RPM)), name, installed, epoch)
    return Package(
        "rpm",
        name,
        epoch + installed,
        field(header.text(ARCH)),
        source,
        source_version,
        vendor=field(header.text(VENDOR)),
        location=path,
        module=field(header.text(MODULARITY_LABEL)),
    )


def _prefix(epoch: Iterable[int]) -> str:
    first = next(iter(epoch), 0)
    return f"{first}:" if first else ""


def _source(file: str, name: str, installed: str, epoch: str) -> tuple[str, str]:
    match = _SOURCE.fullmatch(file)
    if match is None:
        return name, epoch + installed
    return match[1], epoch + match[2] if match[2] == installed else match[2]


def parse_journal(path: str, data: bytes) -> RecordFile:
    """A write-ahead log with anything in it holds changes that the database itself does not show yet."""
    problem = None
    if data:
        reason = "the rpm database has changes that were never written into it"
        problem = NotAssessed(path, reason, "rpm-journal", "image", "rpm")
    return RecordFile("rpm-journal", path, problem=problem)


WANTED: Final = (
    Wanted(
        "rpm",
        parse_database,
        _FOLDERS + r"(?:Packages|Packages\.db|rpmdb\.sqlite)",
        names=["Packages", "Packages.db", "rpmdb.sqlite"],
        ecosystem="rpm",
        weight="database",
    ),
    Wanted(
        "rpm-journal",
        parse_journal,
        _FOLDERS + r"rpmdb\.sqlite-wal",
        names=["rpmdb.sqlite-wal"],
        ecosystem="rpm",
        weight="database",
    ),
)
