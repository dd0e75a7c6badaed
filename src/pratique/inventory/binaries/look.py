"""One executable, looked into by everything that can tell what it is made of."""

from typing import Final

from pratique.inventory.binaries import go, rust
from pratique.inventory.binaries.elf import MAGIC, Broken, Elf
from pratique.inventory.types import NotAssessed, Package, RecordFile

MAGICS: Final = frozenset(
    (MAGIC, b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"MZ\x90\0")
)
"""First four bytes of ELF, Mach-O and PE."""

START: Final = 4
READER: Final = "binary"
_PACKED: Final = b"UPX!"
_PACKED_WITHIN: Final = 512


def look_into(path: str, data: bytes | bytearray) -> RecordFile | None:
    """What an executable says of itself; None for one that says nothing."""
    try:
        packages = _packages(path, data)
    except (go.BrokenBuildInfo, rust.BrokenList) as broken:
        ecosystem = "golang" if isinstance(broken, go.BrokenBuildInfo) else "cargo"
        problem = NotAssessed(
            path, f"what it says of its build is damaged: {broken}", "build-info", "package", ecosystem
        )
        return RecordFile(READER, path, problem=problem)
    except Broken:
        return None
    if packages:
        return RecordFile(READER, path, packages)
    if data.find(_PACKED, 0, _PACKED_WITHIN) >= 0:
        problem = NotAssessed(
            path, "it is packed (UPX), so nothing in it can be seen", "packed-binary", "package", "generic"
        )
        return RecordFile(READER, path, problem=problem)
    return None


def _packages(path: str, data: bytes | bytearray) -> tuple[Package, ...]:
    if data[:START] != MAGIC:
        return go.packages_of_other(data, path)
    elf = Elf(data, (go.SECTION, rust.SECTION))
    return go.packages_of_elf(elf, path) + rust.packages_of_elf(elf, path)
