"""The unmodified `azure-containerregistry` works, synchronous and asynchronous: every method of its client."""

import asyncio
import gc
import io
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from azure.containerregistry import ArtifactManifestOrder, ArtifactTagOrder, ContainerRegistryClient
from azure.containerregistry.aio import ContainerRegistryClient as AioClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from tests.registry.conftest import Judge
from tests.registry.images import CONFIG, LAYER, Artifact, descriptor, image, index
from tests.registry.serving import Running

from pratique.core.digests import Digest
from pratique.core.http.server import TlsFiles
from pratique.registry.parsing import OCI_INDEX

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
NAME = "team/app"
Opener = Callable[[str | None], ContainerRegistryClient]


class NameCredential:
    """A credential of azure-core whose token the tests' own token endpoint takes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(self._name, int(time.time()) + 3600)


class AioNameCredential(NameCredential):
    async def get_token(self, *_: str, **__: Any) -> AccessToken:  # type: ignore[override]
        return AccessToken(self._name, int(time.time()) + 3600)


@pytest.fixture
def opened(registry: Running, certificate: TlsFiles) -> Iterator[Opener]:
    with ExitStack() as stack:

        def open_client(name: str | None) -> ContainerRegistryClient:
            client = ContainerRegistryClient(
                registry.url,
                NameCredential(name) if name else None,
                connection_verify=str(certificate.certificate),
                retry_total=0,
            )
            return stack.enter_context(client)

        yield open_client
    gc.collect()  # the client forgets streams that were refused; their sockets go here, where nobody warns


def push(client: ContainerRegistryClient, name: str, made: Artifact, tag: str | None = None) -> str:
    for content in made.blobs.values():
        client.upload_blob(name, io.BytesIO(content))
    return client.set_manifest(name, io.BytesIO(made.manifest), tag=tag, media_type=made.media_type)


def test_push_and_read_back_with_every_method(opened: Opener) -> None:
    client = opened("keeper")
    made = image(b"one")
    digest = push(client, NAME, made, "v1")
    assert digest == made.digest
    assert list(client.list_repository_names()) == [NAME]
    read = client.get_manifest(NAME, "v1")
    assert (read.digest, read.media_type) == (digest, made.media_type)
    assert client.get_manifest(NAME, digest).manifest == read.manifest
    repository = client.get_repository_properties(NAME)
    assert (repository.name, repository.manifest_count, repository.tag_count) == (NAME, 1, 1)
    assert repository.created_on.tzinfo is not None
    assert repository.last_updated_on >= repository.created_on
    properties = client.get_manifest_properties(NAME, "v1")
    assert (properties.digest, properties.architecture, properties.operating_system) == (digest, "amd64", "linux")
    assert properties.size_in_bytes == len(made.manifest) + sum(map(len, made.blobs.values()))
    assert properties.tags == ["v1"]
    tag = client.get_tag_properties(NAME, "v1")
    assert (tag.name, tag.digest) == ("v1", digest)


def test_a_blob_of_several_chunks_goes_both_ways(opened: Opener) -> None:
    client = opened("keeper")
    content = random.Random(1).randbytes(9 * 1024 * 1024 + 17)
    digest, size = client.upload_blob(NAME, io.BytesIO(content))
    assert (digest, size) == (str(Digest.of(content)), len(content))
    assert b"".join(client.download_blob(NAME, digest)) == content
    client.delete_blob(NAME, digest)
    client.delete_blob(NAME, digest)  # gone already, which is no error
    with pytest.raises(ResourceNotFoundError):
        client.download_blob(NAME, digest)


def test_lists_go_on_page_by_page_and_in_the_order_asked_for(opened: Opener) -> None:
    client = opened("keeper")
    pushed = [push(client, NAME, image(bytes([number])), f"v{number}") for number in range(5)]
    for name in ("team/b", "team/c", "z"):
        push(client, name, image(b"other"), "latest")
    assert list(client.list_repository_names(results_per_page=2)) == [NAME, "team/b", "team/c", "z"]
    names = [tag.name for tag in client.list_tag_properties(NAME, results_per_page=2)]
    assert names == [f"v{number}" for number in range(5)]
    newest = client.list_tag_properties(NAME, order_by=ArtifactTagOrder.LAST_UPDATED_ON_DESCENDING, results_per_page=2)
    assert [tag.name for tag in newest] == names[::-1]
    oldest = client.list_manifest_properties(
        NAME, order_by=ArtifactManifestOrder.LAST_UPDATED_ON_ASCENDING, results_per_page=2
    )
    assert [each.digest for each in oldest] == pushed
    down = client.list_manifest_properties(NAME, order_by="timedesc", results_per_page=3)
    assert [each.digest for each in down] == pushed[::-1]
    assert sorted(each.digest for each in client.list_manifest_properties(NAME, results_per_page=2)) == sorted(pushed)


def test_members_of_an_index_are_told(opened: Opener) -> None:
    client = opened("keeper")
    amd, arm = image(b"amd"), image(b"arm")
    for member in (amd, arm):
        push(client, NAME, member)
    top = index(amd, arm)
    digest = client.set_manifest(NAME, io.BytesIO(top.manifest), tag="multi", media_type=OCI_INDEX)
    found = client._client.container_registry.get_manifest_properties(NAME, digest)
    assert {each.digest for each in found.manifest.related_artifacts} == {amd.digest, arm.digest}


def test_attributes_lock_and_hold_on_both_surfaces(opened: Opener, registry: Running) -> None:
    client = opened("keeper")
    first, second = image(b"first"), image(b"second")
    push(client, NAME, first, "v1")
    locked = client.update_tag_properties(NAME, "v1", can_delete=False, can_write=False)
    assert (locked.can_delete, locked.can_write, locked.can_read, locked.can_list) == (False, False, True, True)
    for change in (
        lambda: push(client, NAME, second, "v1"),
        lambda: client.delete_tag(NAME, "v1"),
        lambda: client.delete_manifest(NAME, "v1"),
        lambda: client.delete_repository(NAME),
    ):
        with pytest.raises(HttpResponseError, match="the tag v1 is locked") as refused:
            change()
        assert refused.value.status_code == 405
    assert client.get_manifest(NAME, "v1").digest == first.digest
    client.update_tag_properties(NAME, "v1", can_delete=True, can_write=True)
    assert push(client, NAME, second, "v1") == second.digest

    hidden = client.update_tag_properties(NAME, "v1", can_list=False)
    assert hidden.can_list is False
    assert list(client.list_tag_properties(NAME)) == []
    properties = client.update_manifest_properties(NAME, second.digest, can_read=False)
    assert properties.can_read is False
    layer = next(digest for digest in second.blobs if digest not in first.blobs)
    # The client asks for both as streams, and does not read the reason of a refusal.
    for read in (lambda: client.get_manifest(NAME, second.digest), lambda: client.download_blob(NAME, layer)):
        with pytest.raises(HttpResponseError) as refused:
            read()
        assert refused.value.status_code == 403
    client.update_manifest_properties(NAME, second.digest, can_read=True)
    assert b"".join(client.download_blob(NAME, layer)) == second.blobs[layer]

    assert client.update_repository_properties(NAME, can_write=False, can_list=False).can_write is False
    assert list(client.list_repository_names()) == []
    with pytest.raises(HttpResponseError, match="the repository is locked for writing"):
        client.upload_blob(NAME, io.BytesIO(b"more"))
    client.update_repository_properties(NAME, can_write=True, can_list=True, can_delete=True)
    client.delete_repository(NAME)
    client.delete_repository(NAME)  # gone already, which is no error
    with pytest.raises(ResourceNotFoundError):
        client.get_repository_properties(NAME)
    assert {action for action, *_ in registry.audit.changes} >= {
        "registry.attributes.change", "registry.manifest.delete", "registry.repository.delete",
    }  # fmt: skip


def test_deletes_by_tag_and_digest(opened: Opener) -> None:
    client = opened("keeper")
    made = image(b"gone soon")
    push(client, NAME, made, "v1")
    push(client, NAME, made, "v2")
    client.delete_tag(NAME, "v1")
    client.delete_tag(NAME, "v1")
    assert [tag.name for tag in client.list_tag_properties(NAME)] == ["v2"]
    client.delete_manifest(NAME, "v2")
    client.delete_manifest(NAME, made.digest)
    assert list(client.list_manifest_properties(NAME)) == []


def test_each_right_is_asked_for(opened: Opener, judge: Judge) -> None:
    made = image(b"one")
    push(opened("pusher"), NAME, made, "v1")
    judge.open(NAME, made.digest)
    assert opened("reader").get_manifest(NAME, "v1").digest == made.digest
    assert opened("onlooker").get_tag_properties(NAME, "v1").digest == made.digest
    for who, change, lacks in (
        ("onlooker", lambda client: client.get_manifest(NAME, "v1"), "Forbidden"),  # a stream, so without its reason
        ("reader", lambda client: client.upload_blob(NAME, io.BytesIO(b"x")), "registry/content/write"),
        ("pusher", lambda client: client.update_tag_properties(NAME, "v1", can_read=False), "registry/metadata/write"),
        ("reader", lambda client: client.delete_tag(NAME, "v1"), "registry/content/delete"),
        ("reader", lambda client: client.delete_repository(NAME), "registry/content/delete"),
        ("stranger", lambda client: client.get_repository_properties(NAME), "registry/metadata/read"),
    ):
        with pytest.raises(HttpResponseError, match=lacks) as refused:
            change(opened(who))
        assert refused.value.status_code == 403


def test_the_anonymous_client_reads_what_everybody_may(opened: Opener, judge: Judge) -> None:
    made = image(b"for all")
    for name in ("public/app", "team/secret"):
        push(opened("keeper"), name, made, "v1")
        judge.open(name, made.digest)
    client = opened(None)
    assert list(client.list_repository_names()) == ["public/app"]
    assert client.get_manifest("public/app", "v1").digest == made.digest
    assert [tag.name for tag in client.list_tag_properties("public/app")] == ["v1"]
    with pytest.raises(HttpResponseError) as refused:
        client.get_manifest("team/secret", "v1")
    assert refused.value.status_code in {401, 403}
    with pytest.raises(HttpResponseError):
        client.delete_repository("public/app")
    assert issubclass(ClientAuthenticationError, HttpResponseError)


def test_the_asynchronous_client_does_the_same(registry: Running, certificate: TlsFiles) -> None:
    asyncio.run(_asynchronously(registry.url, certificate.certificate))


async def _asynchronously(url: str, authority: Path) -> None:
    config, layer = b'{"architecture":"arm64","os":"linux"}', random.Random(2).randbytes(5 * 1024 * 1024)
    async with AioClient(url, AioNameCredential("keeper"), connection_verify=str(authority), retry_total=0) as client:
        for content in (config, layer):
            assert (await client.upload_blob(NAME, io.BytesIO(content)))[0] == str(Digest.of(content))
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor(config, CONFIG),
            "layers": [descriptor(layer, LAYER)],
        }
        digest = await client.set_manifest(NAME, manifest, tag="v1")
        assert [name async for name in client.list_repository_names()] == [NAME]
        assert [tag.digest async for tag in client.list_tag_properties(NAME)] == [digest]
        assert [each.architecture async for each in client.list_manifest_properties(NAME)] == ["arm64"]
        assert (await client.get_manifest(NAME, "v1")).digest == digest
        assert (await client.get_repository_properties(NAME)).tag_count == 1
        stream = await client.download_blob(NAME, str(Digest.of(layer)))
        assert b"".join([chunk async for chunk in stream]) == layer
        await client.update_tag_properties(NAME, "v1", can_delete=False)
        with pytest.raises(HttpResponseError, match="the tag v1 is locked"):
            await client.delete_manifest(NAME, digest)
        await client.update_tag_properties(NAME, "v1", can_delete=True)
        await client.delete_manifest(NAME, "v1")
        await client.delete_repository(NAME)
        assert [name async for name in client.list_repository_names()] == []
