"""A command group that imports a command's module only when that command is called or completed."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command as build_command

if TYPE_CHECKING:
    from typer import _click as click


@dataclass(frozen=True)
class Entry:
    """Where a command lives (`module`, or `module:attribute`) and the line that help shows for it."""

    target: str
    line: str

    def load(self) -> typer.Typer:
        """Import the module and return its `typer.Typer`."""
        module, _, attribute = self.target.partition(":")
        app = getattr(import_module(module), attribute or "app")
        assert isinstance(app, typer.Typer)  # noqa: S101  a wrong entry is a programming error
        return app


Table = dict[str, dict[str, Entry]]


def lazy_group(table: Table) -> type[TyperGroup]:
    """Return a group class whose commands are the entries of `table`, by heading."""
    entries = {name: entry for section in table.values() for name, entry in section.items()}

    class LazyGroup(TyperGroup):
        """Lists its commands from the table; builds one only when it is resolved."""

        def __init__(self, **attributes: Any) -> None:
            stubs = [TyperCommand(name=name, help=entry.line) for name, entry in entries.items()]
            super().__init__(**{**attributes, "commands": stubs})

        def resolve_command(self, ctx: "click.Context", args: list[str]) -> Any:
            name, _stub, rest = super().resolve_command(ctx, args)
            return name, None if name is None else load_command(name, entries[name]), rest

        def format_commands(self, ctx: "click.Context", formatter: Any) -> None:  # noqa: ARG002
            for heading, section in table.items():
                with formatter.section(heading):
                    formatter.write_dl([(name, entry.line) for name, entry in section.items()])

    return LazyGroup


def load_command(name: str, entry: Entry) -> "click.Command":
    """Import and build one command; help is plain text, as importing rich would double the time of `--help`."""
    app = entry.load()
    for part in _with_groups(app):
        part.rich_markup_mode = None
    app._add_completion = False  # noqa: SLF001  completion is the root's; typer has no other switch after creation
    command = build_command(app)
    command.name = name
    return command


def _with_groups(app: typer.Typer) -> Iterator[typer.Typer]:
    yield app
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from _with_groups(group.typer_instance)
