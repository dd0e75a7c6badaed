"""The archive of a bundle: a zip whose first member describes and hashes all others.

    bundle.json      what is inside: feeds, files, sizes, SHA-256, when and from what it was made
    bundle.sig       signature over the bytes of bundle.json (absent in an unsigned bundle)
    files/NAME.zst   the feed files, compressed

Nothing is taken from an archive before its description is verified, and no member's own name is ever a path.
"""

import hashlib
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zstandard

from pratique.advisories.errors import BundleRefused
from pratique.advisories.store.manifest import FeedEntry
from pratique.advisories.store.records import FORMAT
from pratique.advisories.store.states import FeedRecord

DESCRIPTION = "bundle.json"
SIGNATURE = "bundle.sig"
BUNDLE_FORMAT = 1
MAX_DESCRIPTION = 8 << 20
MAX_FILE = 4 << 30
MAX_FILES = 1_000
CHUNK = 1 << 20
_NAME = re.compile(r"\A[a-z0-9][a-z0-9.-]{0,120}\.db\Z")
_STAMP = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same content, whenever it is packed


class FileEntry(msgspec.Struct, frozen=True):
    """One file of the bundle, as it is when unpacked."""

    sha256: str
    size: int


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle says of itself; the signature covers exactly these bytes."""

    format: int
    store_format: int
    kind: str  # 'export' or 'starter'
    created_at: int
    note: str = ""
    feeds: dict[str, FeedEntry]
    records: dict[str, FeedRecord] = {}
    groups: str = ""
    files: dict[str, FileEntry]


class BundleSignature(msgspec.Struct, frozen=True, kw_only=True):
    """ES256 (r||s) with the verification key; `key_id` is the key's RFC 7638 thumbprint."""

    key_id: str
    jwk: dict[str, str]
    value: bytes
    algorithm: str = "ES256"


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle that was read but not yet believed."""

    path: Path
    description: Description
    described: bytes
    signature: BundleSignature | None


def pack(path: Path, description: Description, signature: BundleSignature | None, files: Mapping[str, Path]) -> None:
    """Write an archive; `files` are the files that the description names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(DESCRIPTION, _STAMP), describe(description))
        if signature is not None:
            archive.writestr(zipfile.ZipInfo(SIGNATURE, _STAMP), msgspec.json.encode(signature))
        compressor = zstandard.ZstdCompressor(level=19)
        for name, source in sorted(files.items()):
            with source.open("rb") as plain, archive.open(zipfile.ZipInfo(f"files/{name}.zst", _STAMP), "w") as packed:
                compressor.copy_stream(plain, packed)


def describe(description: Description) -> bytes:
    """The bytes that are signed."""
    return msgspec.json.format(msgspec.json.encode(description, order="deterministic"), indent=1)


def file_entry(path: Path) -> FileEntry:
    with path.open("rb") as stream:
        return FileEntry(hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size)


def open_bundle(path: Path) -> Opened:
    """Read the description and the signature; raises `BundleRefused` for what is no bundle of a known format."""
    try:
        with zipfile.ZipFile(path) as archive:
            described = _small(archive, DESCRIPTION)
            names = set(archive.namelist())
            signed = _small(archive, SIGNATURE) if SIGNATURE in names else b""
        description = msgspec.json.decode(described, type=Description)
        signature = msgspec.json.decode(signed, type=BundleSignature) if signed else None
    except (zipfile.BadZipFile, KeyError, OSError, msgspec.MsgspecError, NotImplementedError, RuntimeError) as error:
        raise BundleRefused(f"{path.name} is no advisory bundle: {error}.") from error
    if (description.format, description.store_format) != (BUNDLE_FORMAT, FORMAT):
        raise BundleRefused(
            f"{path.name} has format {description.format}.{description.store_format}, "
            f"this version reads {BUNDLE_FORMAT}.{FORMAT}.",
            remedy="Make the bundle and read it with the same version.",
        )
    _check_names(path, description)
    return Opened(path, description, described, signature)


def unpack(opened: Opened, directory: Path) -> dict[str, Path]:
    """Unpack every file into `directory` and compare size and hash with the description."""
    directory.mkdir(parents=True, exist_ok=True)
    done: dict[str, Path] = {}
    try:
        with zipfile.ZipFile(opened.path) as archive:
            for name, entry in opened.description.files.items():
                done[name] = _unpack_file(archive, name, entry, directory / name)
    except (zipfile.BadZipFile, KeyError, OSError, zstandard.ZstdError, EOFError) as error:
        raise BundleRefused(f"{opened.path.name} cannot be unpacked: {error}.") from error
    return done


def _unpack_file(archive: zipfile.ZipFile, name: str, entry: FileEntry, target: Path) -> Path:
    hasher = hashlib.sha256()
    size = 0
    with archive.open(f"files/{name}.zst") as packed, target.open("wb") as plain:
        for chunk in zstandard.ZstdDecompressor(max_window_size=1 << 27).read_to_iter(packed, read_size=CHUNK):
            size += len(chunk)
            if size > entry.size:
                break
            hasher.update(chunk)
            plain.write(chunk)
    if (size, hasher.hexdigest()) != (entry.size, entry.sha256):
        target.unlink()
        raise BundleRefused(f"The file {name} in the bundle is not the one that its description names.")
    return target


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as stream:
        content = stream.read(MAX_DESCRIPTION + 1)
    if len(content) > MAX_DESCRIPTION:
        raise zipfile.BadZipFile(f"{name} is too large")
    return content


def _check_names(path: Path, description: Description) -> None:
    named = {name for entry in description.feeds.values() for name in entry.files}
    named |= {description.groups} if description.groups else set()
    strange = [name for name in {*named, *description.files} if not _NAME.match(name)]
    too_large = any(entry.size > MAX_FILE for entry in description.files.values())
    if strange or too_large or len(description.files) > MAX_FILES or not named <= description.files.keys():
        raise BundleRefused(f"{path.name} describes files that a bundle cannot have.")
