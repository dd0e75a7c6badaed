"""`pratique registry`: what the registry holds, and how its gates stand."""

import datetime as dt
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pratique.cli.collecting import collect, deleted
from pratique.cli.immutability import app as immutability
from pratique.cli.importing import import_image
from pratique.cli.locking import attributes, delete, lock, mark, unlock
from pratique.cli.output import Output, OutputOption, emit, emit_json
from pratique.cli.retention import app as retention
from pratique.cli.sboms import sbom
from pratique.cli.scope_maps import scope_map, token

app = typer.Typer(help="Look at repositories, tags and gates.")

app.command("attributes")(attributes)
app.command("collect")(collect)
app.command("delete")(delete)
app.command("lock")(lock)
app.command("mark")(mark)
app.command("sbom")(sbom)
app.command("unlock")(unlock)
app.add_typer(deleted, name="deleted")
app.add_typer(immutability, name="immutability")
app.add_typer(scope_map, name="scope-map")
app.add_typer(token, name="token")
app.add_typer(retention, name="retention")

_PAGES = 200


app.command("import")(import_image)


@app.callback()
def registry() -> None:
    """Look at repositories, tags and gates."""


@app.command("list")
def list_repositories(
    repository: Annotated[str, typer.Argument(help="A repository, to list its tags; none lists repositories.")] = "",
    *,
    output: OutputOption = Output.TABLE,
) -> None:
    """List repositories, or the tags of one: what readers get, and what waits for its gate."""
    from pratique.cli.client import connect

    with connect() as client:
        if repository:
            rows = _all(client, f"/api/v1/repositories/{quote(repository)}/tags")
            emit(rows, ["name", "served", "pending", "moved"], output)
            return
        rows = _all(client, "/api/v1/repositories")
        emit(rows, ["name", "tags", "manifests", "pushed"], output)


@app.command("show")
def show(
    reference: Annotated[str, typer.Argument(help="REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST.")],
    *,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the manifests of a repository with their gates, or one of them with its reason."""
    from pratique.cli.client import connect

    name, wanted = split_reference(reference)
    with connect() as client:
        if wanted:
            found = client.get(f"/api/v1/repositories/{quote(name)}/manifests/{quote(wanted, safe=':')}").json()
            _print_one(found, output)
            return
        rows = _all(client, f"/api/v1/repositories/{quote(name)}/manifests")
        for row in rows:
            row["state"], row["reason"] = row["gate"]["state"], row["gate"]["reason"]["summary"]
        emit(rows, ["digest", "kind", "tags", "state", "reason", "pushed"], output)


@app.command()
def rescan(
    reference: Annotated[str, typer.Argument(help="REPOSITORY:TAG or REPOSITORY@DIGEST.")],
) -> None:
    """Read an image again: layers that could not be read, or that a former version has read."""
    from pratique.cli.client import connect

    name, wanted = split_reference(reference)
    with connect() as client:
        path = f"/api/v1/images/{quote(name)}/manifests/{quote(wanted or 'latest', safe=':')}/rescan"
        print(f"queued as {client.post(path).json()['operation']}; follow it: pratique status {reference} --wait")


def split_reference(reference: str) -> tuple[str, str]:
    """Return repository and tag or digest of `team/app:v1` or `team/app@sha256:…`; '' for none."""
    name, at, digest = reference.partition("@")
    if at:
        return name, digest
    head, slash, last = reference.rpartition("/")
    last, _, tag = last.partition(":")
    return head + slash + last, tag


def _all(client: Any, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(_PAGES):
        page = client.get(path, params={"limit": 500} | ({"cursor": cursor} if cursor else {})).json()
        rows.extend(_readable(item) for item in page["items"])
        cursor = page["next"]
        if cursor is None:
            break
    return rows


def _readable(item: dict[str, Any]) -> dict[str, Any]:
    for key, name in (("moved_at", "moved"), ("pushed_at", "pushed")):
        if key in item:
            item[name] = _instant(item[key])
    return item


def _instant(micros: int | None) -> str | None:
    if micros is None:
        return None
    return dt.datetime.fromtimestamp(micros / 1_000_000, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _print_one(found: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        emit_json(found)
        return
    gate = found["gate"]
    fields = [
        ("digest", found["digest"]),
        ("kind", found["kind"]),
        ("media type", found["media_type"]),
        ("tags", found["tags"]),
        ("pushed", _instant(found["pushed_at"])),
        ("gate", gate["state"]),
        ("since", _instant(gate["since"])),
        ("because", gate["reason"]["summary"]),
        ("what to do", gate["reason"]["remedy"]),
        ("more", gate["reason"]["link"]),
    ]
    emit([{"field": name, "value": value} for name, value in fields if value], ["field", "value"], output)
