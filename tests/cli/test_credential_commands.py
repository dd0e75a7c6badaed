"""The commands of credentials against a whole installation that really runs, and azure-identity with what they print."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from azure.identity import EnvironmentCredential, ManagedIdentityCredential
from tests.cli.test_identity_commands import Installation
from tests.identity.serving import OPERATOR, Issuer, client_key

REGISTRY = "https://containerregistry.azure.net/.default"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("credentials"))
    try:
        made.begin()
        yield made
    finally:
        made.end()


def test_each_kind_is_added_listed_and_removed(installation: Installation, tmp_path: Path) -> None:
    run = installation.run
    run("principal", "create", "builder")
    run("principal", "create", "web", "--kind", "managed")
    value = run("principal", "secret", "add", "builder", "--label", "ci").strip()
    assert value.startswith("pqs_")
    certificate, keys = tmp_path / "c.pem", tmp_path / "jwks.json"
    certificate.write_text(client_key().pem)
    keys.write_text(json.dumps(Issuer().jwks))
    run("principal", "certificate", "add", "builder", str(certificate))
    federated = ("--issuer", "https://kubernetes.default.svc", "--subject", "system:serviceaccount:a:b")
    run("principal", "federation", "add", "builder", *federated, "--keys", str(keys))
    run("principal", "holder", "add", "web", "local-operator")
    for kind, name in (("secret", "builder"), ("certificate", "builder"), ("federation", "builder"), ("holder", "web")):
        (listed,) = installation.json("principal", kind, "list", name)
        assert value not in json.dumps(listed)
        run("principal", kind, "remove", name, listed["id"])
        assert installation.json("principal", kind, "list", name) == []


def test_a_private_key_is_refused(installation: Installation, tmp_path: Path) -> None:
    path = tmp_path / "both.pem"
    path.write_bytes(client_key().both)
    installation.run("principal", "create", "careless")
    installation.run("principal", "certificate", "add", "careless", str(path), expect=2)


def test_the_printed_environment_is_all_that_azure_identity_needs(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.run("principal", "create", "sdk")
    value = installation.run("principal", "secret", "add", "sdk").strip()
    lines = installation.run("principal", "config", "sdk", "--client", "azure-env").strip().splitlines()
    for line in lines:
        name, _, given = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(name, value if given == "SECRET" else given)
    with EnvironmentCredential() as credential:
        first = credential.get_token(REGISTRY).token
    installation.run("admin", "rotate-token-key")
    with EnvironmentCredential() as credential:
        assert credential.get_token(REGISTRY).token.split(".")[0] != first.split(".")[0]
    assert json.loads(installation.run("admin", "rotate-token-key", "--revoke", "--output", "json"))["discarded"] >= 1
    with EnvironmentCredential() as credential:
        credential.get_token(REGISTRY)


@pytest.mark.parametrize("client", ["docker", "podman", "skopeo", "kubernetes"])
def test_settings_to_copy(installation: Installation, client: str) -> None:
    installation.run("principal", "create", f"for-{client}")
    printed = installation.run("principal", "config", f"for-{client}", "--client", client)
    assert "AZURE_FEDERATED_TOKEN_FILE" in printed if client == "kubernetes" else f"{client} login" in printed


def test_a_managed_identity_is_served_on_loopback(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    installation.run("principal", "create", "served", "--kind", "managed")
    installation.run("principal", "holder", "add", "served", "local-operator")
    command = [sys.executable, "-m", "pratique", "principal", "serve", "served"]
    with subprocess.Popen(command, env=installation.environment, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            for _ in range(2):
                name, _, value = child.stdout.readline().strip().removeprefix("export ").partition("=")
                monkeypatch.setenv(name, value)
            with ManagedIdentityCredential() as credential:
                claims = jwt.decode(credential.get_token(REGISTRY).token, options={"verify_signature": False})
            assert claims["act"]["sub"] == OPERATOR.principal_id
        finally:
            child.terminate()
        assert child.wait(20) in (0, -15)
