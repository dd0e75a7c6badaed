"""`pratique login`, `logout` and `whoami`: commands as a person, at this or another server."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

login, logout, whoami = typer.Typer(), typer.Typer(), typer.Typer()
_MAX_AUTHORITIES = 512 * 1024


@login.command("login")
def log_in(
    *,
    server: Annotated[str, typer.Option(help="Address of the console; without it, the server of this machine.")] = "",
    ca: Annotated[
        Path | None, typer.Option("--ca", help="Certificates (PEM) to check the server with.", exists=True)
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Sign in by a code that you type in a browser; commands act as you from then on, until you log out."""
    from pratique.cli import device_codes
    from pratique.cli.sign_ins import SignIns

    address, authorities = _where(server, ca)
    place = device_codes.find(address, authorities)
    kept = SignIns()
    kept.check()
    begun = device_codes.sign_in(place, _show)
    kept.keep(begun)
    if output is Output.JSON:
        emit_json({"server": begun.server, "name": begun.name, "file": str(kept.path)})
        return
    print(f"Commands act as {_plain(begun.name)} at {begun.server} from now on.")


@logout.command("logout")
def log_out(
    *,
    server: Annotated[str, typer.Option(help="Of this server alone; without it, the one in use.")] = "",
    everywhere: Annotated[bool, typer.Option("--all", help="Of every server.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """End the sign-in at the server and forget it here."""
    from pratique.cli import device_codes
    from pratique.cli.sign_ins import SignIns

    kept = SignIns()
    found = kept.all()
    if server:
        found = [one for one in found if one.server == device_codes.origin_of(server)]
    ended = found if everywhere or server else found[-1:]
    rows = [{"server": one.server, "name": one.name, "ended_there": device_codes.sign_out(kept, one)} for one in ended]
    if output is Output.JSON:
        emit_json(rows)
        return
    for row in rows:
        print(f"{_plain(str(row['name']))} is signed out of {row['server']}.")
        if not row["ended_there"]:
            print("  The server could not be told; end it at /account/programs of its console.", file=sys.stderr)
    if not rows:
        print("Nobody is signed in.")


@whoami.command("whoami")
def who_am_i(*, output: OutputOption = Output.TABLE) -> None:
    """Say as whom, and at which server, commands act."""
    from pratique.cli.client import connect

    with connect() as client:
        me = client.get("/api/v1/me").json()
        row = {**me, "server": str(client.base_url).rstrip("/")}
    if output is Output.JSON:
        emit_json(row)
        return
    emit([row], ("name", "kind", "server"), output)


def _where(server: str, ca: Path | None) -> tuple[str, str]:
    """The server's address and the certificates that it is checked with."""
    given = _authorities(ca) if ca else ""
    if server:
        return server, given
    from pratique.cli.client import anchor_of, console_address
    from pratique.core.settings import load

    settings = load()
    return console_address(settings), given or _authorities(anchor_of(settings))


def _authorities(path: Path) -> str:
    from pratique.cli.sign_ins import trust_in
    from pratique.core.errors import Invalid

    try:
        with path.open("rb") as file:
            text = file.read(_MAX_AUTHORITIES).decode("ascii")
        trust_in(text)
    except (OSError, ValueError) as error:  # ssl's errors are of the operating system's
        raise Invalid(f"{path} holds no certificates that can be read: {error}", remedy="Give a file in PEM.") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise Invalid(f"{path} holds no certificate.", remedy="Give a file in PEM.")
    return text


def _show(address: str, code: str) -> None:
    print(f"Open {_plain(address)} in a browser and type the code", file=sys.stderr)
    print(f"\n    {_plain(code)}\n", file=sys.stderr)
    print("Waiting, at most ten minutes …", file=sys.stderr, flush=True)


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:300])
