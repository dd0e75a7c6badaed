"""`pratique registry scope-map|token`: credentials for a few repositories, in the form of Azure Container Registry."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from pratique.cli.durations import optional_seconds_of
from pratique.cli.output import Output, OutputOption, emit, emit_json

scope_map = typer.Typer(help="Named lists of actions on repositories.", no_args_is_help=True)
token = typer.Typer(help="Names with two passwords that hold what a scope map says.", no_args_is_help=True)

MapName = Annotated[str, typer.Argument(help="Name of the scope map.")]
TokenName = Annotated[str, typer.Argument(help="Name of the token.")]
Actions = Annotated[
    list[str],
    typer.Option("--action", "-a", help="repositories/NAME/content/read; NAME may end with *. Several times."),
]
Expires = Annotated[str, typer.Option(help="When passwords end: 90d, 12h; or never.")]
_MAP, _TOKEN = ("name", "type", "description", "actions"), ("name", "scope_map", "status", "created_at")
_PASSWORD = ("name", "value", "expires_at")


class Which(StrEnum):
    """The passwords of a token."""

    PASSWORD1 = "password1"
    PASSWORD2 = "password2"


@scope_map.command("create")
def create_map(
    name: MapName,
    *,
    action: Actions,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a scope map, of rights that you hold yourself."""
    body = {"name": name, "actions": action, "description": description}
    _emit(_call("POST", "scope-maps", body), _MAP, output)


@scope_map.command("list")
def list_maps(*, output: OutputOption = Output.TABLE) -> None:
    """List scope maps; those that begin with _ are the system's."""
    emit(_every("scope-maps"), _MAP, output)


@scope_map.command("show")
def show_map(name: MapName, *, output: OutputOption = Output.TABLE) -> None:
    """Show a scope map."""
    _emit(_call("GET", f"scope-maps/{name}"), _MAP, output)


@scope_map.command("update")
def update_map(
    name: MapName,
    *,
    action: Actions,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Put other actions in place of those that it has; tokens follow at once."""
    body = {"actions": action, "description": description}
    _emit(_call("PATCH", f"scope-maps/{name}", body), _MAP, output)


@scope_map.command("delete")
def delete_map(name: MapName) -> None:
    """Delete a scope map that no token has."""
    _call("DELETE", f"scope-maps/{name}")
    print("deleted")


@token.command("create")
def create_token(
    name: TokenName,
    *,
    scope_map: Annotated[str, typer.Option(help="What it may do: a scope map, as _repositories_pull.")],
    expires: Expires = "never",
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a token; its two passwords are printed this once. Sign in with its name and either of them."""
    body = {"name": name, "scope_map": scope_map, "lifetime": optional_seconds_of(expires)}
    made = _call("POST", "registry-tokens", body)
    if output is Output.JSON:
        emit_json(made)
        return
    emit(made["passwords"], _PASSWORD, output)


@token.command("list")
def list_tokens(*, output: OutputOption = Output.TABLE) -> None:
    """List tokens."""
    emit(_every("registry-tokens"), _TOKEN, output)


@token.command("show")
def show_token(name: TokenName, *, output: OutputOption = Output.TABLE) -> None:
    """Show a token, without the values of its passwords."""
    found = _call("GET", f"registry-tokens/{name}")
    _emit(found, _TOKEN, output)
    if output is Output.TABLE:
        print()
        emit(found["passwords"], ("name", "created_at", "expires_at", "last_used_at"), output)


@token.command("update")
def update_token(
    name: TokenName,
    *,
    scope_map: Annotated[str, typer.Option(help="The scope map that it has from now on.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Give a token another scope map, at once."""
    _emit(_call("PATCH", f"registry-tokens/{name}", {"scope_map": scope_map}), _TOKEN, output)


@token.command("disable")
def disable_token(name: TokenName, *, output: OutputOption = Output.TABLE) -> None:
    """Refuse a token everywhere, at once."""
    _emit(_call("PATCH", f"registry-tokens/{name}", {"status": "disabled"}), _TOKEN, output)


@token.command("enable")
def enable_token(name: TokenName, *, output: OutputOption = Output.TABLE) -> None:
    """Let a disabled token work again."""
    _emit(_call("PATCH", f"registry-tokens/{name}", {"status": "enabled"}), _TOKEN, output)


@token.command("generate")
def generate(
    name: TokenName,
    *,
    password: Annotated[Which, typer.Option(help="Which one; the other goes on.")] = Which.PASSWORD1,
    expires: Expires = "never",
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a password anew and print it this once; its former value is refused at once."""
    body = {"lifetime": optional_seconds_of(expires)}
    _emit(_call("POST", f"registry-tokens/{name}/passwords/{password.value}", body), _PASSWORD, output)


@token.command("revoke")
def revoke(name: TokenName, *, password: Annotated[Which, typer.Option(help="Which one; the other goes on.")]) -> None:
    """End a password, and what came of it, at once."""
    _call("DELETE", f"registry-tokens/{name}/passwords/{password.value}")
    print("revoked")


@token.command("delete")
def delete_token(name: TokenName) -> None:
    """Delete a token with its passwords and rights."""
    _call("DELETE", f"registry-tokens/{name}")
    print("deleted")


def _call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    from pratique.cli.client import connect

    with connect() as client:
        answer = client.request(method, f"/api/v1/{path}", json=body)
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found


def _every(path: str) -> list[dict[str, Any]]:
    from pratique.cli.client import connect, every

    with connect() as client:
        return list(every(client, f"/api/v1/{path}"))


def _emit(one: dict[str, Any], columns: tuple[str, ...], output: Output) -> None:
    if output is Output.JSON:
        emit_json(one)
        return
    emit([one], columns, output)
