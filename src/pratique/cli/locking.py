"""`pratique registry lock`, `unlock`, `attributes`, `mark` and `delete`: what may be done with content, and its end."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

What = Annotated[str, typer.Argument(help="REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST.")]
_KINDS = ("delete", "write", "list", "read")
Against = Annotated[
    list[str] | None,
    typer.Option(
        "--against", "-a", help="delete, write, list or read; may be given several times.", show_default=False
    ),
]


def lock(what: What, *, against: Against = None, output: OutputOption = Output.TABLE) -> None:
    """Lock against deletion and writing, or against what is named; it binds everybody until it is unlocked."""
    _change(what, {f"{kind}_enabled": False for kind in _kinds(against or ["delete", "write"])}, output)


def unlock(what: What, *, against: Against = None, output: OutputOption = Output.TABLE) -> None:
    """Take off every lock, or those that are named."""
    _change(what, {f"{kind}_enabled": True for kind in _kinds(against or list(_KINDS))}, output)


def attributes(what: What, *, output: OutputOption = Output.TABLE) -> None:
    """Show what is locked, and what a scanner has said."""
    from pratique.cli.client import connect

    path, query = _place(what)
    with connect() as client:
        _print(client.get(f"{path}/attributes", params=query).json(), output)


def mark(
    what: Annotated[str, typer.Argument(help="REPOSITORY@DIGEST.")],
    state: Annotated[str, typer.Argument(help="Passed or Failed.")],
    *,
    details: Annotated[str, typer.Option(help="What the scanner says.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Say that another scanner has passed or failed a manifest: Failed refuses it at once."""
    _change(what, {"quarantine_state": state, "quarantine_details": details}, output)


def delete(
    what: What,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a whole repository goes.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Delete a tag, a manifest with its tags, or a whole repository."""
    from pratique.cli.client import connect

    path, query = _place(what)
    if not query and not yes:
        typer.confirm(f"Delete {what} with everything in it?", abort=True)
    with connect(timeout=600) as client:
        gone = client.delete(f"{path}/content", params=query).json()
    if output is Output.JSON:
        emit_json(gone)
        return
    print(f"deleted: {len(gone['manifests'])} manifests, {len(gone['tags'])} tags")


def _change(what: str, body: dict[str, Any], output: Output) -> None:
    from pratique.cli.client import connect

    path, query = _place(what)
    with connect() as client:
        _print(client.patch(f"{path}/attributes", params=query, json=body).json(), output)


def _place(what: str) -> tuple[str, dict[str, str]]:
    from pratique.cli.registry import split_reference

    name, reference = split_reference(what)
    return f"/api/v1/repositories/{quote(name)}", {"reference": reference} if reference else {}


def _kinds(names: list[str]) -> list[str]:
    unknown = [name for name in names if name not in _KINDS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(_KINDS)}")
    return names


def _print(found: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        emit_json(found)
        return
    rows = [{"what": kind, "allowed": "yes" if found[f"{kind}_enabled"] else "no, locked"} for kind in _KINDS]
    if found["quarantine"]:
        said = found["quarantine"]
        rows.append({"what": "quarantine", "allowed": f"{said['state']} (by {said['marked_by']})"})
    emit(rows, ["what", "allowed"], output)
