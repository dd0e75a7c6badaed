"""`pratique audit`: read the log, and verify that nobody changed it."""

from typing import Annotated

import typer

from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Read the audit log and verify that nobody changed it.")

COLUMNS = ("at", "principal", "action", "target", "count", "detail")


@app.command("list")
def list_entries(
    *,
    principal: Annotated[str, typer.Option(help="Only what this principal did.")] = "",
    action: Annotated[str, typer.Option(help="Only this action; identity.* for all that begin so.")] = "",
    target: Annotated[str, typer.Option(help="Only on this target.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="Entries, the newest first.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List what was done, the newest first."""
    from pratique.cli.client import connect

    asked: dict[str, str | int] = {"principal": principal, "action": action, "target": target, "limit": limit}
    with connect() as client:
        found = client.get("/api/v1/audit", params={k: v for k, v in asked.items() if v}).json()
    emit(found["items"], COLUMNS, output)


@app.command("verify")
def verify(*, output: OutputOption = Output.TABLE) -> None:
    """Check chains and signatures of the whole log, reading the records themselves and not the server's word."""
    from pratique.cli.verifying import verify_audit
    from pratique.core.settings import load

    found = verify_audit(load())
    if output is Output.JSON:
        problems = [{"kind": problem.kind, "text": problem.text} for problem in found.problems]
        emit_json({"ok": found.ok, "entries": found.entries, "checkpoints": found.checkpoints, "problems": problems})
    else:
        for problem in found.problems:
            print(f"{problem.kind}: {problem.text}")
        verdict = "nothing was changed" if found.ok else "the log was CHANGED"
        print(f"{found.entries} entries, {found.checkpoints} signed checkpoints: {verdict}.")
        print(f"  {found.unsealed} entries came after the last checkpoint and are not signed yet.")
    if not found.ok:
        raise typer.Exit(Exit.NO)
