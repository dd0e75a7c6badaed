"""`pratique encryption`: what is stored encrypted, and under which keys."""

import time
from typing import Annotated

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Encryption of stored blobs with keys of the installation.")


@app.command("status")
def status(*, output: OutputOption = Output.TABLE) -> None:
    """Say how much is stored plainly and encrypted, and under which keys."""
    from pratique.cli.client import connect

    with connect(timeout=300.0) as client:
        found = client.get("/api/v1/registry/encryption").json()
    if output is Output.JSON:
        emit_json(found)
        return
    keys = ", ".join(f"{key} ({count})" for key, count in found.pop("by_key").items())
    rows = [{"field": name.replace("_", " "), "value": value} for name, value in found.items()]
    emit([*rows, {"field": "keys (segments)", "value": keys or None}], ["field", "value"], output)


@app.command("rewrite")
def rewrite(
    *,
    new_key: Annotated[bool, typer.Option("--new-key", help="Make a new key first; old ones go on opening.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when it is done.")] = False,
) -> None:
    """Bring what is stored to what blobs.encrypt says, and its keys to the newest one; pulls and pushes go on."""
    from pratique.cli.client import connect

    if new_key:
        print(f"New key: {_rotate()}")
    with connect() as client:
        started = client.post("/api/v1/registry/encryption").json()
        print(f"Queued as {started['operation']}.")
        if wait:
            _follow(client, started["status"])


def _rotate() -> str:
    from pratique.core.keys.client import connect_keys
    from pratique.core.keys.types import Role
    from pratique.core.settings import load

    keys = connect_keys(load().data.directory / "keys", Role.ADMIN, patience=1.0)
    try:
        return keys.rotate("blobs")
    finally:
        keys.close()


def _follow(client: object, path: str) -> None:
    from pratique.cli.client import ApiClient
    from pratique.cli.progress import TerminalReporter
    from pratique.core.errors import Unavailable

    assert isinstance(client, ApiClient)  # noqa: S101  the caller has just made it
    with TerminalReporter(delay=2.0) as reporter:
        reporter.start("blobs", None, "")
        seen = 0
        while True:
            found = client.get(path).json()
            reporter.advance(found["progress"]["done"] - seen)
            seen = found["progress"]["done"]
            if found["state"] in ("done", "dead", "cancelled"):
                break
            time.sleep(0.5)
        reporter.finish()
    if found["state"] != "done":
        raise Unavailable(f"The rewriting ended as {found['state']}: {found['error']}", remedy="Start it again.")
    print("Done.")
