"""`pratique cache`: repositories that are filled from other registries."""

import sys
from typing import Annotated
from urllib.parse import quote

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Fill repositories from other registries when they are pulled; gated like everything.")

COLUMNS = ("prefix", "upstream", "user", "patterns", "platforms", "ttl")


@app.command("create")
def create(
    prefix: Annotated[str, typer.Argument(help="Repositories here at this name and below, as hub.")],
    upstream: Annotated[str, typer.Argument(help="HOST or HOST/PREFIX, as docker.io or ghcr.io/org.")],
    *,
    user: Annotated[str, typer.Option(help="User there; the secret is read from standard input.")] = "",
    allow: Annotated[list[str] | None, typer.Option(help="Pattern of repositories there; may be repeated.")] = None,
    platform: Annotated[
        list[str] | None, typer.Option(help="OS/ARCHITECTURE that comes with an index; may be repeated.")
    ] = None,
    ttl: Annotated[str, typer.Option(help="How long a tag is believed: 30s, 5m, 1h.")] = "5m",
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a rule."""
    from pratique.cli.client import connect
    from pratique.cli.durations import seconds_of

    body = {
        "prefix": prefix,
        "upstream": upstream,
        "user": user,
        "secret": sys.stdin.readline().strip() if user else "",
        "patterns": allow or [],
        "ttl": seconds_of(ttl),
    }
    with connect() as client:
        made = client.post("/api/v1/registry/caches", json=body | ({"platforms": platform} if platform else {})).json()
    if output is Output.JSON:
        emit_json(made)
    else:
        print(f"Pulls of {made['prefix']}/… are filled from {made['upstream']}.")


@app.command("list")
def list_rules(*, output: OutputOption = Output.TABLE) -> None:
    """List rules."""
    from pratique.cli.client import connect

    with connect() as client:
        emit(client.get("/api/v1/registry/caches").json()["items"], COLUMNS, output)


@app.command("delete")
def delete(prefix: Annotated[str, typer.Argument(help="Prefix of the rule.")]) -> None:
    """Delete a rule; what it has brought stays."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/registry/caches/{quote(prefix)}")
    print("Deleted; what it has brought stays.")
