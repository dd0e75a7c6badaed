"""Real clients with homes of their own: nothing of the machine's configuration is read or changed."""

import json
import os
import shutil
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aiohttp.connector
import pytest

TIMEOUT = 120


def trust(patch: pytest.MonkeyPatch, authority: Path) -> None:
    """Let Python's clients trust an authority by their variables, as a new process would."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        patch.setenv(name, str(authority))
    # aiohttp reads them when it is imported, which another test of this process may have done before.
    patch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", ssl.create_default_context())


@dataclass
class Outcome:
    code: int
    out: str
    err: str


def run(*arguments: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> Outcome:
    done = subprocess.run(
        [str(each) for each in arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False,
        env=os.environ | (env or {}), cwd=cwd,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr)


def need(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    return found


class Skopeo:
    """skopeo with a folder for certificates and one for sign-ins."""

    def __init__(self, folder: Path, ca: Path) -> None:
        self._program = need("skopeo")
        self._certificates = folder / "certs"
        self._certificates.mkdir(parents=True)
        shutil.copy(ca, self._certificates / "ca.crt")
        self._auth = folder / "auth.json"

    def copy(self, source: str, target: str, *more: str) -> Outcome:
        certificates = ["--src-cert-dir", self._certificates, "--dest-cert-dir", self._certificates]
        policy = ["--insecure-policy", "--command-timeout", "60s"]
        sides = [*certificates, "--authfile", self._auth, "--retry-times", "0"]
        return run(self._program, *policy, "copy", *sides, *more, source, target)

    def login(self, host: str, name: str, password: str) -> Outcome:
        return run(
            self._program, "login", "--authfile", self._auth, "--cert-dir", self._certificates,
            "-u", name, "-p", password, host,
        )  # fmt: skip

    def inspect(self, reference: str, *more: str) -> Outcome:
        return run(
            self._program, "inspect", "--cert-dir", self._certificates, "--authfile", self._auth,
            "--retry-times", "0", *more, reference,
        )  # fmt: skip


class Podman:
    """podman with storage of its own; on machines without user namespaces it runs as root with runc."""

    def __init__(self, folder: Path, ca: Path) -> None:
        self._program = need("podman")
        self._folder = folder
        self._certificates = folder / "certs"
        self._certificates.mkdir(parents=True)
        shutil.copy(ca, self._certificates / "ca.crt")
        self._auth = folder / "auth.json"
        policy = folder / "policy.json"
        policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        self._policy = policy
        # podman takes no runroot longer than 50 characters.
        self._run = Path(tempfile.mkdtemp(prefix="pm-", dir="/tmp"))

    def close(self) -> None:
        shutil.rmtree(self._run, ignore_errors=True)

    def __call__(self, *arguments: str) -> Outcome:
        base = [
            self._program, "--runtime", "runc", "--storage-driver", "vfs", "--root", self._folder / "root",
            "--runroot", self._run, "--cgroup-manager", "cgroupfs",
        ]  # fmt: skip
        return run(*base, *arguments)

    def load(self, layout: Path, name: str) -> Outcome:
        loaded = self("pull", "--signature-policy", str(self._policy), f"oci:{layout}")
        identity = loaded.out.strip().splitlines()[-1] if loaded.code == 0 else ""
        return self("tag", identity, name) if identity else loaded

    def login(self, host: str, name: str, password: str) -> Outcome:
        return self(
            "login",
            "--authfile",
            str(self._auth),
            "--cert-dir",
            str(self._certificates),
            "-u",
            name,
            "-p",
            password,
            host,
        )

    def push(self, name: str, *more: str) -> Outcome:
        return self(
            "push", "--authfile", str(self._auth), "--cert-dir", str(self._certificates),
            "--signature-policy", str(self._policy), *more, name,
        )  # fmt: skip

    def pull(self, name: str, *more: str) -> Outcome:
        return self(
            "pull", "--authfile", str(self._auth), "--cert-dir", str(self._certificates),
            "--signature-policy", str(self._policy), *more, name,
        )  # fmt: skip
