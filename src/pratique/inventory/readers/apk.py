"""Alpine packages: apk's installed database and the repositories it was pointed at.

Format: `KEY:value` lines in stanzas (apk-tools, database of installed packages): P name, V version, A architecture,
o origin (source package), m maintainer, F folder, R file in it. `etc/apk/repositories` holds one address a line.
"""

import re
from typing import Final

from pratique.inventory.readers.owned import owned_records
from pratique.inventory.readers.text import field, plain
from pratique.inventory.readers.wanted import Wanted
from pratique.inventory.types import NotAssessed, Package, RecordFile

_FIELDS: Final = re.compile(rb"^([PVAom]):(.*)$", re.MULTILINE)
_PLACES: Final = re.compile(rb"^([FR]):(.*)$", re.MULTILINE)
REPOSITORIES: Final = "etc/apk/repositories"
_BRANCH: Final = re.compile(r"/(v\d+\.\d+|edge)(?:/|$)")


def parse_installed(path: str, data: bytes) -> RecordFile:
    """The installed packages, with the language records that their files include."""
    packages: list[Package] = []
    owns: list[tuple[str, str]] = []
    odd = 0
    for stanza in data.split(b"\n\n"):
        if not stanza.strip():
            continue
        package = _package(path, stanza)
        if package is None:
            odd += 1
            continue
        packages.append(package)
        owns += owned_records(_files(stanza), "apk/" + package.name)
    return RecordFile("apk", path, tuple(packages), owns=tuple(owns), problem=_problem(path, odd, bool(packages)))


def _problem(path: str, odd: int, some: bool) -> NotAssessed | None:
    if not odd:
        return None
    reason = f"{odd} of its entries cannot be read"
    return NotAssessed(path, reason, "apk-entry", scope="package" if some else "image", ecosystem="apk")


def _package(path: str, stanza: bytes) -> Package | None:
    values: dict[bytes, bytes] = {}
    for key, value in _FIELDS.findall(stanza):
        if values.setdefault(key, value) is not value and key in b"PVo":
            return None
    name, version = field(values.get(b"P", b"")), field(values.get(b"V", b""))
    if not plain(name) or not plain(version):
        return None
    origin = field(values.get(b"o", b"")) or name
    arch, vendor = field(values.get(b"A", b"")), field(values.get(b"m", b""))
    return Package("apk", name, version, arch, origin, version, vendor=vendor, location=path)


def _files(stanza: bytes) -> bytes:
    """The files of one package, one path a line; only of those that hold any language record at all."""
    if b"-info" not in stanza and b"EGG-INFO" not in stanza and b"node_modules" not in stanza:
        return b""
    folder, paths = b"", []
    for key, value in _PLACES.findall(stanza):
        if key == b"F":
            folder = value
        else:
            paths.append(folder + b"/" + value if folder else value)
    return b"\n".join(paths)


def parse_repositories(path: str, data: bytes) -> RecordFile:
    """The release branches (`v3.19`, `edge`) of the untagged repositories, each once, in `values`."""
    branches = []
    for line in data.splitlines()[:1000]:
        text = field(line, 4096)
        match = None if text.startswith(("#", "@")) else _BRANCH.search(text)
        if match is not None and match[1] not in branches:
            branches.append(match[1])
    return RecordFile("apk-repositories", path, values=tuple(("branch", branch) for branch in branches))


WANTED: Final = (
    Wanted(
        "apk",
        parse_installed,
        r"(?:usr/)?lib/apk/db/installed",
        names=["installed"],
        ecosystem="apk",
        weight="database",
    ),
    Wanted(
        "apk-repositories",
        parse_repositories,
        r"etc/apk/repositories",
        names=["repositories"],
        ecosystem="apk",
        weight="fact",
    ),
)
