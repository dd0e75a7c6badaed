"""Dependency lists that cargo-auditable puts into Rust executables: section `.dep-v0`, JSON packed by zlib.

Build-time dependencies are not in the program and left out, as are packages of local folders, which no feed knows.
"""

import zlib
from typing import Final

import msgspec

from pratique.inventory.binaries.elf import Elf
from pratique.inventory.readers.text import plain
from pratique.inventory.types import Package

SECTION: Final = b".dep-v0"
_MOST: Final = 8 << 20
_MOST_PACKAGES: Final = 20_000


class BrokenList(ValueError):  # noqa: N818 - a verdict on the bytes
    """There is a dependency list, and it cannot be read."""


class _Crate(msgspec.Struct):
    name: str
    version: str
    source: str = ""
    kind: str = "runtime"
    root: bool = False


class _List(msgspec.Struct):
    packages: list[_Crate]


def packages_of_elf(elf: Elf, path: str) -> tuple[Package, ...]:
    """The crates of a Rust executable; none for any other. Raises `BrokenList`."""
    packed = elf.section(SECTION)
    if packed is None:
        return ()
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, _MOST)
        crates = msgspec.json.decode(text, type=_List).packages if unpacker.eof else None
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BrokenList("it is no packed JSON of crates") from None
    if crates is None or len(crates) > _MOST_PACKAGES:
        raise BrokenList("it is larger than a list of crates can be")
    return tuple(sorted({_package(crate, path) for crate in crates if _counts(crate)}))


def _counts(crate: _Crate) -> bool:
    return crate.kind != "build" and crate.source != "local" and plain(crate.name) and plain(crate.version)


def _package(crate: _Crate, path: str) -> Package:
    return Package("cargo", crate.name, crate.version, "", crate.name, crate.version, location=path)
