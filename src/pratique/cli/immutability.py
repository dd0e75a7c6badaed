"""`pratique registry immutability`: tags that never change."""

from typing import Annotated

import typer

from pratique.cli.output import Output, OutputOption, emit

app = typer.Typer(help="Protect tags from being moved or deleted.")


@app.command("list")
def list_rules(*, output: OutputOption = Output.TABLE) -> None:
    """List the rules."""
    from pratique.cli.client import connect, every

    with connect() as client:
        emit(list(every(client, "/api/v1/immutability-rules")), ["id", "prefix", "tags"], output)


@app.command("add")
def add(
    tags: Annotated[str, typer.Argument(help="Patterns, separated by commas: 'v*,stable'.")],
    *,
    prefix: Annotated[str, typer.Option(help="Repositories: this one and all below it; none is all of them.")] = "",
) -> None:
    """Protect tags: once pushed they neither move nor go."""
    from pratique.cli.client import connect

    with connect() as client:
        rule = client.post("/api/v1/immutability-rules", json={"prefix": prefix, "tags": tags}).json()
    print(f"{rule['tags']} below /{rule['prefix']} stay as they are ({rule['id']})")


@app.command("remove")
def remove(rule: Annotated[str, typer.Argument(help="Id of the rule.")]) -> None:
    """Take a rule off."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/immutability-rules/{rule}")
    print("removed")
