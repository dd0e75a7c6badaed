"""Make clients on this machine trust the server's certificate, and take it back."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pratique.cli.exits import Exit
from pratique.core.errors import NotFound
from pratique.core.settings import Settings, load

app = typer.Typer(help="Make clients on this machine trust the server's certificate.")


class Client(StrEnum):
    """Clients for which there is a way."""

    PODMAN = "podman"
    SKOPEO = "skopeo"
    DOCKER = "docker"
    CURL = "curl"
    PYTHON = "python"
    BROWSER = "browser"
    SYSTEM = "system"


WITHOUT_ROOT = (Client.PODMAN, Client.SKOPEO, Client.CURL, Client.PYTHON, Client.BROWSER)

Clients = Annotated[list[Client] | None, typer.Argument(help="Default: all that are here and need no root.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Use sudo without asking.")]


@app.command()
def install(clients: Clients = None, *, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Have clients trust the CA: list each file, then write it. Root is never used unasked."""
    _each(clients, undo=False, dry_run=dry_run, yes=yes)


@app.command()
def remove(clients: Clients = None, *, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Take back what install wrote."""
    _each(clients, undo=True, dry_run=dry_run, yes=yes)


@app.command("print")
def print_certificate(
    *,
    fingerprint: Annotated[bool, typer.Option("--fingerprint", help="Only the SHA-256 fingerprint.")] = False,
) -> None:
    """Print the CA's certificate, or its fingerprint."""
    authority = authority_of(load())
    if not fingerprint:
        print(authority.decode(), end="")
        return
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    digest = x509.load_pem_x509_certificate(authority).fingerprint(hashes.SHA256())
    print(digest.hex(":").upper())


def _each(clients: list[Client] | None, *, undo: bool, dry_run: bool, yes: bool) -> None:
    from pratique.cli.trusting import TARGETS, Trust

    settings = load()
    trust = Trust(authority_of(settings), registry_hosts(settings), Path.home())
    chosen = clients or [client for client in WITHOUT_ROOT if TARGETS[client].present()]
    left_out = False
    for client in dict.fromkeys(chosen):
        plan = TARGETS[client].plan(trust)
        print(f"{client} ({TARGETS[client].what})")
        if plan.missing:
            print(f"  {plan.missing}")
            left_out = True
            continue
        for step in reversed(plan.steps) if undo else plan.steps:
            if line := step.describe(undo=undo):
                print(f"  {line}{' (root)' if step.root else ''}")
        if dry_run:
            continue
        if plan.needs_sudo and not yes and not _may_use_sudo():
            left_out = True
            continue
        plan.undo() if undo else plan.do()
        for note in () if undo else plan.notes:
            print(f"  note: {note}")
    if left_out:
        raise typer.Exit(Exit.NO)


def _may_use_sudo() -> bool:
    if not sys.stdin.isatty():
        print("  not done: this needs root; run it with --yes to use sudo")
        return False
    return typer.confirm("  Use sudo for this?", default=False)


def authority_file(settings: Settings) -> Path:
    """Return where the CA's certificate lies, or will lie after the first start."""
    return settings.data.directory / "tls/ca.pem"


def authority_of(settings: Settings) -> bytes:
    """Return the CA's certificate as PEM; raises NotFound before the first start."""
    file = authority_file(settings)
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no certificate in {file} yet", remedy="start the server once: make up") from None


def registry_hosts(settings: Settings) -> tuple[str, ...]:
    """Return every HOST:PORT under which a client may name this registry: where it runs, else where it would."""
    from pratique.supervisor.runfiles import RunFiles

    server = settings.server
    port = RunFiles(settings.data.directory).port() or server.port
    names = [server.domain, *server.extra_hosts]
    names += ["127.0.0.1"] if server.domain == "localhost" else []
    names.append(f"registry.{server.domain}")
    return tuple(name if port == 443 else f"{name}:{port}" for name in dict.fromkeys(names))
