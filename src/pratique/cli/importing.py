"""`pratique import`: copy an image into this registry, by the server itself."""

import sys
import time
from typing import Annotated, Any

import typer

from pratique.cli.output import Output, OutputOption, emit_json


def import_image(
    source: Annotated[str, typer.Argument(help="HOST/REPOSITORY:TAG or @DIGEST; without a host: this registry.")],
    target: Annotated[str, typer.Argument(help="REPOSITORY:TAG here, or REPOSITORY for no tag.")],
    *,
    user: Annotated[str, typer.Option(help="User there; the secret is read from standard input.")] = "",
    platform: Annotated[list[str] | None, typer.Option(help="OS/ARCHITECTURE; may be repeated; none is all.")] = None,
    referrers: Annotated[bool, typer.Option(help="Bring signatures and attestations too.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Move the tag if it is there already.")] = False,
    wait: Annotated[bool, typer.Option(help="Return when it is done.")] = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Copy an image with its platforms, signatures and attestations into this registry; the server fetches it."""
    from pratique.cli.client import connect

    body = {
        "source": source,
        "target": target,
        "user": user,
        "secret": sys.stdin.readline().strip() if user else "",
        "platforms": platform or [],
        "referrers": referrers,
        "force": force,
    }
    with connect() as client:
        made: dict[str, Any] = client.post("/api/v1/registry/imports", json=body).json()
        if wait:
            made = _follow(client, made["id"])
    if output is Output.JSON:
        emit_json(made)
    elif wait:
        print(f"{made['target']} is {made['digest']}")
    else:
        print(f"Queued as {made['id']}.")


def _follow(client: Any, identity: str) -> dict[str, Any]:
    from pratique.cli.progress import TerminalReporter
    from pratique.core.errors import PratiqueError

    with TerminalReporter(delay=2.0) as reporter:
        reporter.start("import", None, "B")
        seen = 0
        while True:
            found: dict[str, Any] = client.get(f"/api/v1/registry/imports/{identity}").json()
            reporter.advance(max(0, found["bytes"] - seen))
            seen = max(seen, found["bytes"])
            if found["state"] in ("done", "dead", "cancelled"):
                break
            time.sleep(0.3)
        reporter.finish()
    if found["state"] != "done":
        how = "was cancelled" if found["state"] == "cancelled" else f"failed: {found['error']}"
        raise PratiqueError(f"The import {how}", remedy="Nothing half is served.")
    return found


app = typer.Typer()
app.command("import")(import_image)
