"""`pratique assignment`: who holds which role where, and who may take one on for a time."""

from typing import Annotated

import typer

from pratique.cli.durations import optional_seconds_of, seconds_of
from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Give a role at a scope, take it away, or let somebody take it on for a time.")

COLUMNS = ("principal", "role", "scope", "effect", "expires_at", "condition", "id")
ELIGIBLE = ("principal", "role", "scope", "longest", "approval", "expires_at", "id")

Principal = Annotated[str, typer.Argument(help="Name or id of a principal or group.")]
RoleOption = Annotated[str, typer.Option(help="Role, as AcrPull.")]
ScopeOption = Annotated[str, typer.Option(help="Where it holds, as /registry/team/.")]
ConditionOption = Annotated[str, typer.Option(help="On which repositories it holds, in Azure's text form.")]
ExpiresOption = Annotated[str, typer.Option(help="When it ends: 8h, 30d; or never.")]


@app.command("create")
def create(
    principal: Principal,
    *,
    role: RoleOption,
    scope: ScopeOption,
    deny: Annotated[bool, typer.Option("--deny", help="Refuse instead of allow; this wins over every role.")] = False,
    expires: ExpiresOption = "never",
    condition: ConditionOption = "",
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
        "condition": condition,
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
    principal: Annotated[str, typer.Option(help="Only of this principal or group.")] = "",
    role: Annotated[str, typer.Option(help="Only of this role.")] = "",
    scope: Annotated[str, typer.Option(help="Only at this scope and below.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """List assignments."""
    from pratique.cli.client import connect, every

    params = {"principal": principal, "role": role, "scope": scope}
    with connect() as client:
        found = every(client, "/api/v1/assignments", {name: value for name, value in params.items() if value})
        emit(list(found), COLUMNS, output)


@app.command("delete")
def delete(assignment: Annotated[str, typer.Argument(help="Id of the assignment.")]) -> None:
    """Take a role away, or lift a denial, at once."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/assignments/{assignment}")
    print("Taken away.")


@app.command("offer")
def offer(
    principal: Principal,
    *,
    role: RoleOption,
    scope: ScopeOption,
    longest: Annotated[str, typer.Option(help="Longest activation: 4h, at most 30d.")] = "4h",
    approval: Annotated[bool, typer.Option("--approval", help="Somebody else has to approve each time.")] = False,
    expires: ExpiresOption = "never",
    condition: ConditionOption = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Let somebody take a role on for a time, with a reason: pratique access activate."""
    from pratique.cli.client import connect

    body = {
        "principal": principal,
        "role": role,
        "scope": scope,
        "longest": seconds_of(longest),
        "approval": approval,
        "lifetime": optional_seconds_of(expires),
        "condition": condition,
    }
    with connect() as client:
        made = client.post("/api/v1/eligible-roles", json=body).json()
    if output is Output.JSON:
        emit_json(made)
    else:
        print(f"{made['principal']} may take on {made['role']} at {made['scope']} ({made['id']}).")


@app.command("eligible")
def eligible(
    *,
    principal: Annotated[str, typer.Option(help="Only of this principal or group.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """List who may take on which role."""
    from pratique.cli.client import connect, every

    with connect() as client:
        found = every(client, "/api/v1/eligible-roles", {"principal": principal} if principal else {})
        emit(list(found), ELIGIBLE, output)


@app.command("withdraw")
def withdraw(eligibility: Annotated[str, typer.Argument(help="Id of the eligible role.")]) -> None:
    """End an eligible role and what was activated from it, at once."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/eligible-roles/{eligibility}")
    print("Withdrawn.")
