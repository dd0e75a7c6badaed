"""Installed Python distributions: METADATA of dist-info folders, PKG-INFO of egg-info folders and eggs, egg-info files.

Format: core metadata (packaging.python.org, PyPA specifications): header lines up to the first empty line. Names are
normalised by PEP 503. Versions stay as written: how they compare is the matcher's business.
"""

import re
from typing import Final

from pratique.inventory.readers.text import field, plain
from pratique.inventory.readers.wanted import Wanted
from pratique.inventory.types import NotAssessed, Package, RecordFile

_FIELDS: Final = re.compile(rb"^(name|version|author|author-email)[ \t]*:[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)
_END: Final = re.compile(rb"\r?\n\r?\n")
_RUNS: Final = re.compile(r"[-_.]+")


def normalised(name: str) -> str:
    """The one spelling of a project's name (PEP 503)."""
    return _RUNS.sub("-", name).lower()


def parse_metadata(path: str, data: bytes) -> RecordFile:
    """The one distribution that a METADATA or PKG-INFO file describes."""
    headers = _END.split(data.removeprefix(b"\xef\xbb\xbf"), maxsplit=1)[0]
    values: dict[bytes, bytes] = {}
    for key, value in _FIELDS.findall(headers):
        if values.setdefault(key.lower(), value) != value and key.lower() in (b"name", b"version"):
            return _unread(path, f"{field(key)} is given twice")
    name, version = field(values.get(b"name", b"")), field(values.get(b"version", b""))
    if not plain(name) or not plain(version):
        return _unread(path, "it gives no name or no version")
    vendor = field(values.get(b"author", b"") or values.get(b"author-email", b""))
    package = normalised(name)
    return RecordFile("python", path, (Package("pypi", package, version, "", package, version, "", "", vendor, path),))


def _unread(path: str, reason: str) -> RecordFile:
    problem = NotAssessed(path, reason, "python-metadata", scope="package", ecosystem="pypi")
    return RecordFile("python", path, problem=problem)


WANTED: Final = (
    Wanted(
        "python",
        parse_metadata,
        r"(?:.*/)?(?:[^/]+\.dist-info/METADATA|[^/]+\.egg-info/PKG-INFO|EGG-INFO/PKG-INFO)",
        names=["METADATA", "PKG-INFO"],
        ecosystem="pypi",
    ),
    Wanted("python", parse_metadata, r".*/[^/]+\.egg-info", extensions=["egg-info"], ecosystem="pypi"),
)
