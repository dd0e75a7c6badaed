"""`pratique principal`: service principals and people, their secrets and logins."""

from typing import Annotated, Any

import typer

from pratique.cli import credentials, managed
from pratique.cli.durations import optional_seconds_of, seconds_of
from pratique.cli.exits import Exit
from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Create and manage service principals and people.")
app.add_typer(credentials.secret, name="secret")
app.add_typer(credentials.certificate, name="certificate")
app.add_typer(credentials.federation, name="federation")
app.add_typer(credentials.holder, name="holder")
app.command("config")(credentials.client_settings)
app.command("serve")(managed.serve)

Name = Annotated[str, typer.Argument(help="Name or id of the principal.")]
LoginOption = Annotated[
    list[str] | None, typer.Option("--login", help="Write the login for podman, docker or skopeo of this account.")
]
ShowSecret = Annotated[bool, typer.Option("--show-secret", help="Print the secret, this once.")]
Expires = Annotated[str, typer.Option(help="When the secret ends: 90d, 12h; or never.")]
COLUMNS = ("name", "kind", "state", "created_at", "id")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Name: a-z, 0-9 and . _ @ + -")],
    *,
    role: Annotated[list[str] | None, typer.Option(help="Role to give, as AcrPush; with --scope.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="Where the role holds, as /registry/team/.")] = None,
    kind: Annotated[
        str, typer.Option(help="service, user for a person, or managed for what an agent serves.")
    ] = "service",
    login: LoginOption = None,
    show_secret: ShowSecret = False,
    expires: Expires = "never",
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a principal, give it roles, and put its secret where a client finds it."""
    from pratique.cli.client import connect

    logins = _checked(login)
    grants = _grants(role or [], scope or [])
    wanted = bool(logins) or show_secret
    body = {
        "name": name,
        "kind": kind,
        "grants": grants,
        "secret": wanted,
        "secret_label": ", ".join(logins) or "shown",
        "secret_lifetime": optional_seconds_of(expires),
    }
    with connect() as client:
        made = client.post("/api/v1/principals", json=body).json()
    if output is Output.JSON:
        emit_json({**made, "secret": _deliver(made, made.get("secret"), logins, show=show_secret, quiet=True)})
        return
    print(f"Created {made['name']} ({made['id']}).")
    for given in made["assignments"]:
        print(f"  {given['role']} at {given['scope']}")
    _deliver(made, made.get("secret"), logins, show=show_secret)
    if kind == "user":
        print(f"  To sign in: pratique admin link {made['name']}")
    elif not wanted:
        print(f"  No secret yet: pratique principal rotate {made['name']} --login podman")


@app.command("list")
def list_principals(
    *,
    kind: Annotated[str, typer.Option(help="Only service or user.")] = "",
    text: Annotated[str, typer.Option(help="Only names that contain this.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """List principals."""
    from pratique.cli.client import connect, every

    params = {"text": text} | ({"kind": kind} if kind else {})
    with connect() as client:
        emit(list(every(client, "/api/v1/principals", params)), COLUMNS, output)


@app.command("show")
def show(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """Show a principal with its secrets (never their values) and roles."""
    from pratique.cli.client import connect

    with connect() as client:
        found = client.get(f"/api/v1/principals/{name}").json()
    if output is Output.JSON:
        emit_json(found)
        return
    emit([found], COLUMNS, output)
    print()
    emit(found["assignments"], ("role", "scope", "effect", "expires_at", "id"), output)
    print()
    emit(found["secrets"], ("label", "created_at", "expires_at", "last_used_at", "id"), output)


@app.command("rotate")
def rotate(
    name: Name,
    *,
    login: LoginOption = None,
    show_secret: ShowSecret = False,
    overlap: Annotated[str, typer.Option(help="How long older secrets still work: 1h; 0s ends them now.")] = "0s",
    expires: Expires = "never",
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a new secret and end the older ones."""
    from pratique.cli.client import connect

    logins = _checked(login)
    if not logins and not show_secret:
        raise typer.BadParameter("say where the new secret goes: --login podman|docker|skopeo, or --show-secret")
    body = {
        "label": ", ".join(logins) or "shown",
        "overlap": seconds_of(overlap),
        "lifetime": optional_seconds_of(expires),
    }
    with connect() as client:
        principal = client.get(f"/api/v1/principals/{name}").json()
        secret = client.post(f"/api/v1/principals/{principal['id']}/rotate", json=body).json()
    delivered = _deliver(principal, secret, logins, show=show_secret, quiet=output is Output.JSON)
    if output is Output.JSON:
        emit_json(delivered)


@app.command("disable")
def disable(name: Name) -> None:
    """Refuse a principal everywhere, at once."""
    _act(name, "disable", "Disabled")


@app.command("enable")
def enable(name: Name) -> None:
    """Let a disabled principal work again."""
    _act(name, "enable", "Enabled")


@app.command("revoke-tokens")
def revoke_tokens(name: Name) -> None:
    """Refuse every token and session that the principal has now."""
    _act(name, "revoke-tokens", "Revoked the tokens of")


@app.command("delete")
def delete(name: Name, *, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Delete a principal with its secrets, roles and sessions."""
    from pratique.cli.client import connect

    if not yes and not typer.confirm(f"Delete {name} with its secrets and roles?"):
        raise typer.Exit(Exit.NO)
    with connect() as client:
        client.delete(f"/api/v1/principals/{name}")
    print(f"Deleted {name}.")


def _act(name: str, action: str, word: str) -> None:
    from pratique.cli.client import connect

    with connect() as client:
        client.post(f"/api/v1/principals/{name}/{action}")
    print(f"{word} {name}.")


def _grants(roles: list[str], scopes: list[str]) -> list[dict[str, str]]:
    if len(roles) != len(scopes) and len(scopes) != 1 and roles:
        raise typer.BadParameter("give one --scope for all roles, or one for each --role")
    if scopes and not roles:
        raise typer.BadParameter("--scope needs --role")
    wide = scopes * len(roles) if len(scopes) == 1 else scopes
    return [{"role": role, "scope": scope} for role, scope in zip(roles, wide, strict=True)]


def _checked(logins: list[str] | None) -> list[str]:
    from pratique.cli.logins import Tool, check, file_of

    for tool in logins or []:
        if tool not in list(Tool):
            raise typer.BadParameter(f"--login takes {', '.join(Tool)}; not {tool}")
        check(file_of(Tool(tool)))
    return list(logins or [])


def _deliver(
    principal: dict[str, Any], secret: dict[str, Any] | None, logins: list[str], *, show: bool, quiet: bool = False
) -> dict[str, Any] | None:
    """Put the secret where it was asked to go, say where, and return what may be printed of it."""
    if secret is None:
        return None
    from pratique.cli.client import registry_host
    from pratique.cli.logins import Login, Tool, file_of, hint, store
    from pratique.core.settings import load

    host = registry_host(load())
    places = [store(file_of(Tool(tool)), Login(host, principal["name"], secret["value"])) for tool in logins]
    if not quiet:
        for place in dict.fromkeys(places):
            print(f"  Login for {host} written to {place}.")
        for line in dict.fromkeys(filter(None, (hint(file_of(Tool(tool))) for tool in logins))):
            print(f"  {line}")
        if show:
            print(f"  Secret, shown this once: {secret['value']}")
            print(f"  podman login {host} --username {principal['name']} --password-stdin")
    return {key: value for key, value in secret.items() if key != "value" or show}
