"""`pratique assignment`: who holds which role where."""

from typing import Annotated

import typer

from pratique.cli.durations import optional_seconds_of
from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Give a role at a scope, and take it away.")

COLUMNS = ("principal", "role", "scope", "effect", "expires_at", "id")


@app.command("create")
def create(
    principal: Annotated[str, typer.Argument(help="Name or id of the principal.")],
    *,
    role: Annotated[str, typer.Option(help="Role, as AcrPull.")],
    scope: Annotated[str, typer.Option(help="Where it holds, as /registry/team/.")],
    deny: Annotated[bool, typer.Option("--deny", help="Refuse instead of allow; this wins over every role.")] = False,
    expires: Annotated[str, typer.Option(help="When it ends: 8h, 30d; or never.")] = "never",
    output: OutputOption = Output.TABLE,
) -> None:
    """Give a role at a scope and everything below it."""
    from pratique.cli.client import connect

    body = {
        "principal": principal,
        "role": role,
        "scope": scope,
        "effect": "deny" if deny else "allow",
        "lifetime": optional_seconds_of(expires),
    }
    with connect() as client:
        made = client.post("/api/v1/assignments", json=body).json()
    if output is Output.JSON:
        emit_json(made)
    else:
        word = "is denied" if deny else "holds"
        print(f"{made['principal']} {word} {made['role']} at {made['scope']} ({made['id']}).")


@app.command("list")
def list_assignments(
    *,
    principal: Annotated[str, typer.Option(help="Only of this principal.")] = "",
    scope: Annotated[str, typer.Option(help="Only at this scope and below.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """List assignments."""
    from pratique.cli.client import connect, every

    params = {name: value for name, value in (("principal", principal), ("scope", scope)) if value}
    with connect() as client:
        emit(list(every(client, "/api/v1/assignments", params)), COLUMNS, output)


@app.command("delete")
def delete(assignment: Annotated[str, typer.Argument(help="Id of the assignment.")]) -> None:
    """Take a role away, at once."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/assignments/{assignment}")
    print("Taken away.")
