"""Build information of Go executables: main module, dependencies, the compiler's release (Go, debug/buildinfo).

A block starts with a magic, a pointer size and flags. Since Go 1.18 two texts follow in place; before that two pointers
to texts do. The module text is a table of `path`, `mod`, `dep` and `=>` lines between two marks of sixteen bytes.
"""

import re
from collections.abc import Iterator
from typing import Final

from pratique.inventory.binaries.elf import Elf
from pratique.inventory.readers.text import field, plain
from pratique.inventory.types import Package

MAGIC: Final = b"\xff Go buildinf:"
SECTION: Final = b".go.buildinfo"
UNKNOWN: Final = "(devel)"
"""The version of a module that was built from a working tree."""

_INLINE: Final = 2
_BIG: Final = 1
_HEAD: Final = 32
_ALIGN: Final = 16
_MARK: Final = 16
_MOST_TEXT: Final = 4 << 20
_MOST_LINES: Final = 20_000
_SEARCHED: Final = 1 << 20
_RELEASE: Final = re.compile(rb"(?:devel )?go(1[.\w-]*)")


class BrokenBuildInfo(ValueError):  # noqa: N818 - a verdict on the bytes
    """There is build information, and it cannot be read."""


def packages_of_elf(elf: Elf, path: str) -> tuple[Package, ...]:
    """The modules of a Go executable; none for any other. Raises `BrokenBuildInfo`."""
    block = elf.section(SECTION)
    if block is not None:
        at = block.find(MAGIC)
        return _read(block, at, path, elf) if at >= 0 else ()
    if elf.sectioned:
        return ()
    for segment in elf.segments:  # without section headers: where the linker puts it, as Go's own reader looks
        if segment.writable:
            end = segment.offset + min(segment.size, _SEARCHED)
            at = _aligned(elf.data, segment.offset, end)
            if at >= 0:
                return _read(elf.data[segment.offset : segment.offset + segment.size], at - segment.offset, path, elf)
    return ()


def packages_of_other(data: bytes | bytearray, path: str) -> tuple[Package, ...]:
    """The same of an executable of another system (PE, Mach-O), whose texts stand in place."""
    at = _aligned(data, 0, len(data))
    return _read(data, at, path, None) if at >= 0 else ()


def _aligned(data: bytes | bytearray, start: int, end: int) -> int:
    at = data.find(MAGIC, start, end)
    while at >= 0 and at % _ALIGN:
        at = data.find(MAGIC, at + 1, end)
    return at


def _read(data: bytes | bytearray, at: int, path: str, elf: Elf | None) -> tuple[Package, ...]:
    if at + _HEAD > len(data):
        raise BrokenBuildInfo("it is cut off")
    if data[at + 15] & _INLINE:
        release, place = _inline(data, at + _HEAD)
        modules, _ = _inline(data, place)
    elif elf is None:
        raise BrokenBuildInfo("it was built before Go 1.18 for another system")
    else:
        release, modules = _pointed(data, at, elf)
    return _packages(release, _unmarked(modules), path)


def _inline(data: bytes | bytearray, at: int) -> tuple[bytes, int]:
    """A text behind its length (a varint), and where the next thing starts."""
    length = shift = 0
    while True:
        if at >= len(data) or shift > 35:
            raise BrokenBuildInfo("a length is impossible")
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    if length > _MOST_TEXT or at + length > len(data):
        raise BrokenBuildInfo("a text is longer than what is there")
    return bytes(data[at : at + length]), at + length


def _pointed(data: bytes | bytearray, at: int, elf: Elf) -> tuple[bytes, bytes]:
    width = data[at + 14]
    if width not in (4, 8):
        raise BrokenBuildInfo("its pointers have an impossible size")
    order = "big" if data[at + 15] & _BIG else "little"

    def number(raw: bytes | bytearray) -> int:
        return int.from_bytes(raw, "big" if order == "big" else "little")

    def text(pointer: int) -> bytes:
        header = elf.at(pointer, 2 * width)
        if header is None:
            raise BrokenBuildInfo("a pointer leads nowhere")
        length = number(header[width:])
        found = elf.at(number(header[:width]), length) if length <= _MOST_TEXT else None
        if found is None:
            raise BrokenBuildInfo("a text lies nowhere")
        return found

    first, second = at + 16, at + 16 + width
    return text(number(data[first : first + width])), text(number(data[second : second + width]))


def _unmarked(modules: bytes) -> bytes:
    if len(modules) > 2 * _MARK and modules[-_MARK - 1 : -_MARK] == b"\n":
        return modules[_MARK:-_MARK]
    return b""


def _packages(release: bytes, modules: bytes, path: str) -> tuple[Package, ...]:
    found = [_package(name, version, path) for name, version in modules_of(modules) if plain(name)]
    match = _RELEASE.match(release)
    if match:
        found.append(_package("stdlib", field(match[1]), path))
    if not found:
        raise BrokenBuildInfo("it names neither modules nor a release")
    return tuple(sorted(set(found)))


def modules_of(text: bytes) -> Iterator[tuple[str, str]]:
    """Name and version of each module that was built in; a replacement stands in for what it replaces.

    A replacement by a folder has no version: the module stays under its own name, its version unknown.
    """
    held: tuple[str, str] | None = None
    for line in text.split(b"\n")[:_MOST_LINES]:
        parts = [field(part) for part in line.split(b"\t")]
        if parts[0] in ("mod", "dep") and len(parts) >= 3:
            if held is not None:
                yield held
            held = parts[1], parts[2] or UNKNOWN
        elif parts[0] == "=>" and len(parts) >= 2 and held is not None:
            version = parts[2] if len(parts) > 2 else ""
            held = (parts[1], version) if version not in ("", UNKNOWN) else (held[0], UNKNOWN)
    if held is not None:
        yield held


def _package(name: str, version: str, path: str) -> Package:
    shown = version if plain(version) else UNKNOWN
    return Package("golang", name, shown, "", name, shown, location=path)
