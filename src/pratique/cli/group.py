"""`pratique group`: groups and who belongs to them."""

from typing import Annotated, Any

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Create groups and say who belongs to them; give them roles like principals.")

Name = Annotated[str, typer.Argument(help="Name or id of the group.")]
Members = Annotated[list[str], typer.Argument(help="Names or ids of people and service principals.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Name: a-z, 0-9 and . _ @ + -")],
    *,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a group without members and roles."""
    from pratique.cli.client import connect

    with connect() as client:
        made = client.post("/api/v1/groups", json={"name": name, "description": description}).json()
    emit_json(made) if output is Output.JSON else print(f"Created {made['name']} ({made['id']}).")


@app.command("list")
def list_groups(*, output: OutputOption = Output.TABLE) -> None:
    """List groups."""
    from pratique.cli.client import connect, every

    with connect() as client:
        emit(list(every(client, "/api/v1/groups")), ("name", "description", "members", "id"), output)


@app.command("show")
def show(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """Show a group with its members and roles."""
    from pratique.cli.client import connect, every

    with connect() as client:
        found: dict[str, Any] = client.get(f"/api/v1/groups/{name}").json()
        found["members"] = list(every(client, f"/api/v1/groups/{name}/members"))
    if output is Output.JSON:
        emit_json(found)
        return
    print(f"{found['name']}: {found['description']}")
    for given in found["assignments"]:
        print(f"  {given['effect']} {given['role']} at {given['scope']}")
    emit(found["members"], ("name", "kind", "state", "source"), output)


@app.command("add")
def add(name: Name, members: Members) -> None:
    """Put people and service principals into a group, at once."""
    from pratique.cli.client import connect

    with connect() as client:
        for member in members:
            client.put(f"/api/v1/groups/{name}/members/{member}")
            print(f"{member} belongs to {name}.")


@app.command("remove")
def remove(name: Name, members: Members) -> None:
    """Take people and service principals out of a group, at once."""
    from pratique.cli.client import connect

    with connect() as client:
        for member in members:
            client.delete(f"/api/v1/groups/{name}/members/{member}")
            print(f"{member} belongs to {name} no more.")


@app.command("delete")
def delete(name: Name) -> None:
    """Delete a group with its roles."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/groups/{name}")
    print("Deleted.")
