"""`pratique access`: why somebody may, or may not, do something."""

from typing import Annotated

import typer

from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit_json

app = typer.Typer(help="Explain why somebody may, or may not, do something.")


@app.callback()
def access() -> None:
    """Explain why somebody may, or may not, do something."""


@app.command("explain")
def explain(
    principal: Annotated[str, typer.Argument(help="Name or id of the principal.")],
    permission: Annotated[str, typer.Argument(help="Permission, as registry/content/write.")],
    scope: Annotated[str, typer.Argument(help="Where, as /registry/team/app.")] = "/",
    *,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say whether a principal may do something at a scope, through what, or what it would take."""
    from pratique.cli.client import connect

    asked = {"principal": principal, "permission": permission, "scope": scope}
    with connect() as client:
        found = client.get("/api/v1/access/explain", params=asked).json()
    if output is Output.JSON:
        emit_json(found)
    else:
        print(f"{'yes' if found['allowed'] else 'no'}: {found['summary']}")
        for assignment in found["by"]:
            print(f"  {assignment['effect']} {assignment['role']} at {assignment['scope']} ({assignment['id']})")
        if found["roles"]:
            print(f"  roles that would do: {', '.join(found['roles'])}")
    if not found["allowed"]:
        raise typer.Exit(Exit.NO)
