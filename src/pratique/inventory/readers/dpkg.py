"""Debian packages: dpkg's status file, the status.d folder of distroless images, and the lists of owned files.

Formats: dpkg(1), deb-control(5), deb-src-control(5) for `Source: name (version)`. A package counts as present unless
its status word is `not-installed` or `config-files`; the entries of status.d carry no status.
"""

import re
from typing import Final

from pratique.inventory.readers.owned import owned_records
from pratique.inventory.readers.text import field, plain
from pratique.inventory.readers.wanted import Wanted
from pratique.inventory.types import NotAssessed, Package, RecordFile

_FIELDS: Final = re.compile(
    rb"^(package|status|version|source|architecture|maintainer)[ \t]*:[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE
)
_STANZA_END: Final = re.compile(rb"\n[ \t\r]*\n")
_SOURCE: Final = re.compile(r"(\S+)(?: \((\S+)\))?")
_GONE: Final = frozenset(("not-installed", "config-files"))


def parse_status(path: str, data: bytes) -> RecordFile:
    """The packages of a status file; stanzas that name no package or version are counted as a problem."""
    packages, odd = [], []
    for stanza in _STANZA_END.split(data):
        if not stanza.strip():
            continue
        package, fault = _package(path, stanza)
        if package is not None:
            packages.append(package)
        elif fault:
            odd.append(fault)
    return RecordFile("dpkg", path, tuple(packages), problem=_problem(path, odd, bool(packages)))


def _problem(path: str, odd: list[str], some: bool) -> NotAssessed | None:
    if not odd:
        return None
    reason = f"{len(odd)} of its entries cannot be read, first: {odd[0]}"
    return NotAssessed(path, reason, "dpkg-entry", scope="package" if some else "image", ecosystem="deb")


def _package(path: str, stanza: bytes) -> tuple[Package | None, str]:
    values: dict[bytes, bytes] = {}
    for name, value in _FIELDS.findall(stanza):
        key = name.lower()
        if key in values:
            return None, f"{field(key)} is given twice"
        values[key] = value
    name, version = field(values.get(b"package", b"")), field(values.get(b"version", b""))
    status = values.get(b"status")
    if status is not None and field(status).rpartition(" ")[2] in _GONE:
        return None, ""
    if not plain(name) or not plain(version):
        return None, f"no package name or version in {field(stanza[:60])!r}"
    source, source_version = _source(field(values.get(b"source", b"")), name, version)
    arch, vendor = field(values.get(b"architecture", b"")), field(values.get(b"maintainer", b""))
    return Package("deb", name, version, arch, source, source_version, vendor=vendor, location=path), ""


def _source(text: str, name: str, version: str) -> tuple[str, str]:
    """Source name and version: both are the binary's own where the field is absent or says nothing else."""
    match = _SOURCE.fullmatch(text)
    if match is None:
        return name, version
    return match[1], match[2] or version


def parse_list(path: str, data: bytes) -> RecordFile:
    """Which language packages' records a Debian package ships: `info/NAME.list`, one absolute path a line."""
    name = path.rpartition("/")[2].removesuffix(".list").partition(":")[0]
    return RecordFile("dpkg-list", path, owns=owned_records(data, "deb/" + name))


def parse_md5sums(path: str, data: bytes) -> RecordFile:
    """The same from the `NAME.md5sums` beside an entry of status.d: `digest  path` a line."""
    name = path.rpartition("/")[2].removesuffix(".md5sums")
    return RecordFile("dpkg-list", path, owns=owned_records(data, "deb/" + name))


WANTED: Final = (
    Wanted(
        "dpkg",
        parse_status,
        r"var/lib/dpkg/status",
        names=["status"],
        ecosystem="deb",
        weight="database",
    ),
    Wanted(
        "dpkg-list",
        parse_md5sums,
        r"var/lib/dpkg/status\.d/[^/]+\.md5sums",
        directories=["var/lib/dpkg/status.d"],
        ecosystem="deb",
        weight="fact",
    ),
    Wanted(
        "dpkg",
        parse_status,
        r"var/lib/dpkg/status\.d/(?!.*\.md5sums$)[^/]+",
        directories=["var/lib/dpkg/status.d"],
        ecosystem="deb",
        weight="database",
    ),
    Wanted(
        "dpkg-list",
        parse_list,
        r"var/lib/dpkg/info/[^/]+\.list",
        directories=["var/lib/dpkg/info"],
        ecosystem="deb",
        weight="fact",
    ),
)
