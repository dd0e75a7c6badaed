"""`pratique access`: why somebody may or may not, who can, roles taken on for a time, and what reviews found."""

from typing import Annotated, Any

import typer

from pratique.cli.durations import seconds_of
from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Explain who may do what, take on a role for a time, and review what is held.")

Permission = Annotated[str, typer.Argument(help="Permission, as registry/content/write.")]
ScopeArgument = Annotated[str, typer.Argument(help="Where, as /registry/team/app.")]
Activation = Annotated[str, typer.Argument(help="Id of the activation.")]
ACTIVATIONS = ("principal", "role", "scope", "state", "reason", "expires_at", "decided_by", "id")


@app.callback()
def access() -> None:
    """Explain who may do what, take on a role for a time, and review what is held."""


@app.command("explain")
def explain(
    principal: Annotated[str, typer.Argument(help="Name or id of the principal.")],
    permission: Permission,
    scope: ScopeArgument = "/",
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
        _explained(found)
    if not found["allowed"]:
        raise typer.Exit(Exit.NO)


@app.command("who-can")
def who_can(permission: Permission, scope: ScopeArgument = "/", *, output: OutputOption = Output.TABLE) -> None:
    """List who may do something at a scope, each with the reason."""
    from pratique.cli.client import connect, every

    with connect() as client:
        found = every(client, "/api/v1/access/who-can", {"permission": permission, "scope": scope})
        emit(list(found), ("name", "kind", "summary"), output)


@app.command("eligible")
def eligible(*, output: OutputOption = Output.TABLE) -> None:
    """List roles that you may take on."""
    from pratique.cli.client import connect

    with connect() as client:
        found = client.get("/api/v1/eligible-roles", params={"principal": "me"}).json()["items"]
    emit(found, ("role", "scope", "longest", "approval", "expires_at", "id"), output)


@app.command("activate")
def activate(
    eligibility: Annotated[str, typer.Argument(help="Id of the eligible role.")],
    *,
    reason: Annotated[str, typer.Option(help="Why, as a ticket number.")],
    duration: Annotated[str, typer.Option("--for", help="How long: 30m, 4h.")] = "1h",
    output: OutputOption = Output.TABLE,
) -> None:
    """Take on an eligible role for a time, or ask for its approval."""
    from pratique.cli.client import connect

    body = {"eligibility": eligibility, "reason": reason, "duration": seconds_of(duration)}
    with connect() as client:
        _activation(client.post("/api/v1/activations", json=body).json(), output)


@app.command("activations")
def activations(
    *,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that wait for approval.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List activations: yours, and those that you may approve or see."""
    from pratique.cli.client import connect, every

    with connect() as client:
        emit(list(every(client, "/api/v1/activations", {"waiting": waiting})), ACTIVATIONS, output)


@app.command("approve")
def approve(
    activation: Activation,
    *,
    note: Annotated[str, typer.Option(help="A word about it.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Approve a request of somebody else."""
    _decide(activation, note, output, approve=True)


@app.command("refuse")
def refuse(
    activation: Activation,
    *,
    note: Annotated[str, typer.Option(help="A word about it.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Refuse a request."""
    _decide(activation, note, output, approve=False)


@app.command("end")
def end(activation: Activation) -> None:
    """End an activation, or take a request back, at once."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/activations/{activation}")
    print("Ended.")


@app.command("review")
def review(
    *,
    fix: Annotated[str, typer.Option(help="Id of a finding to settle in the way that it proposes.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """List what is held and not needed, or is about to end; settle it with --fix ID."""
    from pratique.cli.client import connect

    with connect() as client:
        if fix:
            done = client.post(f"/api/v1/access/reviews/{fix}/fix").json()
            emit_json(done) if output is Output.JSON else print(done["done"])
            return
        found = client.get("/api/v1/access/reviews").json()["items"]
    emit(found, ("severity", "principal", "title", "fix", "id"), output)


def _decide(activation: str, note: str, output: Output, *, approve: bool) -> None:
    from pratique.cli.client import connect

    with connect() as client:
        body = {"approve": approve, "note": note}
        _activation(client.post(f"/api/v1/activations/{activation}/decide", json=body).json(), output)


def _activation(found: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        emit_json(found)
        return
    until = f" until {found['expires_at']}" if found["state"] == "active" else ""
    print(f"{found['role']} at {found['scope']} for {found['principal']}: {found['state']}{until} ({found['id']}).")


def _explained(found: dict[str, Any]) -> None:
    print(f"{'yes' if found['allowed'] else 'no'}: {found['summary']}")
    for one in found["by"]:
        through = f", through the group {one['group']}" if one["group"] else ""
        print(f"  {one['effect']} {one['role']} at {one['scope']}{through} ({one['id']})")
    if found["roles"]:
        print(f"  roles that would do: {', '.join(found['roles'])}")
    for one in found["eligible"]:
        print(f"  may take on {one['role']} at {one['scope']}: pratique access activate {one['id']} --reason …")
