"""Unmodified azure-identity clients, built with constructor defaults or environment only, against a running server."""

import asyncio
import json
import ssl
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    DeviceCodeCredential,
    EnvironmentCredential,
    InteractiveBrowserCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.identity import aio as asynchronous
from tests.identity.serving import OPERATOR, Issuer, Serving, client_key, serving_identity
from tests.interop.clients import trust

from pratique.core.clock import SystemClock
from pratique.core.database import Database, open_database
from pratique.core.http.server import Server, TlsFiles
from pratique.core.keys.client import Keys, local_keys
from pratique.core.permissions import Caller
from pratique.identity.managed.listener import METADATA_PATH, SECRET_PATH, Listener, listener_pipeline
from pratique.identity.types import Audience

REGISTRY = "https://containerregistry.azure.net/.default"
VAULT = "https://vault.localhost/.default"
API = "api://pratique/.default"


@pytest.fixture
def live(sqlite_url: str, state_dir: Path) -> Iterator[Database]:
    opened = open_database(sqlite_url, clock=SystemClock(), hints_directory=state_dir / "hints")
    yield opened
    opened.close()


@pytest.fixture
def own_keys(state_dir: Path) -> Iterator[Keys]:
    opened = local_keys(state_dir / "keys")
    yield opened
    opened.close()


@pytest.fixture
def serving(
    live: Database, own_keys: Keys, certificate: TlsFiles, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Serving]:
    trust(monkeypatch, certificate.certificate)
    with serving_identity(live, own_keys, certificate) as running:
        yield running


@pytest.fixture
def secret(serving: Serving) -> str:
    return serving.world.secret(serving.world.create()).value


def of(serving: Serving, token: str, audience: Audience = Audience.EXCHANGE) -> str:
    """Whom the server takes the bearer of a token for."""
    return serving.world.identity.tokens.caller(token, audience).name


def options(serving: Serving) -> dict[str, Any]:
    return {"authority": serving.authority, "disable_instance_discovery": True}


def test_a_client_secret(serving: Serving, secret: str) -> None:
    with ClientSecretCredential(serving.tenant, "builder", secret, **options(serving)) as credential:
        assert of(serving, credential.get_token(REGISTRY).token) == "builder"
        assert of(serving, credential.get_token(VAULT).token, Audience.VAULT) == "builder"
        token = credential.get_token(API).token
    assert of(serving, token, Audience.MANAGEMENT) == "builder"
    answer = httpx2.get(
        f"{serving.authority}/api/v1/principals",
        headers={"authorization": f"Bearer {token}"},
        verify=ssl.create_default_context(cafile=serving.ca),
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "denied")


def test_a_wrong_client_secret_is_refused_in_words(serving: Serving, secret: str) -> None:
    with (
        ClientSecretCredential(serving.tenant, "builder", "wrong", **options(serving)) as credential,
        pytest.raises(ClientAuthenticationError, match=r"AADSTS7000215.*do not fit together"),
    ):
        credential.get_token(REGISTRY)


def test_a_certificate(serving: Serving, tmp_path: Path) -> None:
    world, key = serving.world, client_key()
    principal = world.create()
    world.write(lambda tx: world.identity.certificates.add(tx, OPERATOR, principal, key.pem))
    path = tmp_path / "client.pem"
    path.write_bytes(key.both)
    with CertificateCredential(serving.tenant, principal.id, str(path), **options(serving)) as credential:
        assert of(serving, credential.get_token(REGISTRY).token) == "builder"
    with CertificateCredential("adfs", principal.id, str(path), authority=serving.authority) as credential:
        assert of(serving, credential.get_token(REGISTRY).token) == "builder"


SUBJECT = "system:serviceaccount:team:web"


@pytest.fixture
def issuer(serving: Serving) -> Issuer:
    """A cluster that this server cannot reach: its keys were given by hand."""
    made, world = Issuer("https://kubernetes.default.svc"), serving.world
    principal = world.create("web")
    world.write(
        lambda tx: world.identity.federation.add(
            tx, OPERATOR, principal, issuer=made.url, subject=SUBJECT, keys=made.jwks
        )
    )
    return made


def test_a_federated_assertion(serving: Serving, issuer: Issuer) -> None:
    with ClientAssertionCredential(
        serving.tenant, "web", lambda: issuer.token(SUBJECT), **options(serving)
    ) as credential:
        assert of(serving, credential.get_token(REGISTRY).token) == "web"


def test_workload_identity_by_environment_only(
    serving: Serving, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text(issuer.token(SUBJECT))
    for name, value in {
        "AZURE_AUTHORITY_HOST": serving.authority,
        "AZURE_TENANT_ID": serving.tenant,
        "AZURE_CLIENT_ID": "web",
        "AZURE_FEDERATED_TOKEN_FILE": str(path),
    }.items():
        monkeypatch.setenv(name, value)
    with WorkloadIdentityCredential() as credential:
        assert of(serving, credential.get_token(REGISTRY).token) == "web"


def test_a_service_account_of_another_name_is_refused(serving: Serving, issuer: Issuer) -> None:
    with (
        ClientAssertionCredential(
            serving.tenant, "web", lambda: issuer.token(SUBJECT + "2"), **options(serving)
        ) as credential,
        pytest.raises(ClientAuthenticationError, match="none of its federated credentials"),
    ):
        credential.get_token(REGISTRY)


@pytest.mark.parametrize("proof", ["secret", "certificate"])
def test_environment_only(
    serving: Serving, secret: str, proof: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, key, path = serving.world, client_key(), tmp_path / "client.pem"
    principal = world.read(lambda tx: world.identity.principals.get(tx, "builder"))
    world.write(lambda tx: world.identity.certificates.add(tx, OPERATOR, principal, key.pem))
    path.write_bytes(key.both)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", serving.authority)
    monkeypatch.setenv("AZURE_TENANT_ID", "adfs")
    monkeypatch.setenv("AZURE_CLIENT_ID", "builder")
    if proof == "secret":
        monkeypatch.setenv("AZURE_CLIENT_SECRET", secret)
    else:
        monkeypatch.setenv("AZURE_CLIENT_CERTIFICATE_PATH", str(path))
    with EnvironmentCredential() as credential:
        assert of(serving, credential.get_token(REGISTRY).token) == "builder"


def test_asynchronous_clients(
    serving: Serving, secret: str, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, key, path = serving.world, client_key(), tmp_path / "client.pem"
    principal = world.read(lambda tx: world.identity.principals.get(tx, "builder"))
    world.write(lambda tx: world.identity.certificates.add(tx, OPERATOR, principal, key.pem))
    path.write_bytes(key.both)
    token_file = tmp_path / "token"
    token_file.write_text(issuer.token(SUBJECT))
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", serving.authority)

    async def ask() -> list[str]:
        made: list[Any] = [
            asynchronous.ClientSecretCredential(serving.tenant, "builder", secret, **options(serving)),
            asynchronous.CertificateCredential(serving.tenant, "builder", str(path), **options(serving)),
            asynchronous.ClientAssertionCredential(
                serving.tenant, "web", lambda: issuer.token(SUBJECT), **options(serving)
            ),
            asynchronous.WorkloadIdentityCredential(
                tenant_id=serving.tenant, client_id="web", token_file_path=str(token_file)
            ),
        ]
        found = []
        for credential in made:
            async with credential:
                found.append((await credential.get_token(REGISTRY)).token)
        return found

    assert [of(serving, token) for token in asyncio.run(ask())] == ["builder", "builder", "web", "web"]


def test_a_revoked_token_gives_way_to_a_new_one_when_the_client_is_told(serving: Serving, secret: str) -> None:
    """Continuous access: the client said CP1, so the challenge's claims make it ask again past its cache."""
    world = serving.world
    with ClientSecretCredential(serving.tenant, "builder", secret, **options(serving)) as credential:
        first = credential.get_token(VAULT, enable_cae=True).token
        assert credential.get_token(VAULT, enable_cae=True).token == first
        verified = world.identity.tokens.verify(first, Audience.VAULT)
        assert verified.evaluated
        claims = json.dumps({"access_token": {"nbf": {"essential": True, "value": "1"}}})
        again = credential.get_token(VAULT, enable_cae=True, claims=claims).token
    assert again != first


def test_a_device_code(serving: Serving) -> None:
    world = serving.world
    person = world.create("ada", "user")

    def approve(_address: str, code: str, _ends: Any) -> None:
        caller = Caller(person.id, person.name, "user", session_id="s")
        world.run(world.identity.machines.devices.decide(caller, code, "127.0.0.1", approve=True))

    with DeviceCodeCredential(
        tenant_id=serving.tenant, prompt_callback=approve, timeout=30, **options(serving)
    ) as credential:
        record = credential.authenticate(scopes=[REGISTRY])
        assert record.username == "ada"
        assert of(serving, credential.get_token(REGISTRY).token) == "ada"
        # Another resource comes of the refresh token, without a second question.
        assert of(serving, credential.get_token(API).token, Audience.MANAGEMENT) == "ada"


@pytest.fixture
def listener(serving: Serving) -> Iterator[str]:
    """The listener of a managed identity, in both forms; its holder is the operator of the machine."""
    world = serving.world
    web = world.create("web", "managed")
    managed = world.identity.machines.managed
    world.write(lambda tx: managed.add_holder(tx, OPERATOR, web, "local-operator"))

    def fetch(resource: str) -> Any:
        return world.run(managed.token(OPERATOR, "web", resource))

    known = frozenset({web.id, web.name})
    pipeline = listener_pipeline(Listener(fetch, client_ids=known, secret="s" * 43, metadata=True))
    ready = threading.Event()
    server = Server(pipeline, port=0, drain=1.0, started=ready.set)
    server.bind()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(10)
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()
        thread.join(10)


@pytest.mark.parametrize("form", ["metadata", "secret"])
def test_a_managed_identity(serving: Serving, listener: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if form == "metadata":
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", listener)
    else:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{listener}{SECRET_PATH}")
        monkeypatch.setenv("IDENTITY_HEADER", "s" * 43)
    with ManagedIdentityCredential() as credential:
        assert of(serving, credential.get_token(REGISTRY).token) == "web"
    with ManagedIdentityCredential(client_id="web") as credential:
        assert of(serving, credential.get_token(VAULT).token, Audience.VAULT) == "web"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (METADATA_PATH, {}, 400),
        (METADATA_PATH, {"metadata": "true", "x-forwarded-for": "10.0.0.1"}, 403),
        (METADATA_PATH, {"metadata": "true", "origin": "https://evil.example"}, 403),
        (METADATA_PATH, {"metadata": "true", "host": "evil.example"}, 421),
        (SECRET_PATH, {}, 401),
        (SECRET_PATH, {"x-identity-header": "t" * 43}, 401),
        (SECRET_PATH, {"x-identity-header": "s" * 43, "sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_the_listener_answers_no_browser_no_proxy_and_nobody_without_proof(
    listener: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = httpx2.get(f"{listener}{path}?resource=https://vault.azure.net", headers=headers)
    assert answer.status_code == status
    assert "access_token" not in answer.text


def test_a_browser_of_the_person(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a browser would do: follow the authorize address to the console, say yes there, go back by the link."""
    world = serving.world
    person = world.create("ada", "user")
    trust = ssl.create_default_context(cafile=serving.ca)

    def browse(address: str) -> bool:
        def go() -> None:
            moved = httpx2.get(address, verify=trust)
            assert moved.status_code == 302
            console = urlsplit(moved.headers["location"])
            assert (console.netloc, console.path) == (f"localhost:{serving.port}", "/authorize")
            machines = world.identity.machines
            asked = machines.authorizations.read(dict(parse_qsl(console.query)))
            caller = Caller(person.id, person.name, "user", session_id="s")
            back = world.run(machines.authorizations.approve(caller, asked, address="127.0.0.1", agent="browser"))
            httpx2.get(back)

        threading.Thread(target=go).start()
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    with InteractiveBrowserCredential(tenant_id=serving.tenant, timeout=20, **options(serving)) as credential:
        assert of(serving, credential.get_token(API).token, Audience.MANAGEMENT) == "ada"
        assert of(serving, credential.get_token(REGISTRY).token) == "ada"
