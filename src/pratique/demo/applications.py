"""Fetches the application packages of the demo through their own clients, and lays them out as these install them."""

import base64
import csv
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from pratique.demo.errors import FetchFailed, ToolMissing
from pratique.demo.layers import LayerFiles

PYTHON = ("Django==3.2.0", "asgiref==3.3.4", "sqlparse==0.4.4", "pytz==2024.1")
NODE = ("minimist@1.2.0",)
_SITE = "usr/local/lib/python3.11/site-packages"
_MODULES = "srv/app/node_modules"
_FILE_LIMIT = 64 * 1024 * 1024


def wheels(folder: Path, *, offline: bool = False) -> list[Path]:
    """Return the wheels of the demo's Python packages, fetched by pip once; raises ToolMissing, FetchFailed."""
    found = [path for name in PYTHON if (path := _wheel(folder, name)) is not None]
    if len(found) == len(PYTHON):
        return found
    _online("Python packages", offline=offline)
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--quiet"]
    _run([sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), *PYTHON], "pip")
    return [path for name in PYTHON if (path := _wheel(folder, name)) is not None]


def tarballs(folder: Path, *, offline: bool = False) -> list[Path]:
    """Return the archives of the demo's Node packages, fetched by npm once; raises ToolMissing, FetchFailed."""
    found = [folder / f"{name.replace('@', '-')}.tgz" for name in NODE]
    if all(path.is_file() for path in found):
        return found
    _online("Node packages", offline=offline)
    npm = shutil.which("npm")
    if npm is None:
        raise ToolMissing(
            "npm is not on this machine, and the demo takes minimist 1.2.0 from it",
            remedy="install Node.js, or run `pratique demo` without it: the image is then built from Python alone",
        )
    folder.mkdir(parents=True, exist_ok=True)
    _run([npm, "pack", "--silent", "--pack-destination", str(folder), *NODE], "npm")
    return found


def install_wheel(path: Path, files: LayerFiles) -> None:
    """Write a wheel's files as pip does: RECORD extended by INSTALLER and REQUESTED. Binary distribution format."""
    with zipfile.ZipFile(path) as wheel:
        for item in wheel.infolist():
            if not item.is_dir() and item.file_size <= _FILE_LIMIT:
                body = wheel.read(item)
                name = item.filename
                if name.endswith(".dist-info/RECORD"):
                    body = _record(body, name)
                    files.file(f"{_SITE}/{name.rpartition('/')[0]}/INSTALLER", b"pip\n")
                files.file(f"{_SITE}/{name}", body)


def install_tarball(path: Path, files: LayerFiles) -> None:
    """Write an npm archive's files below `node_modules/NAME`."""
    name = path.stem.rpartition("-")[0]
    with tarfile.open(path) as archive:
        for member in archive:
            inner = member.name.partition("/")[2]
            file = archive.extractfile(member) if member.isreg() and member.size <= _FILE_LIMIT else None
            if file is not None and inner and ".." not in inner.split("/"):
                files.file(f"{_MODULES}/{name}/{inner}", file.read())


def _record(body: bytes, name: str) -> bytes:
    out = io.StringIO(body.decode(), newline="")
    out.seek(0, io.SEEK_END)
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"pip\n").digest()).rstrip(b"=").decode()
    installer = f"{name.rpartition('/')[0]}/INSTALLER"
    csv.writer(out, lineterminator="\n").writerow([installer, f"sha256={digest}", "4"])
    return out.getvalue().encode()


def _wheel(folder: Path, requirement: str) -> Path | None:
    name, _, version = requirement.partition("==")
    short = version.removesuffix(".0")
    names = (f"{name}-{version}-*.whl", f"{name}-{short}-*.whl")
    return next((path for pattern in names for path in sorted(folder.glob(pattern))), None)


def _online(what: str, *, offline: bool) -> None:
    if offline:
        raise FetchFailed(f"the {what} of the demo are not in the cache", remedy="run `pratique demo` once online")


def _run(command: Sequence[str], tool: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode == 0:
        return
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    if "No module named pip" in done.stderr:
        raise ToolMissing("this Python has no pip", remedy=f"{sys.executable} -m ensurepip")
    raise FetchFailed(
        f"{tool} could not fetch the demo's packages: {lines[-1] if lines else 'no message'}",
        remedy=f"check that `{' '.join(command[:4])} …` works on this machine",
    )
