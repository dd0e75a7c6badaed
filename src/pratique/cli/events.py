"""`pratique events`: what happened, as CloudEvents, and what happens."""

import json
from typing import Annotated, Any

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Read what happened, as CloudEvents, and follow what happens.")

COLUMNS = ("position", "time", "type", "subject")
Kinds = Annotated[list[str] | None, typer.Option("--type", help="Type, or pattern with *; may be repeated.")]
Subjects = Annotated[list[str] | None, typer.Option(help="Pattern of subjects, as team/*; may be repeated.")]


@app.command("list")
def list_events(
    *,
    after: Annotated[str, typer.Option(help="Position to go on after; now for none.")] = "0",
    kinds: Kinds = None,
    subject: Subjects = None,
    limit: Annotated[int, typer.Option(help="Events at most.", min=1, max=10_000)] = 100,
    output: OutputOption = Output.TABLE,
) -> None:
    """List events in order."""
    from pratique.cli.client import connect

    found: list[dict[str, Any]] = []
    with connect() as client:
        while len(found) < limit:
            asked: dict[str, Any] = {
                "after": after,
                "limit": min(500, limit - len(found)),
                "type": kinds or [],
                "subject": subject or [],
            }
            page = client.get("/api/v1/events", params=asked).json()
            found.extend(page["items"])
            if page["next"] == after:
                break
            after = page["next"]
    if output is Output.JSON:
        emit_json(found)
    else:
        emit([{**event, "position": int(event["sequence"])} for event in found], COLUMNS, output)


@app.command("follow")
def follow(
    *,
    after: Annotated[str, typer.Option(help="Position to go on after.")] = "now",
    kinds: Kinds = None,
    subject: Subjects = None,
    count: Annotated[int, typer.Option(help="End after so many; 0 never ends.", min=0)] = 0,
) -> None:
    """Print events as they happen, one JSON document a line; goes on by itself after a break."""
    from pratique.cli.client import connect

    seen = 0
    while True:
        with connect(timeout=60.0) as client:
            waiting: dict[str, Any] = {"after": after, "wait": 25, "limit": 500, "type": kinds or []}
            page = client.get("/api/v1/events", params={**waiting, "subject": subject or []}).json()
        for event in page["items"]:
            print(json.dumps(event), flush=True)
            seen += 1
            if seen == count:
                return
        after = page["next"]


@app.command("types")
def list_types(*, output: OutputOption = Output.TABLE) -> None:
    """List the types of events and the fields of their data."""
    from pratique.cli.client import connect

    with connect() as client:
        items = client.get("/api/v1/events/types").json()["items"]
    if output is Output.JSON:
        emit_json(items)
    else:
        emit([{**item, "fields": list(item["fields"])} for item in items], ("type", "sentence", "fields"), output)
