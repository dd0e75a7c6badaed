"""What commands print: a table for people, JSON for scripts, chosen by `--output`."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer


class Output(StrEnum):
    """Forms of output that every listing command knows."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="Form of the output.")]


def emit(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], output: Output) -> None:
    """Print rows: as JSON with every key, or as a table of `columns` (keys; headings are made from them)."""
    if output is Output.JSON:
        emit_json(list(rows))
        return
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    _print_table([column.replace("_", " ").upper() for column in columns], cells)


def emit_json(value: Any) -> None:
    """Print one JSON document."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    print()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value) or "-"
    # Foreign text must not move the cursor or colour the terminal.
    return "".join(character if character.isprintable() else "?" for character in str(value))


def _print_table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    rows = [headings, *cells]
    widths = [max(len(row[index]) for row in rows) for index in range(len(headings))]
    limit = shutil.get_terminal_size((160, 24)).columns if sys.stdout.isatty() else None
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        print(line if limit is None or len(line) <= limit else line[: limit - 1] + "…")
