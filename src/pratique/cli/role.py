"""`pratique role`: what roles there are, what they permit, and roles of one's own."""

from typing import Annotated, Any

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="List roles and what they allow; make roles of your own.")

Name = Annotated[str, typer.Argument(help="Name or id of a role.")]
Permissions = Annotated[
    list[str] | None, typer.Option("--permission", help="Right, as registry/content/read, or registry/content/*.")
]
Actions = Annotated[list[str] | None, typer.Option("--action", help="Azure's management action.")]
DataActions = Annotated[list[str] | None, typer.Option("--data-action", help="Azure's data action.")]
NotActions = Annotated[list[str] | None, typer.Option("--not-action", help="Azure's action to leave out.")]
Description = Annotated[str | None, typer.Option(help="What it is for.")]


@app.command("list")
def list_roles(
    *,
    custom: Annotated[bool, typer.Option("--custom", help="Only roles of one's own.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List roles."""
    from pratique.cli.client import connect

    with connect() as client:
        found = client.get("/api/v1/roles").json()["items"]
    emit([role for role in found if not (custom and role["builtin"])], ("name", "description", "id"), output)


@app.command("show")
def show(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """Show what a role permits."""
    from pratique.cli.client import connect

    with connect() as client:
        _print(client.get(f"/api/v1/roles/{name}").json(), output)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Name, as Image Pruner.")],
    *,
    permission: Permissions = None,
    action: Actions = None,
    data_action: DataActions = None,
    not_action: NotActions = None,
    description: Description = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a role of rights that you hold everywhere."""
    from pratique.cli.client import connect

    body = {"name": name, "description": description or "", **_rights(permission, action, data_action, not_action)}
    with connect() as client:
        _print(client.post("/api/v1/roles", json=body).json(), output)


@app.command("change")
def change(
    name: Name,
    *,
    rename: Annotated[str | None, typer.Option(help="New name.")] = None,
    permission: Permissions = None,
    action: Actions = None,
    data_action: DataActions = None,
    not_action: NotActions = None,
    description: Description = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Change a role of one's own; rights that are named replace all that it had, and act at once."""
    from pratique.cli.client import connect

    rights = _rights(permission, action, data_action, not_action)
    body = {"name": rename, "description": description, "rights": rights if any(rights.values()) else None}
    with connect() as client:
        _print(client.patch(f"/api/v1/roles/{name}", json=body).json(), output)


@app.command("delete")
def delete(name: Name) -> None:
    """Delete a role of one's own that nobody holds."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/roles/{name}")
    print("Deleted.")


def _rights(*given: list[str] | None) -> dict[str, list[str]]:
    names = ("permissions", "actions", "data_actions", "not_actions")
    return {name: list(values or []) for name, values in zip(names, given, strict=True)}


def _print(role: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        emit_json(role)
        return
    print(f"{role['name']}: {role['description']}")
    for permission in role["permissions"]:
        print(f"  {permission}")
