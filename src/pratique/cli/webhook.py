"""`pratique webhook`: have events delivered to an address."""

import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Have events delivered to an address, signed and in order.")

COLUMNS = ("name", "url", "scope", "types", "state", "reason", "position")
ATTEMPTS = ("at", "type", "subject", "outcome", "status", "milliseconds", "answer")
Name = Annotated[str, typer.Argument(help="Name or id of the webhook.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Name, as build-bot.")],
    url: Annotated[str, typer.Argument(help="https address of the receiver; - reads it from standard input.")],
    *,
    kinds: Annotated[list[str] | None, typer.Option("--type", help="Type, or pattern with *; may be repeated.")] = None,
    subject: Annotated[list[str] | None, typer.Option(help="Pattern of subjects, as team/*; may be repeated.")] = None,
    scope: Annotated[str, typer.Option(help="Only events here and below, as /registry/team.")] = "/",
    header: Annotated[list[str] | None, typer.Option(help="NAME: VALUE to send along; kept sealed.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a webhook and print its secret, which is never shown again."""
    from pratique.cli.client import connect

    headers = dict(_pair(text) for text in header or [])
    body = {
        "name": name,
        "url": sys.stdin.readline().strip() if url == "-" else url,
        "scope": scope,
        "types": kinds or [],
        "subjects": subject or [],
        "headers": headers,
    }
    with connect() as client:
        made = client.post("/api/v1/webhooks", json=body).json()
    if output is Output.JSON:
        emit_json(made)
        return
    print(f"{made['name']} delivers to {made['url']} once its receiver has agreed.")
    print(f"Its secret, shown this once: {made['secret']}")


@app.command("list")
def list_webhooks(*, output: OutputOption = Output.TABLE) -> None:
    """List webhooks and how they stand."""
    from pratique.cli.client import connect

    with connect() as client:
        emit(client.get("/api/v1/webhooks").json()["items"], COLUMNS, output)


@app.command("show")
def show(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """Show one."""
    _step(name, "", output, method="GET")


@app.command("attempts")
def attempts(
    name: Name,
    *,
    limit: Annotated[int, typer.Option(help="Lines.", min=1, max=500)] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """List its deliveries, newest first."""
    from pratique.cli.client import connect

    with connect() as client:
        emit(client.get(_path(name, "/attempts"), params={"limit": limit}).json()["items"], ATTEMPTS, output)


@app.command("dead")
def dead(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """List events that its receiver would not take."""
    from pratique.cli.client import connect

    with connect() as client:
        items = client.get(_path(name, "/dead"), params={"limit": 500}).json()["items"]
    emit(items, ("position", "type", "subject", "reason", "wanted"), output)


@app.command("resend")
def resend(
    name: Name,
    position: Annotated[int | None, typer.Argument(help="Position of one event; none for all.")] = None,
) -> None:
    """Send events once more that its receiver would not take."""
    from pratique.cli.client import connect

    with connect() as client:
        count = client.post(_path(name, "/resend"), json={"position": position}).json()["count"]
    print(f"{count} will be sent again.")


@app.command("replay")
def replay(
    name: Name,
    *,
    after: Annotated[int, typer.Option(help="Position to go on after; see `pratique events list`.", min=0)],
    output: OutputOption = Output.TABLE,
) -> None:
    """Deliver again what came after a position."""
    _step(name, "/replay", output, body={"after": after})


@app.command("test")
def try_out(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """Ask its receiver now; `attempts` shows what came of it."""
    _step(name, "/test", output)


@app.command("pause")
def pause(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """Stop deliveries; what happens meanwhile waits."""
    _step(name, "/pause", output)


@app.command("resume")
def resume(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """Go on where it stopped."""
    _step(name, "/resume", output)


@app.command("rotate")
def rotate(name: Name) -> None:
    """Print a new secret; for a day deliveries carry both signatures."""
    from pratique.cli.client import connect

    with connect() as client:
        print(client.post(_path(name, "/rotate")).json()["secret"])


@app.command("delete")
def delete(name: Name) -> None:
    """Delete a webhook with its log."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(_path(name))
    print("Deleted.")


def _step(name: str, path: str, output: Output, *, method: str = "POST", body: dict[str, Any] | None = None) -> None:
    from pratique.cli.client import connect

    with connect() as client:
        found = client.request(method, _path(name, path), json=body).json()
    if output is Output.JSON:
        emit_json(found)
    else:
        emit([found], COLUMNS, output)


def _path(name: str, rest: str = "") -> str:
    return f"/api/v1/webhooks/{quote(name, safe='')}{rest}"


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator:
        raise typer.BadParameter("Write NAME: VALUE.", param_hint="--header")
    return name.strip(), value.strip()
