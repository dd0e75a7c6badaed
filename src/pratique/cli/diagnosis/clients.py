"""Checks of the container clients on this machine: which are here, and whether they trust the server."""

import shutil
import subprocess

from pratique.cli.diagnosis.packages import install_line
from pratique.cli.diagnosis.result import Check, Result, ok, warn
from pratique.core.settings import Settings

CLIENTS = ("podman", "skopeo", "docker", "buildah", "curl")


def clients(_settings: Settings) -> Result:
    found = [f"{name} {_version(name)}".strip() for name in CLIENTS if shutil.which(name)]
    if any(shutil.which(name) for name in ("podman", "skopeo", "docker")):
        return ok(", ".join(found))
    return warn("none that can push", install_line("skopeo podman"))


def _version(name: str) -> str:
    try:
        done = subprocess.run([name, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = done.stdout.split()
    return next((word.strip(",") for word in words if word[:1].isdigit()), "")


CLIENT_CHECKS = (Check("clients", clients),)
