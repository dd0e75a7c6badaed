"""`pratique role`: what roles there are and what they permit."""

from typing import Annotated

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="List roles and what they permit.")


@app.command("list")
def list_roles(*, output: OutputOption = Output.TABLE) -> None:
    """List roles."""
    from pratique.cli.client import connect

    with connect() as client:
        found = client.get("/api/v1/roles").json()["items"]
    emit(found, ("name", "description", "id"), output)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name or id of a role.")], *, output: OutputOption = Output.TABLE
) -> None:
    """Show what a role permits."""
    from pratique.cli.client import connect

    with connect() as client:
        found = client.get(f"/api/v1/roles/{name}").json()
    if output is Output.JSON:
        emit_json(found)
        return
    print(f"{found['name']}: {found['description']}")
    for permission in found["permissions"]:
        print(f"  {permission}")
