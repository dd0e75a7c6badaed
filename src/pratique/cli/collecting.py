"""`pratique registry collect` and `pratique registry deleted`: what goes, and what can still come back."""

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

deleted = typer.Typer(help="List and restore what was deleted.")
_SHOWN = 50


def collect(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, to the byte, and take nothing.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Wait for the end and print what went.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove what nothing names any more; pushes and pulls go on meanwhile."""
    from pratique.cli.client import connect

    with connect() as client:
        started = client.post("/api/v1/collections", params={"dry_run": dry_run}).json()
        if not (watch or dry_run):
            print(f"queued as {started['id']}; see pratique registry collect --watch")
            return
        wait_for(client, started["id"], "collecting")
        run = client.get(started["result"]).json()
        finds = client.get(f"{started['result']}/finds", params={"limit": 500}).json() if dry_run else {"items": []}
    if output is Output.JSON:
        emit_json(run | {"finds": finds["items"], "more": finds.get("next") is not None})
        return
    _print(run, finds["items"])


@deleted.command("list")
def list_deleted(
    repository: Annotated[str, typer.Argument(help="The repository.")], *, output: OutputOption = Output.TABLE
) -> None:
    """List deleted manifests and tags that can be restored."""
    from pratique.cli.client import connect, every

    with connect() as client:
        rows = list(every(client, f"/api/v1/repositories/{quote(repository)}/deleted"))
    emit(rows, ["id", "kind", "name", "tags", "deleted_at", "because", "expires_at"], output)


@deleted.command("restore")
def restore(
    repository: Annotated[str, typer.Argument(help="The repository.")],
    number: Annotated[int, typer.Argument(help="Its number in the list.")],
) -> None:
    """Restore a manifest with its tags, or a tag; it is judged again like a push."""
    from pratique.cli.client import connect

    with connect() as client:
        done = client.post(f"/api/v1/repositories/{quote(repository)}/deleted/{number}/restore").json()
    print(f"restored{', tags: ' + ', '.join(done['tags']) if done['tags'] else ''}")


@deleted.command("purge")
def purge(
    repository: Annotated[str, typer.Argument(help="The repository.")],
    number: Annotated[int, typer.Argument(help="Its number in the list.")],
) -> None:
    """Give a deleted item up before its time."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/repositories/{quote(repository)}/deleted/{number}")
    print("gone for good")


def wait_for(client: Any, job_id: str, title: str) -> None:
    """Return when a background operation is done; raises Unavailable for one that ended otherwise."""
    from pratique.cli.progress import TerminalReporter
    from pratique.core.errors import Unavailable

    with TerminalReporter(delay=2.0) as reporter:
        reporter.start(title)
        while True:
            job = client.get(f"/api/v1/operations/{job_id}").json()
            if job["state"] == "done":
                return
            if job["state"] in ("dead", "cancelled"):
                raise Unavailable(f"{title} ended as {job['state']}: {job['error']}", remedy="see pratique logs")
            reporter.advance(0, job["progress"]["note"])
            time.sleep(0.2)


def _print(run: dict[str, Any], finds: list[dict[str, Any]]) -> None:
    rows = [{"what": kind, **counted} for kind, counted in run["counts"].items()]
    print("would go:" if run["dry_run"] else "gone:", "nothing" if not rows else "")
    if rows:
        emit(rows, ["what", "number", "bytes"], Output.TABLE)
    if finds:
        print()
        emit(finds[:_SHOWN], ["kind", "repository", "name", "bytes", "because"], Output.TABLE)
