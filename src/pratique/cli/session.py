"""`pratique session`: who is signed in at the console."""

from typing import Annotated

import typer

from pratique.cli.output import Output, OutputOption, emit

app = typer.Typer(help="List and end sessions.")

COLUMNS = ("principal", "method", "address", "created_at", "seen_at", "expires_at", "id")


@app.command("list")
def list_sessions(
    *,
    principal: Annotated[str, typer.Option(help="Only of this person.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """List live sessions."""
    from pratique.cli.client import connect, every

    params = {"principal": principal} if principal else {}
    with connect() as client:
        emit(list(every(client, "/api/v1/sessions", params)), COLUMNS, output)


@app.command("end")
def end(session: Annotated[str, typer.Argument(help="Id of the session.")]) -> None:
    """End a session, at once."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/sessions/{session}")
    print("Ended.")
