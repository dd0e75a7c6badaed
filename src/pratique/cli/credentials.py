"""`pratique principal secret|certificate|federation|holder`: what proves a principal; and settings for its clients."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pratique.cli.durations import optional_seconds_of
from pratique.cli.output import Output, OutputOption, emit, emit_json

secret = typer.Typer(help="Client secrets, each shown once.", no_args_is_help=True)
certificate = typer.Typer(help="Certificates whose keys sign for a principal.", no_args_is_help=True)
federation = typer.Typer(help="Tokens of other issuers that stand for a principal.", no_args_is_help=True)
holder = typer.Typer(help="Who may get tokens of a managed identity.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name or id of the principal.")]
Id = Annotated[str, typer.Argument(help="Id of the credential, as list shows it.")]
Label = Annotated[str, typer.Option(help="A word to know it by.")]
_TIMES = ("created_at", "expires_at", "last_used_at", "id")


class Client(StrEnum):
    """Clients that settings can be printed for."""

    AZURE_ENV = "azure-env"
    DOCKER = "docker"
    KUBERNETES = "kubernetes"
    PODMAN = "podman"
    SKOPEO = "skopeo"


@secret.command("add")
def add_secret(
    name: Name,
    *,
    label: Label = "",
    expires: Annotated[str, typer.Option(help="When it ends: 90d, 12h; or never.")] = "180d",
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a further secret; it is printed this once, on a line of its own."""
    made = _post(f"{name}/secrets", {"label": label, "lifetime": optional_seconds_of(expires)})
    if output is Output.JSON:
        emit_json(made)
        return
    print(made["value"])


@secret.command("list")
def list_secrets(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """List secrets, without their values."""
    found = [one for one in _items(f"{name}/credentials") if one["kind"] == "client-secret"]
    emit(found, ("label", *_TIMES), output)


@certificate.command("add")
def add_certificate(
    name: Name,
    file: Annotated[Path, typer.Argument(help="Certificate in PEM; never the private key.", exists=True)],
    *,
    label: Label = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Let the key of a certificate prove a principal."""
    made = _post(f"{name}/certificates", {"certificate": file.read_text(), "label": label or file.name})
    emit([made], ("subject", "thumbprint", "expires_at", "id"), output)


@certificate.command("list")
def list_certificates(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """List certificates."""
    emit(_items(f"{name}/certificates"), ("subject", "thumbprint", *_TIMES), output)


@federation.command("add")
def add_federation(
    name: Name,
    *,
    issuer: Annotated[str, typer.Option(help="Exactly the iss of the tokens, as https://token.actions.example")],
    subject: Annotated[str, typer.Option(help="Exactly the sub, as system:serviceaccount:NAMESPACE:NAME")],
    audience: Annotated[str, typer.Option(help="The aud of the tokens.")] = "api://AzureADTokenExchange",
    wildcard: Annotated[bool, typer.Option("--wildcard", help="A * in the subject stands for one part.")] = False,
    keys: Annotated[
        Path | None,
        typer.Option(help="JWKS of an issuer that this server cannot ask: kubectl get --raw /openid/v1/jwks"),
    ] = None,
    label: Label = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Let tokens of Kubernetes, GitHub, GitLab or another issuer prove a principal."""
    import json

    body = {"issuer": issuer, "subject": subject, "audience": audience, "label": label}
    body["matching"] = "wildcard" if wildcard else "exact"
    given = {"keys": json.loads(keys.read_text())} if keys else {}
    made = _post(f"{name}/federations", {**body, **given})
    emit([made], ("issuer", "subject", "audience", "matching", "keys", "id"), output)
    if made["issuer_problem"] and output is Output.TABLE:
        print(f"  Tokens will be refused for now: {made['issuer_problem']}")


@federation.command("list")
def list_federations(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """List federated credentials."""
    emit(_items(f"{name}/federations"), ("issuer", "subject", "audience", "matching", "keys", *_TIMES), output)


@holder.command("add")
def add_holder(
    name: Name,
    who: Annotated[str, typer.Argument(help="Service principal or agent; local-operator for this machine.")],
    *,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let an agent get tokens of a managed identity."""
    emit([_post(f"{name}/holders", {"holder": who})], ("holder", "created_at", "id"), output)


@holder.command("list")
def list_holders(name: Name, *, output: OutputOption = Output.TABLE) -> None:
    """List who may get tokens of a managed identity."""
    emit(_items(f"{name}/holders"), ("holder", "created_at", "id"), output)


@secret.command("remove")
@certificate.command("remove")
@federation.command("remove")
@holder.command("remove")
def remove(name: Name, credential: Id) -> None:
    """Remove it, and with it every token that came from it, at once."""
    from pratique.cli.client import connect

    with connect() as client:
        client.delete(f"/api/v1/principals/{name}/credentials/{credential}")
    print(f"Removed {credential}.")


def client_settings(
    name: Name, *, client: Annotated[Client, typer.Option("--client", help="Which client the settings are for.")]
) -> None:
    """Print settings to copy for a client of a principal; secrets stand as placeholders."""
    from pratique.cli.client import connect, registry_host
    from pratique.core.settings import load

    settings = load()
    with connect(settings) as api:
        principal = api.get(f"/api/v1/principals/{name}").json()
        tenant = api.get("/api/v1/tokens/tenant").json()["tenant"]
    host = registry_host(settings)
    login = f"https://{settings.server.host_of('login')}:{host.rpartition(':')[2]}"
    print(
        lines_for(client, principal, host=host, login=login, tenant=tenant, ca=settings.data.directory / "tls/ca.pem")
    )


def lines_for(client: Client, principal: dict[str, Any], *, host: str, login: str, tenant: str, ca: Path) -> str:
    """The settings of one client, as text to copy."""
    name, identity = principal["name"], principal["id"]
    if client in (Client.DOCKER, Client.PODMAN, Client.SKOPEO):
        return f"{client} login {host} --username {name} --password-stdin < SECRET-FILE"
    common = {"AZURE_AUTHORITY_HOST": login, "AZURE_CLIENT_ID": identity, "REQUESTS_CA_BUNDLE": str(ca)}
    if client is Client.AZURE_ENV:
        # EnvironmentCredential asks the public cloud about any other tenant before it asks this server.
        given = {**common, "AZURE_TENANT_ID": "adfs", "AZURE_CLIENT_SECRET": "SECRET"}
        return "\n".join(f"export {key}={value}" for key, value in given.items())
    token = "/var/run/secrets/azure/tokens/azure-identity-token"  # noqa: S105  a path
    env = {**common, "AZURE_TENANT_ID": tenant, "AZURE_FEDERATED_TOKEN_FILE": token}
    lines = ["# in the pod; federated subject: system:serviceaccount:NAMESPACE:SERVICE-ACCOUNT", "env:"]
    lines += [f'  - {{name: {key}, value: "{value}"}}' for key, value in env.items()]
    lines += [
        "volumeMounts:",
        f"  - {{name: identity, mountPath: {token.rpartition('/')[0]}, readOnly: true}}",
        "volumes:",
    ]
    source = "{serviceAccountToken: {path: azure-identity-token, audience: api://AzureADTokenExchange}}"
    return "\n".join([*lines, f"  - {{name: identity, projected: {{sources: [{source}]}}}}"])


def _post(path: str, body: dict[str, Any]) -> dict[str, Any]:
    from pratique.cli.client import connect

    with connect() as client:
        answer: dict[str, Any] = client.post(f"/api/v1/principals/{path}", json=body).json()
        return answer


def _items(path: str) -> list[dict[str, Any]]:
    from pratique.cli.client import connect

    with connect() as client:
        found: list[dict[str, Any]] = client.get(f"/api/v1/principals/{path}").json()["items"]
        return found
