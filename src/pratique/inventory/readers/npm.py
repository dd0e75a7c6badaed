"""Installed npm packages: the package.json directly in a folder of node_modules, scoped or not.

A package.json deeper inside a package (`dist/esm/package.json`) describes no package and is not asked for. A key given
twice is refused: JSON readers differ in which one they keep (RFC 8259 §4).
"""

import json
from typing import Any, Final

import msgspec

from pratique.inventory.readers.text import plain
from pratique.inventory.readers.wanted import Wanted
from pratique.inventory.types import NotAssessed, Package, RecordFile


class _Manifest(msgspec.Struct):
    name: Any = None
    version: Any = None
    author: Any = None


class _RepeatedKeyError(ValueError):
    """An object gives one of its keys twice."""


def parse_package_json(path: str, data: bytes) -> RecordFile:
    """The one package that a package.json describes; one without version cannot be judged and is said to be so."""
    text = data.removeprefix(b"\xef\xbb\xbf")
    try:
        manifest = msgspec.json.decode(text, type=_Manifest)
        if text.count(b'"name"') + text.count(b'"version"') > 2 or b"\\u" in text:
            json.loads(text, object_pairs_hook=_once)
    except _RepeatedKeyError:
        return _unread(path, "it gives name or version twice", "npm-ambiguous")
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return _unread(path, "it is no JSON object", "npm-json")
    name, version = manifest.name, manifest.version
    if not isinstance(name, str) or not isinstance(version, str) or not plain(name) or not plain(version.strip()):
        return _unread(path, "it gives no name or no version", "npm-no-version")
    author = manifest.author if isinstance(manifest.author, str) else ""
    vendor = author[:200] if author.isprintable() else ""
    package = Package("npm", name, version.strip(), "", name, version.strip(), vendor=vendor, location=path)
    return RecordFile("npm", path, (package,))


def _once(pairs: list[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs if key in ("name", "version")]
    if len(keys) != len(set(keys)):
        raise _RepeatedKeyError


def _unread(path: str, reason: str, code: str) -> RecordFile:
    return RecordFile("npm", path, problem=NotAssessed(path, reason, code, scope="package", ecosystem="npm"))


WANTED: Final = (
    Wanted(
        "npm",
        parse_package_json,
        r"(?:.*/)?node_modules/(?:@[^/]+/)?[^/@.][^/]*/package\.json",
        names=["package.json"],
        ecosystem="npm",
    ),
)
