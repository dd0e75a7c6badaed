"""`pratique registry retention`: which tags stay, and what would go."""

from typing import Annotated

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Say which tags stay; the others go, and can be restored for a while.")
_COLUMNS = ["id", "prefix", "tags", "keep_newest", "keep_versions", "pushed_within", "pulled_within", "untagged_after"]
_PrefixOption = Annotated[str, typer.Option(help="Repositories: this one and all below it; none is all of them.")]
_RuleArgument = Annotated[str, typer.Argument(help="Id of the rule.")]


@app.command("list")
def list_rules(*, prefix: _PrefixOption = "", output: OutputOption = Output.TABLE) -> None:
    """List the rules."""
    from pratique.cli.client import connect, every

    with connect() as client:
        emit(list(every(client, "/api/v1/retention-rules", {"prefix": prefix})), _COLUMNS, output)


@app.command("add")
def add(
    tags: Annotated[str, typer.Argument(help="Patterns, separated by commas: 'v*,nightly-*'; none for untagged.")] = "",
    *,
    prefix: _PrefixOption = "",
    keep_newest: Annotated[int | None, typer.Option(help="Keep so many tags, the last pushed first.")] = None,
    keep_versions: Annotated[int | None, typer.Option(help="Keep so many, the highest versions first.")] = None,
    pushed_within: Annotated[str, typer.Option(help="Keep what was pushed in that time: 30d.")] = "",
    pulled_within: Annotated[str, typer.Option(help="Keep what was pushed or pulled in that time: 30d.")] = "",
    untagged_after: Annotated[str, typer.Option(help="Delete what had no tag and no use for so long: 14d.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Keep tags for any of the reasons given; those that no rule keeps go with the next run."""
    from pratique.cli.client import connect

    days = {"pushed_within": pushed_within, "pulled_within": pulled_within, "untagged_after": untagged_after}
    body = {"prefix": prefix, "tags": tags, "keep_newest": keep_newest, "keep_versions": keep_versions}
    with connect() as client:
        rule = client.post("/api/v1/retention-rules", json=body | {key: _days(text) for key, text in days.items()})
    if output is Output.JSON:
        emit_json(rule.json())
        return
    print(f"set; what would go: pratique registry retention preview {rule.json()['id']}")


@app.command("preview")
def preview(rule: _RuleArgument, *, output: OutputOption = Output.TABLE) -> None:
    """Say of each tag that a rule covers whether it would go now, and why."""
    from pratique.cli.client import connect, every

    with connect() as client:
        rows = list(every(client, f"/api/v1/retention-rules/{rule}/preview"))
    if output is Output.JSON:
        emit_json(rows)
        return
    for row in rows:
        row["verdict"] = "would go" if row["goes"] else "stays"
    emit(rows, ["repository", "tag", "digest", "verdict", "because"], output)


@app.command("run")
def run(
    *,
    prefix: _PrefixOption = "",
    watch: Annotated[bool, typer.Option("--watch", help="Wait for the end and print what went.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run the rules now; without this they run once a day."""
    from pratique.cli.client import connect
    from pratique.cli.collecting import wait_for

    with connect() as client:
        started = client.post("/api/v1/retention-runs", params={"prefix": prefix}).json()
        if not watch:
            print(f"queued as {started['id']}; see pratique registry retention runs")
            return
        wait_for(client, started["id"], "deleting what no rule keeps")
        done = client.get(started["result"]).json()
    if output is Output.JSON:
        emit_json(done)
        return
    print(f"gone: {done['tags']} tags, {done['manifests']} manifests; see pratique registry deleted list")


@app.command("runs")
def runs(*, prefix: _PrefixOption = "", output: OutputOption = Output.TABLE) -> None:
    """List runs, newest first."""
    from pratique.cli.client import connect, every

    with connect() as client:
        rows = list(every(client, "/api/v1/retention-runs", {"prefix": prefix}))
    emit(rows, ["id", "prefix", "requested_by", "started_at", "finished_at", "tags", "manifests"], output)


@app.command("remove")
def remove(rule: _RuleArgument) -> None:
    """Take a rule off."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/retention-rules/{rule}")
    print("removed")


def _days(text: str) -> int | None:
    """Whole days, rounded down: rules count no smaller spans."""
    from pratique.cli.durations import optional_seconds_of

    seconds = optional_seconds_of(text)
    return None if seconds is None else int(seconds // 86400)
