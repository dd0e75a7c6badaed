"""The bundle: one archive with everything that `make up` would fetch, for a machine without network.

It holds the wheels of requirements/runtime.txt for this kind of machine, the built browser assets and a manifest with
the hash of each file. Standard library only.
"""

import hashlib
import io
import json
import platform
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environment import ROOT, STATIC, SetupError, ensure_assets, ensure_environment, hash_of, pip, step, write_stamp

FORMAT = "pratique-bundle-1"
LIMIT = 2 * 1024**3


def make(target: Path | None) -> Path:
    """Write the bundle and return where it is."""
    ensure_environment("runtime.txt")
    ensure_assets()
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    target = target or ROOT / "dist" / f"pratique-bundle-{platform.machine()}-python{python}.tar"
    with tempfile.TemporaryDirectory() as folder:
        wheels = Path(folder) / "wheels"
        with step("fetching wheels"):
            download(wheels)
        files = {f"wheels/{file.name}": file for file in sorted(wheels.iterdir())}
        files |= {f"static/{file.name}": file for file in sorted(STATIC.iterdir())}
        with step("writing the bundle"):
            write(target, python, files)
    return target


def download(wheels: Path) -> None:
    runtime = str(ROOT / "requirements/runtime.txt")
    options = ["--quiet", "--require-hashes", "--only-binary", ":all:", "--no-deps", "-d", str(wheels), "-r", runtime]
    done = pip(["download", *options])
    if done.returncode:
        raise SetupError(f"wheels cannot be fetched: {done.stderr.strip()[-300:]}", "a bundle needs network once")


def write(target: Path, python: str, files: dict[str, Path]) -> None:
    """Write beside the target and rename, so that an interrupted run leaves no half bundle."""
    target.parent.mkdir(parents=True, exist_ok=True)
    manifest = {
        "format": FORMAT,
        "python": python,
        "machine": platform.machine(),
        "requirements": hash_of(ROOT / "requirements/runtime.txt"),
        "files": {name: sha256(file) for name, file in files.items()},
    }
    half = target.with_suffix(".part")
    with tarfile.open(half, "w") as archive:
        add_bytes(archive, "manifest.json", json.dumps(manifest, indent=1).encode())
        for name, file in files.items():
            archive.add(file, name, recursive=False)
    half.replace(target)


def add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


@contextmanager
def opened(bundle: Path) -> Iterator[Path]:
    """Yield a folder with the checked files of a bundle; its `wheels` folder is what pip installs from."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with step(f"checking {bundle.name}"):
            unpack(bundle, place)
        yield place


def unpack(bundle: Path, place: Path) -> None:
    try:
        with tarfile.open(bundle) as archive:
            manifest = read_manifest(archive)
            check_fits(manifest)
            for name, digest in manifest["files"].items():
                unpack_file(archive, name, digest, place)
    except FileNotFoundError as error:
        raise SetupError(f"there is no bundle {bundle}", "`make bundle` on a connected machine makes one") from error
    except (tarfile.TarError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise SetupError(f"{bundle} is not a bundle, or is damaged: {error}", "copy it again") from error


def read_manifest(archive: tarfile.TarFile) -> dict[str, dict[str, str]]:
    stream = archive.extractfile("manifest.json")
    if stream is None:
        raise KeyError("manifest.json")
    manifest: dict[str, dict[str, str]] = json.loads(stream.read(1024 * 1024))
    return manifest


def check_fits(manifest: dict[str, dict[str, str]]) -> None:
    if manifest.get("format") != FORMAT:
        raise SetupError("the bundle is of another format", "make it from the same version of Pratique")
    here = {"python": f"{sys.version_info[0]}.{sys.version_info[1]}", "machine": platform.machine()}
    for name, value in here.items():
        if manifest[name] != value:
            raise SetupError(
                f"the bundle is for {name} {manifest[name]}, and this machine has {value}",
                "make the bundle on a machine like this one; PRATIQUE_PYTHON=python3.X chooses a Python",
            )
    if manifest["requirements"] != hash_of(ROOT / "requirements/runtime.txt"):
        raise SetupError("the bundle was made from another version of Pratique", "make it from this very commit")


def unpack_file(archive: tarfile.TarFile, name: str, digest: str, place: Path) -> None:
    folder, _, base = name.partition("/")
    if folder not in {"wheels", "static"} or base != Path(base).name or base in {"", ".", ".."}:
        raise SetupError(f"the bundle names a file outside its folders: {name!r}", "do not use this bundle")
    entry = archive.getmember(name)
    stream = archive.extractfile(entry)
    if stream is None or entry.size > LIMIT:
        raise KeyError(name)
    target = place / folder / base
    target.parent.mkdir(exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(stream, file, 1024 * 1024)
    if sha256(target) != digest:
        raise SetupError(f"{name} in the bundle is damaged", "copy the bundle again")


def install_assets(place: Path) -> None:
    """Take the built assets of a bundle, unless this tree has its own."""
    if (STATIC / "manifest.json").exists() or not (place / "static").is_dir():
        return
    shutil.copytree(place / "static", STATIC, dirs_exist_ok=True)
    write_stamp("assets", hash_of(ROOT / "console", ROOT / "scripts/build_console.py"))


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
