"""Puts a login for the registry where container clients look for it, as their own `login` would, and nothing else.

Sources: containers-auth.json(5) of containers/image; docker/cli, docs/reference/commandline/login.md.
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pratique.core.errors import Conflict, Unavailable
from pratique.core.private_files import write_private

_LIMIT = 4 * 1024 * 1024
_RUNTIME = Path("/run/containers")


class Tool(StrEnum):
    """Clients whose logins can be written."""

    DOCKER = "docker"
    PODMAN = "podman"
    SKOPEO = "skopeo"


@dataclass(frozen=True, slots=True)
class Login:
    """A registry host, who signs in there, and the proof."""

    host: str
    name: str
    secret: str

    def __repr__(self) -> str:
        return f"Login(host={self.host!r}, name={self.name!r})"


def file_of(tool: Tool, environ: Mapping[str, str] | None = None, *, account: int | None = None) -> Path:
    """The file that the client's own `login` writes for this account."""
    environ = os.environ if environ is None else environ
    home = Path(environ.get("HOME", "~")).expanduser()
    if tool is Tool.DOCKER:
        return Path(environ.get("DOCKER_CONFIG", home / ".docker")) / "config.json"
    if environ.get("REGISTRY_AUTH_FILE"):
        return Path(environ["REGISTRY_AUTH_FILE"])
    if environ.get("XDG_RUNTIME_DIR"):
        return Path(environ["XDG_RUNTIME_DIR"]) / "containers" / "auth.json"
    account = os.getuid() if account is None else account
    runtime = _RUNTIME / str(account)
    if account == 0 or _reaches(runtime):
        return runtime / "auth.json"
    return Path(environ.get("XDG_CONFIG_HOME", home / ".config")) / "containers" / "auth.json"


def hint(path: Path, environ: Mapping[str, str] | None = None, *, account: int | None = None) -> str:
    """A line for accounts whose clients stop at a folder of root instead of reading this file; mostly empty."""
    environ = os.environ if environ is None else environ
    account = os.getuid() if account is None else account
    usual = path.name == "config.json" or environ.get("REGISTRY_AUTH_FILE") or environ.get("XDG_RUNTIME_DIR")
    if usual or account == 0 or os.access(_RUNTIME, os.X_OK) or not _RUNTIME.exists():
        return ""
    return f"{_RUNTIME} may not be read by this account, so tell clients:  export REGISTRY_AUTH_FILE={path}"


def check(path: Path) -> None:
    """Raise now what `store` would raise later, before a secret exists that nobody would keep."""
    _read(path)
    folder = next(parent for parent in path.resolve().parents if parent.exists())
    if not os.access(folder, os.W_OK):
        raise Conflict(f"{folder} may not be written by this account.", remedy="Choose another file or account.")


def store(path: Path, login: Login) -> str:
    """Add the login to the file, keeping the rest, or hand it to the credential helper named there."""
    content = _read(path)
    helper = content.get("credHelpers", {}).get(login.host) or content.get("credsStore")
    if helper:
        _hand_over(str(helper), login)
        return f"the credential helper {helper}"
    auths = content.setdefault("auths", {})
    if not isinstance(auths, dict):
        raise Conflict(f"{path} holds logins in a form that is not known.", remedy="Use --show-secret and sign in.")
    auths[login.host] = {"auth": base64.b64encode(f"{login.name}:{login.secret}".encode()).decode()}
    target = path.resolve()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(target, json.dumps(content, indent="\t").encode() + b"\n")
    return str(path)


def _reaches(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except PermissionError:
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LIMIT:
            raise Conflict(f"{path} is too large to be a file of logins.")
        content = json.loads(path.read_text() or "{}")
    except FileNotFoundError:
        return {}
    except (ValueError, UnicodeDecodeError):
        content = None
    if not isinstance(content, dict):
        raise Conflict(f"{path} is not JSON.", remedy="Repair or remove it; nothing was changed.")
    return content


def _hand_over(helper: str, login: Login) -> None:
    program = shutil.which(f"docker-credential-{helper}") if helper.replace("-", "").isalnum() else None
    if program is None:
        raise Unavailable(f"The credential helper {helper} is not installed.", remedy="Use --show-secret and sign in.")
    message = json.dumps({"ServerURL": login.host, "Username": login.name, "Secret": login.secret})
    done = subprocess.run([program, "store"], input=message, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise Unavailable(f"The credential helper {helper} failed.", remedy="Use --show-secret and sign in.")
