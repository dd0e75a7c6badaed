"""What a command line names: `oci:FOLDER[:NAME]`, `archive:FILE[:NAME]`, `podman:REF`, `docker:REF`, or a reference.

Without a prefix an existing folder is a layout, an existing file an archive or an SBOM by its first bytes, and anything
else a reference to a registry.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pratique.core.errors import Invalid, NotFound, Unavailable
from pratique.scan.sources.archive import archive_images
from pratique.scan.sources.credentials import auth_files
from pratique.scan.sources.images import Image, select
from pratique.scan.sources.layout import FolderBlobs, layout_images
from pratique.scan.sources.reference import Reference
from pratique.scan.sources.registry import RegistryBlobs

Kind = Literal["layout", "archive", "registry", "sbom", "engine"]
_PREFIXES: Final[dict[str, Kind]] = {
    "oci": "layout",
    "archive": "archive",
    "oci-archive": "archive",
    "docker-archive": "archive",
    "registry": "registry",
    "docker": "engine",
    "podman": "engine",
    "sbom": "sbom",
}
_FILES: Final = (".json", ".tar", ".tar.gz", ".tgz", ".xml")
"""Endings of a missing file: no reason to ask a registry, which would leave this machine."""
_SAVE_SECONDS: Final = 900


@dataclass(frozen=True)
class Target:
    """One thing to scan: its kind, where it is, and the name inside it or the engine that holds it."""

    kind: Kind
    place: str
    name: str = ""


@dataclass(frozen=True)
class Access:
    """How registries are reached."""

    auth_file: Path | None = None
    ca: Path | None = None
    insecure: bool = False


def target_of(text: str) -> Target:
    """The target that a text names. Raises `Invalid` where it names none."""
    if text.startswith("docker://"):
        return Target("registry", text.removeprefix("docker://"))
    prefix, colon, rest = text.partition(":")
    kind = _PREFIXES.get(prefix) if colon else None
    if kind in ("layout", "archive"):
        place, name = _split(rest)
        return Target(kind, place, name)
    if kind == "engine":
        return Target(kind, rest, prefix)
    return Target(kind, rest) if kind is not None else _by_looking(text)


def _by_looking(text: str) -> Target:
    """What a text without prefix names: what is there decides."""
    path = Path(text)
    if path.is_dir():
        return Target("layout", text)
    if path.is_file():
        return Target("sbom" if _is_json(path) else "archive", text)
    if text.startswith((".", "/")) or text.endswith(_FILES):
        raise NotFound(f"There is no file or folder {text}.")
    return Target("registry", text)


def _split(rest: str) -> tuple[str, str]:
    """Path and name: the longest existing path in front of a colon."""
    at = len(rest)
    while at > 0:
        if Path(rest[:at]).exists():
            return rest[:at], rest[at + 1 :]
        at = rest.rfind(":", 0, at)
    raise NotFound(f"There is no file or folder {rest}.")


def _is_json(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


@contextmanager
def images_of(target: Target, platform: str | None, access: Access) -> Iterator[list[Image]]:
    """The images of a target, readable while the context lasts. `platform` None asks for all of them."""
    if target.kind == "layout":
        folder = Path(target.place)
        if not (folder / "index.json").is_file():
            raise Invalid(
                f"{folder} is no OCI layout: it has no index.json.",
                remedy="For an unpacked root file system use --rootfs.",
            )
        yield layout_images(FolderBlobs(folder), target.place, target.name, platform)
    elif target.kind == "archive":
        with archive_images(Path(target.place), target.name, platform) as images:
            yield images
    elif target.kind == "engine":
        with _saved(target, platform) as images:
            yield images
    else:
        reference = Reference.parse(target.place)
        with RegistryBlobs(reference, auth_files(access.auth_file), insecure=access.insecure, ca=access.ca) as blobs:
            yield select(blobs, blobs.root, str(reference), platform)


@contextmanager
def _saved(target: Target, platform: str | None) -> Iterator[list[Image]]:
    """An image of a local engine, by way of `save`."""
    with tempfile.TemporaryDirectory(prefix="pratique-") as folder:
        path = Path(folder) / "image.tar"
        command = [target.name, "image", "save", "-o", str(path), target.place]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SAVE_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{target.name} could not be asked for {target.place}: {error}.") from None
        if done.returncode:
            raise NotFound(f"{target.name} does not give {target.place}: {done.stderr.strip()[-300:]}")
        with archive_images(path, "", platform) as images:
            yield images
