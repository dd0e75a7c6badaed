"""Bring the database to this version, after a snapshot."""

from typing import Annotated

import typer

from pratique.cli.exits import Exit
from pratique.core.errors import Conflict
from pratique.core.settings import Settings, load

app = typer.Typer()


@app.command()
def upgrade(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what would be done; exit code 1 if anything.")
    ] = False,
    snapshot: Annotated[bool, typer.Option(help="Copy the database first, into the folder `snapshots`.")] = True,
) -> None:
    """Bring the database to this version, after a snapshot.

    `make up` does the same before it starts. All or nothing: an upgrade that fails changes nothing.
    """
    from pratique.migrations import run

    settings = load()
    pending = run.check(settings.database_url)
    if not pending:
        print("The database is up to date.")
        return
    print(f"{len(pending)} revisions are missing: {', '.join(pending)}")
    if check:
        raise typer.Exit(Exit.NO)
    _require_stopped(settings)
    done = run.migrate(settings.database_url, settings.data.directory, snapshot=snapshot)
    if done.snapshot is not None:
        print(f"The database as it was is kept in {done.snapshot}")
    print(f"The database is at revision {pending[-1]}.")


def _require_stopped(settings: Settings) -> None:
    """Refuse to change an embedded database below a running server of an older version."""
    from pratique.supervisor.runfiles import RunFiles

    if not settings.database.url and RunFiles(settings.data.directory).holder() is not None:
        raise Conflict("the server is running", remedy="pratique down, then run this again")
