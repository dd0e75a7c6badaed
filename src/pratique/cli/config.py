"""Show, check and explain settings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from pratique.cli.output import Output, OutputOption, emit
from pratique.core.settings import Loaded, Settings, find, load_with_sources, value_of
from pratique.core.settings.fields import Setting, walk

app = typer.Typer(help="Show, check and explain settings.")

File = Annotated[
    Path | None, typer.Option("--file", help="Settings file; else PRATIQUE_CONFIG, else the state folder's.")
]


@app.command()
def show(
    *,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not a default.")] = False,
    file: File = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Print every setting with its value and where the value came from. Secrets are not shown."""
    loaded = load_with_sources(file)
    rows = [row for row in _rows(loaded) if not changed or row["source"] != "default"]
    emit(rows, ("key", "value", "source"), output)


@app.command()
def check(file: File = None) -> None:
    """Read file and environment as the server would; say what is wrong, or that nothing is."""
    loaded = load_with_sources(file)
    where = str(loaded.file) if loaded.file_exists else f"no file at {loaded.file}: defaults and environment"
    print(f"The settings are good ({where}, {len(loaded.sources)} set).")


@app.command()
def explain(key: Annotated[str, typer.Argument(help="A setting, as registry.gate_wait.")]) -> None:
    """Say what a setting does, its unit, its default and why, and its value now."""
    entry = find(key)
    loaded = load_with_sources()
    print(f"{entry.key}\n  {entry.notes.doc}\n")
    for name, text in facts(entry):
        print(f"  {name:12} {text}")
    print(f"  {'now':12} {_shown(entry, loaded.settings)} ({loaded.sources.get(key, 'default')})")


def facts(entry: Setting) -> Iterator[tuple[str, str]]:
    """Yield what is known of a setting, beside its text, as pairs of name and words."""
    notes = entry.notes
    yield "type", type_name(entry.kind)
    if notes.unit:
        yield "unit", notes.unit
    yield "default", default_text(entry)
    if notes.minimum is not None or notes.maximum is not None:
        yield "range", f"{_bound(notes.minimum)} to {_bound(notes.maximum)}"
    if notes.choices:
        yield "one of", ", ".join(notes.choices)
    yield "environment", entry.variable


def type_name(kind: Any) -> str:
    """Return what a person writes for a type."""
    text = kind.__name__ if isinstance(kind, type) else str(kind)
    optional = "None" in text
    words = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Path": "path"}
    for name, word in words.items():
        if name in text:
            return (f"list of {word}s" if "tuple" in text else word) + (", may be empty" if optional else "")
    return text


def default_text(entry: Setting) -> str:
    """Return the default as it would be written in the file."""
    if entry.key == "data.directory":
        return "$XDG_STATE_HOME/pratique, else ~/.local/state/pratique"
    return _text(entry.default)


def _rows(loaded: Loaded) -> Iterator[dict[str, Any]]:
    for entry in walk(Settings):
        value = _shown(entry, loaded.settings)
        yield {"key": entry.key, "value": value, "source": loaded.sources.get(entry.key, "default")}


def _shown(entry: Setting, settings: Settings) -> str:
    value = value_of(settings, entry.key)
    return "(hidden)" if entry.notes.secret and value else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{part}"' for part in value) + "]"
    return "" if value is None else str(value)


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:,.15g}"
