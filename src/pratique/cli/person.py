"""`pratique person`: people, and the providers through which they sign in."""

import sys
from typing import Annotated, Any

import typer

from pratique.cli.output import Output, OutputOption, emit, emit_json

app = typer.Typer(help="Manage people, and the providers through which they sign in.")
provider_app = typer.Typer(help="OpenID Connect providers: who may come from them, and what their groups mean.")
app.add_typer(provider_app, name="provider")

Name = Annotated[str, typer.Argument(help="Name or id of the person.")]
ProviderName = Annotated[str, typer.Argument(help="Short name of the provider.")]
Domains = Annotated[list[str] | None, typer.Option("--domain", help="Let in whoever has a verified address there.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="Let in whoever is in this group of the provider.")]
SecretStdin = Annotated[bool, typer.Option("--secret-stdin", help="Read the client's secret from standard input.")]
Titles = Annotated[str, typer.Option(help="What the button says.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Name: a-z, 0-9 and . _ @ + -")],
    *,
    display_name: Annotated[str, typer.Option(help="Name as people write it.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Create a person and make the one-time link with which they sign in first."""
    from pratique.cli.client import connect, console_address
    from pratique.core.settings import load

    with connect() as client:
        body = {"name": name, "kind": "user", "display_name": display_name}
        made: dict[str, Any] = client.post("/api/v1/principals", json=body).json()
        link = client.post("/api/v1/sign-in-links", json={"principal": made["name"]}).json()
    made["link"], made["link_expires_at"] = console_address(load()) + link["path"], link["expires_at"]
    if output is Output.JSON:
        emit_json(made)
    else:
        print(f"Created {made['name']}.\n  {made['link']}\n  works once, until {made['link_expires_at']}")


@app.command("list")
def list_people(*, output: OutputOption = Output.TABLE) -> None:
    """List people."""
    from pratique.cli.client import connect, every

    with connect() as client:
        found = every(client, "/api/v1/principals", {"kind": "user"})
        emit(list(found), ("name", "display_name", "state", "created_at", "id"), output)


@app.command("show")
def show(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """Show a person with roles, groups and ways to sign in."""
    from pratique.cli.client import connect

    with connect() as client:
        found = client.get(f"/api/v1/principals/{name}").json() | client.get(f"/api/v1/people/{name}").json()
    if output is Output.JSON:
        emit_json(found)
        return
    print(f"{found['name']} ({found['state']}) {found['display_name']}")
    print(f"  password and code: {'yes' if found['password'] else 'no'}")
    for passkey in found["passkeys"]:
        print(f"  passkey {passkey['label']}, last used {passkey['last_used_at'] or 'never'} ({passkey['id']})")
    for link in found["providers"]:
        print(f"  through {link['provider']} as {link['subject']}")
    for group in found["groups"]:
        print(f"  in {group['name']} ({group['source']})")
    for given in found["assignments"]:
        print(f"  {given['effect']} {given['role']} at {given['scope']}")


@app.command("recover")
def recover(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """Make a one-time link for somebody who cannot sign in any more; using it ends their sessions."""
    from pratique.cli.client import connect, console_address
    from pratique.core.settings import load

    with connect() as client:
        link = client.post("/api/v1/sign-in-links", json={"principal": name}).json()
    link["url"] = console_address(load()) + link["path"]
    emit_json(link) if output is Output.JSON else print(f"{link['url']}\n  works once, until {link['expires_at']}")


@app.command("disable")
def disable(name: Name) -> None:
    """Refuse a person everywhere and end their sessions, at once."""
    _post(f"/api/v1/principals/{name}/disable", "Disabled.")


@app.command("enable")
def enable(name: Name) -> None:
    """Let a disabled person sign in again."""
    _post(f"/api/v1/principals/{name}/enable", "Enabled.")


@app.command("remove-passkey")
def remove_passkey(name: Name, passkey: Annotated[str, typer.Argument(help="Id of the passkey.")]) -> None:
    """Take a passkey from a person, and end their sessions."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/people/{name}/passkeys/{passkey}")
    print("Removed.")


@provider_app.command("list")
def list_providers(*, output: OutputOption = Output.TABLE) -> None:
    """List providers."""
    from pratique.cli.client import connect

    with connect() as client:
        found = client.get("/api/v1/sign-in-providers").json()["items"]
    emit(found, ("id", "title", "issuer", "enabled", "allowed_domains", "allowed_groups"), output)


@provider_app.command("add")
def add_provider(
    provider: ProviderName,
    *,
    issuer: Annotated[str, typer.Option(help="Issuer, exactly as the provider writes it.")],
    client_id: Annotated[str, typer.Option(help="Id of this server at the provider.")],
    title: Titles = "",
    domain: Domains = None,
    group: Groups = None,
    scope: Annotated[list[str] | None, typer.Option(help="Scope to ask for besides openid, profile, email.")] = None,
    group_claim: Annotated[str, typer.Option(help="Claim that lists the groups of a person.")] = "groups",
    secret_stdin: SecretStdin = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Add a provider; nobody comes from it before a domain, a group or a person was allowed to."""
    from pratique.cli.client import connect, console_address
    from pratique.core.settings import load

    body = {
        "id": provider,
        "issuer": issuer,
        "client_id": client_id,
        "title": title,
        "client_secret": sys.stdin.readline().strip() if secret_stdin else "",
        "scopes": ["openid", "profile", "email", *(scope or [])],
        "group_claim": group_claim,
        "allowed_domains": domain or [],
        "allowed_groups": group or [],
    }
    with connect() as client:
        made: dict[str, Any] = client.post("/api/v1/sign-in-providers", json=body).json()
    made["callback"] = console_address(load()) + made["callback_path"]
    if output is Output.JSON:
        emit_json(made)
    else:
        print(f"Added {made['title']}. Register this address at the provider:\n  {made['callback']}")


@provider_app.command("map")
def map_group(
    provider: ProviderName,
    value: Annotated[str, typer.Argument(help="Group of the provider, as it stands in the claim.")],
    group: Annotated[str, typer.Argument(help="Group here.")],
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Let it mean that group no more.")] = False,
) -> None:
    """Let a group of the provider mean a group here, from each person's next sign-in on."""
    from pratique.cli.client import connect

    path, pair = f"/api/v1/sign-in-providers/{provider}/groups", {"value": value, "group": group}
    with connect() as client:
        client.delete(path, params=pair) if remove else client.put(path, json=pair)
    print(f"{value} means {group}{' no more' if remove else ''}.")


@provider_app.command("link")
def link(
    provider: ProviderName,
    name: Name,
    *,
    subject: Annotated[str, typer.Option(help="The provider's lasting name of the person (sub).")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take that way in away.")] = False,
) -> None:
    """Say which person here somebody of the provider is."""
    from pratique.cli.client import connect

    path = f"/api/v1/sign-in-providers/{provider}/people"
    with connect() as client:
        if remove:
            client.delete(f"{path}/{name}")
        else:
            client.put(path, json={"subject": subject, "principal": name})
    print("Unlinked." if remove else f"{subject} of {provider} is {name}.")


@provider_app.command("disable")
def disable_provider(provider: ProviderName) -> None:
    """Let nobody come from a provider; sessions that were begun stay."""
    _post(f"/api/v1/sign-in-providers/{provider}/disable", "Disabled.")


@provider_app.command("enable")
def enable_provider(provider: ProviderName) -> None:
    """Let people come from a provider again."""
    _post(f"/api/v1/sign-in-providers/{provider}/enable", "Enabled.")


@provider_app.command("delete")
def delete_provider(provider: ProviderName) -> None:
    """Remove a provider; its people stay as principals without that way in."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/sign-in-providers/{provider}")
    print("Removed.")


def _post(path: str, said: str) -> None:
    from pratique.cli.client import connect

    with connect() as client:
        client.post(path)
    print(said)
