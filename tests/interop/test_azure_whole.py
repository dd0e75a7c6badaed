"""Unmodified `azure-identity` with unmodified `azure-containerregistry` against what `pratique up` starts."""

import asyncio
import gc
import io
import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.containerregistry import ContainerRegistryClient
from azure.containerregistry.aio import ContainerRegistryClient as AioClient
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientSecretCredential, WorkloadIdentityCredential
from azure.identity import aio as asynchronous
from tests.e2e.conftest import Installation, installation  # noqa: F401  a fixture
from tests.identity.serving import Issuer, client_key
from tests.interop.clients import trust
from tests.registry.images import Artifact, image

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
SUBJECT = "system:serviceaccount:team:pusher"
PROOFS = ("secret", "certificate", "workload")


@dataclass(frozen=True)
class Account:
    """A principal with every proof that azure-identity knows, and the settings of its clients."""

    name: str
    host: str
    tenant: str
    secret: str
    certificate: Path
    token_file: Path

    def credential(self, kind: str, library: Any) -> Any:
        """A credential of the library that proves the account in one way."""
        more = {"authority": f"https://{self.host}", "disable_instance_discovery": True}
        if kind == "secret":
            return library.ClientSecretCredential(self.tenant, self.name, self.secret, **more)
        if kind == "certificate":
            return library.CertificateCredential(self.tenant, self.name, str(self.certificate), **more)
        return library.WorkloadIdentityCredential(
            tenant_id=self.tenant, client_id=self.name, token_file_path=str(self.token_file), **more
        )


class _Synchronous:
    """The synchronous credentials under the names that their asynchronous twins have."""

    ClientSecretCredential = ClientSecretCredential
    CertificateCredential = CertificateCredential
    WorkloadIdentityCredential = WorkloadIdentityCredential


@pytest.fixture
def account(
    installation: Installation,  # noqa: F811
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Account:
    trust(monkeypatch, installation.clients / "certs" / "ca.crt")
    name = f"azure-{request.node.originalname.removeprefix('test_').replace('_', '-')[:40]}-{request.node.callspec.id}"
    grants = (
        *("--role", "Container Registry Repository Contributor", "--scope", "/registry/azure"),
        *("--role", "Container Registry Repository Catalog Lister", "--scope", "/registry"),
    )
    made = json.loads(installation.ok("principal", "create", name, *grants, "--show-secret", "-o", "json"))
    key, issuer = client_key(name), Issuer("https://kubernetes.default.svc")
    paths = [tmp_path / part for part in ("public.pem", "client.pem", "keys.json", "token")]
    contents = [key.pem.encode(), key.both, json.dumps(issuer.jwks).encode(), issuer.token(SUBJECT).encode()]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    installation.ok("principal", "certificate", "add", name, str(paths[0]))
    federation = ("--issuer", issuer.url, "--subject", SUBJECT, "--keys", str(paths[2]))
    installation.ok("principal", "federation", "add", name, *federation)
    shown = installation.ok("principal", "config", name, "--client", "kubernetes")
    tenant = shown.partition('AZURE_TENANT_ID, value: "')[2].partition('"')[0]
    return Account(name, installation.host, tenant, made["secret"]["value"], paths[1], paths[3])


def blobs_of(made: Artifact) -> list[io.BytesIO]:
    return [io.BytesIO(content) for content in made.blobs.values()]


@pytest.mark.parametrize("proof", PROOFS)
def test_push_and_list(account: Account, proof: str) -> None:
    name, made = f"azure/sync-{proof}", image(proof.encode())
    with ExitStack() as stack:
        credential = stack.enter_context(account.credential(proof, _Synchronous))
        client = stack.enter_context(ContainerRegistryClient(f"https://{account.host}", credential))
        for content in blobs_of(made):
            client.upload_blob(name, content)
        digest = client.set_manifest(name, io.BytesIO(made.manifest), tag="v1", media_type=made.media_type)
        assert digest == made.digest
        assert name in list(client.list_repository_names())
        assert [(tag.name, tag.digest) for tag in client.list_tag_properties(name)] == [("v1", digest)]
        assert [one.digest for one in client.list_manifest_properties(name)] == [digest]
        assert client.get_manifest(name, "v1").digest == digest
        client.delete_repository(name)
        assert name not in list(client.list_repository_names())
    gc.collect()


@pytest.mark.parametrize("proof", PROOFS)
def test_push_and_list_asynchronously(account: Account, proof: str) -> None:
    asyncio.run(_asynchronously(account, proof))


async def _asynchronously(account: Account, proof: str) -> None:
    name, made = f"azure/aio-{proof}", image(proof.encode())
    async with (
        account.credential(proof, asynchronous) as credential,
        AioClient(f"https://{account.host}", credential) as client,
    ):
        for content in blobs_of(made):
            await client.upload_blob(name, content)
        digest = await client.set_manifest(name, io.BytesIO(made.manifest), tag="v1", media_type=made.media_type)
        assert digest == made.digest
        assert name in [one async for one in client.list_repository_names()]
        assert [(tag.name, tag.digest) async for tag in client.list_tag_properties(name)] == [("v1", digest)]
        assert [one.digest async for one in client.list_manifest_properties(name)] == [digest]
        assert (await client.get_manifest(name, "v1")).digest == digest
        await client.delete_repository(name)


@pytest.mark.parametrize("proof", PROOFS)
def test_a_disabled_principal_is_refused_by_the_next_call(
    account: Account,
    proof: str,
    installation: Installation,  # noqa: F811
) -> None:
    with ExitStack() as stack:
        credential = stack.enter_context(account.credential(proof, _Synchronous))
        client = stack.enter_context(ContainerRegistryClient(f"https://{account.host}", credential, retry_total=0))
        list(client.list_repository_names())
        installation.ok("principal", "disable", account.name)
        with pytest.raises(ClientAuthenticationError):
            list(client.list_repository_names())
