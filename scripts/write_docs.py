"""Writes the pages of docs/reference that follow from the code (`make docs`); with `--check` it says what is old."""

import argparse
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs/reference"
NOTICE = "<!-- Written by scripts/write_docs.py (`make docs`); not edited by hand. -->\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*", choices=[[], *PAGES], help="pages; all if none is named")
    options = parser.parse_args()
    os.environ["COLUMNS"] = "100"
    old = [name for name in options.names or PAGES if refresh(name, write=not options.check)]
    for name in old:
        print(f"docs/reference/{name}.md {'is out of date: run `make docs`' if options.check else 'written'}")
    return int(bool(old and options.check))


def refresh(name: str, *, write: bool) -> bool:
    """Whether a page differed from what the code says; it is written if asked for."""
    file = FOLDER / f"{name}.md"
    text = NOTICE + "".join(f"{line}\n".replace(" \n", "\n") for line in PAGES[name]())
    if file.exists() and file.read_text() == text:
        return False
    if write:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return True


def settings_page() -> Iterator[str]:
    from pratique.cli.config import facts
    from pratique.core.settings import Settings
    from pratique.core.settings.fields import walk

    yield "# Settings\n"
    yield "One TOML file, `pratique.toml` in the state folder (or the file that `PRATIQUE_CONFIG` names), and"
    yield "environment variables, which win. A key `section.name` is `name` under `[section]` in the file and"
    yield "`PRATIQUE_SECTION__NAME` in the environment. An unknown key is an error that names the nearest one."
    yield "`pratique config show` prints what is in force, `pratique config explain KEY` what stands here.\n"
    yield "```toml\n[server]\nport = 8443\n\n[registry]\ngate_wait = 20\n```"
    section = ""
    for entry in walk(Settings):
        head, _, _ = entry.key.partition(".")
        if head != section:
            section = head
            yield f"\n## {section}\n"
        yield f"### `{entry.key}`\n\n{entry.notes.doc}\n"
        for fact, text in facts(entry):
            yield f"- {fact}: {code(text)}"
        yield ""


def code(text: str) -> str:
    return f"`{text}`" if text else "empty"


def cli_page() -> Iterator[str]:
    from pratique.cli.exits import Exit
    from pratique.cli.lazy import load_command
    from pratique.cli.main import COMMANDS

    yield "# Command line\n"
    yield "`pratique COMMAND --help` prints what stands here. Listing commands take `--output table|json`."
    yield "`pratique --install-completion` sets up completion for the shell in use.\n"
    yield "## Exit codes\n\n| code | meaning |\n|---|---|"
    yield from (f"| {int(code)} | {code.meaning} |" for code in Exit)
    for heading, section in COMMANDS.items():
        yield f"\n## {heading}"
        for name, entry in section.items():
            yield from command_help(load_command(name, entry), f"pratique {name}", 3)


def command_help(command: Any, path: str, level: int) -> Iterator[str]:
    context = command.make_context(path, [], resilient_parsing=True)
    context.terminal_width = context.max_content_width = 100
    yield f"\n{'#' * level} `{path}`\n\n```text\n{command.get_help(context).rstrip()}\n```"
    for name, child in sorted(getattr(command, "commands", {}).items()):
        if not child.hidden:
            yield from command_help(child, f"{path} {name}", level + 1)


def permissions_page() -> Iterator[str]:
    from pratique.core.permissions import Permission
    from pratique.identity.roles import BUILT_IN

    yield "# Permissions and roles\n"
    yield "Every right has one name, `domain/resource/verb`. A role is a named set of rights; an assignment gives a"
    yield "role to a principal at a scope. `pratique access explain` says which assignment allows something, or what it"
    yield "would take.\n"
    yield "## Permissions\n\n| permission | allows |\n|---|---|"
    yield from (f"| `{permission.value}` | {permission.sentence} |" for permission in Permission)
    yield "\n## Built-in roles"
    for role in BUILT_IN:
        yield f"\n### {role.name}\n\n{role.description} Id `{role.id}`.\n"
        yield from (f"- `{permission}`" for permission in sorted(role.permissions))


def azure_actions_page() -> Iterator[str]:
    from pratique.identity.azure_actions import ACTIONS, REPOSITORY_NAME, is_data
    from pratique.identity.roles import BUILT_IN

    yield "# Azure's actions, and what they mean here\n"
    yield "Built-in roles with a name of Azure's have its id and actions. Custom roles can be made of the same strings:"
    yield "`pratique role create NAME --action … --data-action … --not-action …`. `*` stands for any characters,"
    yield "slashes too, and never for purging, which is named in full or not given.\n"
    yield "## Actions\n\n| action | data | permits |\n|---|---|---|"
    for action, permissions in sorted(ACTIONS.items()):
        permitted = ", ".join(f"`{permission}`" for permission in sorted(permissions)) or "nothing here"
        yield f"| `{action}` | {'yes' if is_data(action) else 'no'} | {permitted} |"
    yield "\n## Roles\n\n| role | actions | data actions |\n|---|---|---|"
    for role in BUILT_IN:
        if role.actions or role.data_actions:
            actions, data = (" ".join(f"`{one}`" for one in ones) for ones in (role.actions, role.data_actions))
            yield f"| {role.name} | {actions} | {data} |"
    yield "\n## Conditions\n"
    yield f"Conditions compare `@Request[{REPOSITORY_NAME}]` with texts in single quotes: `StringEquals`,"
    yield "`StringNotEquals`, `StringStartsWith`, `StringNotStartsWith`, `StringLike` and `StringNotLike`, each also"
    yield "with `IgnoreCase`, and the positive ones after `ForAnyOfAnyValues:` with `{'a', 'b'}`. They are joined by"
    yield "`AND`, `OR`, `!` and brackets; `ActionMatches{'…'}` says for which actions. Other attributes are refused"
    yield "when a condition is written. A request that names no repository meets no comparison: it is not allowed by"
    yield "it, and is denied by it."


def metrics_page() -> Iterator[str]:
    from pratique.core.telemetry import METRICS

    import_everything()
    yield "# Metrics\n"
    yield "Served as Prometheus text at `/metrics`.\n"
    yield "| metric | kind | unit | labels | meaning |\n|---|---|---|---|---|"
    for metric in METRICS.describe():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind} | {metric.unit or 'count'} | {labels} | {metric.description} |"


def import_everything() -> None:
    import pratique

    for module in pkgutil.walk_packages(pratique.__path__, "pratique."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            import_module(module.name)


def keys_page() -> Iterator[str]:
    from pratique.core.keys.grants import table

    yield "# Who may use which key\n"
    yield "Keys never leave the key process. It answers these requests, by the socket on which they come.\n"
    yield table()


def routes_page() -> Iterator[str]:
    from route_table import route_table

    yield "# Routes\n"
    plane = ""
    for name, method, path, summary in route_table():
        if name != plane:
            plane = name
            yield f"\n## {plane}\n\n| method | path | |\n|---|---|---|"
        yield f"| {method} | `{path}` | {summary} |"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "azure-actions": azure_actions_page,
    "settings": settings_page,
    "cli": cli_page,
    "permissions": permissions_page,
    "metrics": metrics_page,
    "keys": keys_page,
    "routes": routes_page,
}

if __name__ == "__main__":
    sys.exit(main())
