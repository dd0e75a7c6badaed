"""Registry credentials from the files where container tools keep them (containers-auth.json(5), docker config.json).

Credential helpers that such a file names are asked as docker asks them. Nothing is written, nothing is logged.
"""

import base64
import binascii
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

from pratique.core.errors import Invalid
from pratique.scan.sources.documents import as_object, as_text

_HELPER: Final = re.compile(r"[a-zA-Z0-9-]{1,64}")
_HELPER_SECONDS: Final = 20
_DOCKER_HUB: Final = "https://index.docker.io/v1/"


def auth_files(given: Path | None = None) -> list[Path]:
    """The files to look in, best first; `given` alone where there is one."""
    if given is not None:
        if not given.is_file():
            raise Invalid(f"There is no auth file {given}.")
        return [given]
    home, runtime = Path.home(), os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    named = os.environ.get("REGISTRY_AUTH_FILE", "")
    docker = Path(os.environ.get("DOCKER_CONFIG", home / ".docker"))
    return [
        *([Path(named)] if named else []),
        Path(runtime) / "containers/auth.json",
        Path(os.environ.get("XDG_CONFIG_HOME", home / ".config")) / "containers/auth.json",
        docker / "config.json",
    ]


def credentials_for(registry: str, name: str, files: list[Path]) -> tuple[str, str] | None:
    """User and password for a repository: the longest matching key of the first file that has one."""
    for path in files:
        try:
            document = as_object(json.loads(path.read_bytes()))
        except (OSError, ValueError):
            continue
        found = _from_file(document, registry, name)
        if found is not None:
            return found
    return None


def _from_file(document: dict[str, Any], registry: str, name: str) -> tuple[str, str] | None:
    helpers, auths = as_object(document.get("credHelpers")), as_object(document.get("auths"))
    if registry in helpers:
        return _from_helper(as_text(helpers[registry]), registry)
    for key in _keys(registry, name):
        if key in auths:
            decoded = _decoded(as_text(as_object(auths[key]).get("auth")))
            if decoded is not None:
                return decoded
    store = as_text(document.get("credsStore"))
    return _from_helper(store, _DOCKER_HUB if registry == "docker.io" else registry) if store else None


def _keys(registry: str, name: str) -> list[str]:
    parts = name.split("/")
    paths = ["/".join([registry, *parts[:count]]) for count in range(len(parts), -1, -1)]
    hub = [_DOCKER_HUB, "index.docker.io", "registry-1.docker.io"] if registry == "docker.io" else []
    return [*paths, f"https://{registry}", f"https://{registry}/v2/", *hub]


def _decoded(auth: str) -> tuple[str, str] | None:
    try:
        user, colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def _from_helper(helper: str, registry: str) -> tuple[str, str] | None:
    if not _HELPER.fullmatch(helper):
        return None
    try:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=registry.encode(),
            capture_output=True,
            timeout=_HELPER_SECONDS,
            check=True,
        )
        answer = as_object(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    user, secret = as_text(answer.get("Username")), as_text(answer.get("Secret"))
    return (user, secret) if secret and user != "<token>" else None
