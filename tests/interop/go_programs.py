"""Programs built from pinned Go modules, once for a machine: the module's sums say what they are."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "pratique-tests" / "go"


def built(module: str, *programs: str) -> dict[str, Path]:
    """Return where the programs of a tools module are, built when they are not there yet."""
    if _go() is None:
        pytest.skip("Go is needed to build the clients")
    source = HERE / module
    pinned = (source / "go.mod").read_bytes() + (source / "go.sum").read_bytes()
    target = CACHE / f"{module}-{hashlib.sha256(pinned).hexdigest()[:16]}"
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((target / program).exists() for program in programs):
            _build(source, target)
    return {program: target / program for program in programs}


def _go() -> str | None:
    """The machine's Go, or the one that a package has put beside this interpreter."""
    beside = f"{Path(sys.executable).parent}:{sysconfig.get_path('purelib')}/go/bin"
    return shutil.which("go") or shutil.which("go", path=beside)


def _build(source: Path, target: Path) -> None:
    go = str(_go())
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOBIN": str(target)}
    fetched = subprocess.run([go, "mod", "download"], cwd=source, env=environment, capture_output=True, check=False)
    if fetched.returncode:
        pytest.skip("the Go modules of the clients cannot be fetched")
    subprocess.run([go, "install", "tool"], cwd=source, env=environment, check=True, capture_output=True)
