"""Attacks: names and encodings, ambiguous manifests, media types for browsers, rights by detours."""

import json
import socket

import pytest
from tests.registry.clients import Client, error_of
from tests.registry.images import (
    CONFIG,
    LAYER,
    STATEMENT,
    Artifact,
    artifact,
    descriptor,
    image,
    index,
    layer,
    statement,
)
from tests.registry.serving import Running

from pratique.core.database import Transaction
from pratique.core.digests import Digest
from pratique.registry.errors import ManifestInvalid
from pratique.registry.parsing import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, parse_manifest
from pratique.registry.types import ImageSource

NAME = "team/app"
EMPTY = "application/vnd.oci.empty.v1+json"
HELM = "application/vnd.cncf.helm.config.v1+json"
CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
BLOB = str(Digest.of(b"blob"))


def raw_status(
    running: Running, method: str, target: bytes, host: str = "localhost", extra: str = ""
) -> tuple[int, bytes]:
    head = (
        method.encode()
        + b" "
        + target
        + f" HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer pusher\r\n{extra}Connection: close\r\n\r\n".encode()
    )
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(head)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return (int(received[9:12]) if received else 0), received


@pytest.mark.parametrize(
    "target",
    [
        b"/v2/../etc/manifests/x", b"/v2/team/../other/manifests/x", b"/v2/team/%2e%2e/other/manifests/x",
        b"/v2/team%2fapp/manifests/x", b"/v2/team//app/manifests/x", b"/v2/TEAM/manifests/x", b"/v2/.team/manifests/x",
        b"/v2/team/app./manifests/x", b"/v2/te%61m/manifests/x", b"/v2/team\xc3\xa9/manifests/x", b"/v2/te\\am/manifests/x",
        b"/v2//manifests/x", b"/v2/manifests/x", b"/v2/a/manifests/..%2f..", b"/v2/a/manifests/" + b"x" * 129,
        b"/v2/" + b"a" * 256 + b"/manifests/x", b"/v2/a/manifests/sha256:zz", b"/v2/a/blobs/latest",
        b"/v2/a/blobs/sha256:" + b"A" * 64, b"/v2/a/blobs/uploads/../../../x", b"/v2/a/blobs/uploads/%00", b"/v2/a/manifests/",
        b"/v2/a/tags/list/more", b"/v2/a/unknown/x", b"/v2/-a/manifests/x", b"/v2/a__b___c/manifests/x",
    ],
)  # fmt: skip
def test_names_that_are_none_are_refused(registry: Running, target: bytes) -> None:
    status, answer = raw_status(registry, "GET", target)
    assert status in (400, 404), answer
    assert b"root:" not in answer


def test_repository_named_like_a_path_of_ours_is_a_repository(pusher: Client, reader: Client) -> None:
    for name in ("manifests/manifests", "blobs/uploads", "a/tags/list", "v2/token", "a/referrers/b"):
        pushed = image(name.encode())
        pusher.push(name, pushed, "manifests")
        assert pusher.manifest(name, "manifests").content == pushed.manifest


def duplicate_key() -> bytes:
    body = image().manifest.decode()
    return body.replace('"layers":', '"layers": [], "layers":', 1).encode()


def other_case() -> bytes:
    body = json.loads(image().manifest)
    body["Layers"] = body["layers"]
    return json.dumps(body).encode()


def with_changes(**changes: object) -> bytes:
    return json.dumps(json.loads(image().manifest) | changes).encode()


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"", OCI_MANIFEST),
        (b"{}", OCI_MANIFEST),
        (b"null", OCI_MANIFEST),
        (b"[]", OCI_MANIFEST),
        (b"\xff\xfe", OCI_MANIFEST),
        (b"[" * 100_000, OCI_MANIFEST),
        (duplicate_key(), OCI_MANIFEST),
        (other_case(), OCI_MANIFEST),
        (with_changes(manifests=[]), OCI_MANIFEST),
        (with_changes(manifests=[]), OCI_INDEX),
        (with_changes(fsLayers=[], manifests=[]), OCI_INDEX),
        (with_changes(mediaType=OCI_INDEX), OCI_MANIFEST),
        (with_changes(mediaType=OCI_INDEX), OCI_INDEX),
        (with_changes(mediaType=DOCKER_MANIFEST), OCI_MANIFEST),
        (with_changes(schemaVersion=1), OCI_MANIFEST),
        (with_changes(schemaVersion="2"), OCI_MANIFEST),
        (with_changes(config=None), OCI_MANIFEST),
        (with_changes(layers={}), OCI_MANIFEST),
        (with_changes(layers=[{"digest": "x"}]), OCI_MANIFEST),
        (with_changes(layers=[descriptor(b"x", LAYER) | {"size": -1}]), OCI_MANIFEST),
        (with_changes(layers=[descriptor(b"x", LAYER) | {"size": True}]), OCI_MANIFEST),
        (with_changes(layers=[descriptor(b"x", LAYER) | {"size": 1.5}]), OCI_MANIFEST),
        (with_changes(layers=[descriptor(b"x", LAYER) | {"size": 10**30}]), OCI_MANIFEST),
        (with_changes(layers=[descriptor(b"x", LAYER) | {"digest": "sha256:../../x"}]), OCI_MANIFEST),
        (with_changes(layers=[descriptor(b"x", LAYER) | {"MediaType": "text/html"}]), OCI_MANIFEST),
        (with_changes(layers=[descriptor(b"x", "a\nb")]), OCI_MANIFEST),
        (with_changes(layers=[descriptor(b"x", LAYER)] * 1001), OCI_MANIFEST),
        (with_changes(annotations={"a": 1}), OCI_MANIFEST),
        (with_changes(subject="sha256:x"), OCI_MANIFEST),
        (image().manifest, "text/html"),
        (image().manifest, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        (image().manifest.replace(b'"schemaVersion": 2', b'"schemaVersion": NaN'), OCI_MANIFEST),
        (image().manifest + b"{}", OCI_MANIFEST),
    ],
)
def test_manifests_with_two_readings_or_none_are_refused(content: bytes, media_type: str) -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(content, media_type)


def test_refused_manifest_changes_nothing(pusher: Client) -> None:
    for blob in image().blobs.values():
        pusher.push_blob(NAME, blob)
    answer = pusher.put_manifest(NAME, Artifact(duplicate_key(), OCI_MANIFEST), "v1")
    assert error_of(answer)[:2] == (400, "MANIFEST_INVALID")
    assert "a name stands twice" in error_of(answer)[2]
    assert pusher.manifest(NAME, "v1").status_code == 404


def test_docker_types_are_taken(pusher: Client) -> None:
    docker = "application/vnd.docker.container.image.v1+json"
    rootfs = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    body = json.loads(artifact(b'{"os":"linux"}', docker, [(layer(b"d"), rootfs)]).manifest) | {
        "mediaType": DOCKER_MANIFEST
    }
    parsed = parse_manifest(json.dumps(body).encode(), DOCKER_MANIFEST)
    assert parsed.kind == "image"
    listing = json.loads(index(image()).manifest) | {"mediaType": DOCKER_LIST}
    assert parse_manifest(json.dumps(listing).encode(), DOCKER_LIST).kind == "index"


@pytest.mark.parametrize(
    ("config", "layer_type", "kind"),
    [
        (CONFIG, LAYER, "image"),
        ("application/octet-stream", LAYER, "image"),
        ("text/html", LAYER, "image"),
        ("application/vnd.cncf.helm.config.v1+json", LAYER, "image"),
        ("application/vnd.cncf.helm.config.v1+json", LAYER.upper(), "image"),
        ("application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "other"),
        (CONFIG, "application/vnd.example", "image"),
        (CONFIG, "application/vnd.in-toto+json", "attached"),
    ],
)
def test_what_can_run_is_an_image_whatever_it_says(config: str, layer_type: str, kind: str) -> None:
    made = artifact(b'{"os":"linux"}', config, [(b"bytes", layer_type)])
    assert parse_manifest(made.manifest, OCI_MANIFEST).kind == kind
    told = artifact(b'{"os":"linux"}', config, [(b"bytes", layer_type)], subject=descriptor(b"s", OCI_MANIFEST))
    expected = {"other": "attached"}.get(kind, kind)
    assert parse_manifest(told.manifest, OCI_MANIFEST).kind == expected


@pytest.mark.parametrize(
    ("config", "config_type", "layer_type", "media_type", "kind"),
    [
        # podman 4.3 runs these two with a command: it asks for the type of the config, not for what is in it.
        (b"{}", CONFIG, LAYER, OCI_MANIFEST, "image"),
        (b"{}", CONFIG, CHART, OCI_MANIFEST, "image"),
        (b"{}", DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, "image"),
        # Docker's format knows nothing but images; not every reader of it asks for the type of the config.
        (b"{}", EMPTY, DOCKER_LAYER, DOCKER_MANIFEST, "image"),
        (b"{}", EMPTY, "application/x", DOCKER_MANIFEST, "image"),
        (b'{"os":"linux"}', HELM, CHART, DOCKER_MANIFEST, "image"),
        (b'{"os":"linux"}', HELM, "application/vnd.sylabs.sif.layer.v1.sif", OCI_MANIFEST, "image"),
        (b"{}", HELM, LAYER, OCI_MANIFEST, "image"),
        (b"{}", EMPTY, "application/x", OCI_MANIFEST, "other"),
        (b'{"os":"linux"}', HELM, CHART, OCI_MANIFEST, "other"),
    ],
)
def test_what_engines_run_is_an_image_even_with_an_empty_config(
    config: bytes, config_type: str, layer_type: str, media_type: str, kind: str
) -> None:
    for subject in ({}, {"subject": descriptor(b"s", OCI_MANIFEST)}):
        made = artifact(config, config_type, [(b"bytes", layer_type)], mediaType=media_type, **subject)
        expected = "attached" if subject and kind == "other" else kind
        assert parse_manifest(made.manifest, media_type).kind == expected


def test_image_with_an_empty_config_is_held(pusher: Client, reader: Client) -> None:
    hidden = artifact(b"{}", CONFIG, [(layer(b"#!/bin/sh\n", "bin/sh"), CHART)])
    answer = pusher.push(NAME, hidden, "chart")
    assert answer.headers["warning"].startswith('299 - "held')
    assert error_of(reader.manifest(NAME, hidden.digest))[:2] == (403, "DENIED")


def test_same_bytes_are_not_taken_under_another_type(pusher: Client, reader: Client) -> None:
    body = json.loads(artifact(b'{"os":"linux"}', HELM, [(layer(b"sh", "bin/sh"), CHART)]).manifest)
    del body["mediaType"]
    blobs = {"config": b'{"os":"linux"}', "layer": layer(b"sh", "bin/sh")}
    image_first = Artifact(json.dumps(body).encode(), DOCKER_MANIFEST, blobs)
    pusher.push(NAME, image_first, "v1")
    answer = pusher.put_manifest(NAME, Artifact(image_first.manifest, OCI_MANIFEST), "v1")
    assert error_of(answer)[:2] == (400, "MANIFEST_INVALID")
    assert f"is here as {DOCKER_MANIFEST}" in error_of(answer)[2]
    assert reader.manifest(NAME, "v1").status_code == 403


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
@pytest.mark.parametrize("config_type", [CONFIG, HELM])
def test_statements_must_be_here_before_what_names_them(pusher: Client, media_type: str, config_type: str) -> None:
    config, hidden = b'{"os":"linux"}', layer(b"#!/bin/sh\n", "bin/sh")
    made = artifact(config, config_type, [(hidden, STATEMENT)], mediaType=media_type)
    made.media_type = media_type
    pusher.push_blob(NAME, config)
    assert error_of(pusher.put_manifest(NAME, made))[:2] == (400, "MANIFEST_BLOB_UNKNOWN")
    pusher.push_blob(NAME, hidden)
    assert error_of(pusher.put_manifest(NAME, made))[:2] == (400, "MANIFEST_INVALID")


def test_file_system_that_claims_to_be_a_statement_is_refused(pusher: Client) -> None:
    hidden = artifact(b'{"os":"linux"}', CONFIG, [(layer(b"#!/bin/sh\n", "bin/sh"), "application/vnd.in-toto+json")])
    for blob in hidden.blobs.values():
        pusher.push_blob(NAME, blob)
    answer = pusher.put_manifest(NAME, hidden)
    assert error_of(answer)[:2] == (400, "MANIFEST_INVALID")
    assert "claims to be a statement" in error_of(answer)[2]
    pusher.push(NAME, statement("real"))


def test_manifest_needs_its_blobs_in_this_repository(pusher: Client) -> None:
    made = image(b"elsewhere")
    for blob in made.blobs.values():
        pusher.push_blob("team/other", blob)
    answer = pusher.put_manifest(NAME, made, "v1")
    assert error_of(answer)[:2] == (400, "MANIFEST_BLOB_UNKNOWN")
    assert answer.json()["errors"][0]["detail"]["digest"] in made.blobs


def test_size_in_a_manifest_must_be_true(pusher: Client) -> None:
    made = image(b"sized")
    body = json.loads(made.manifest)
    body["layers"][0]["size"] += 1
    lying = Artifact(json.dumps(body).encode(), OCI_MANIFEST, made.blobs)
    for blob in made.blobs.values():
        pusher.push_blob(NAME, blob)
    assert error_of(pusher.put_manifest(NAME, lying))[:2] == (400, "MANIFEST_INVALID")


def test_manifest_under_a_foreign_digest_is_refused(pusher: Client) -> None:
    made = image(b"mine")
    for blob in made.blobs.values():
        pusher.push_blob(NAME, blob)
    assert error_of(pusher.put_manifest(NAME, made, BLOB))[:2] == (400, "DIGEST_INVALID")


def test_manifest_that_is_too_large_is_refused(pusher: Client) -> None:
    big = Artifact(with_changes(annotations={"a": "x" * 5_000_000}), OCI_MANIFEST)
    status, code, message = error_of(pusher.put_manifest(NAME, big, "v1"))
    assert (status, code) == (413, "MANIFEST_INVALID")
    assert "4194304" in message


def test_foreign_layers_may_be_absent(pusher: Client, reader: Client, registry: Running) -> None:
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    made = artifact(b'{"os":"windows"}', CONFIG, [(b"never pushed", foreign)])
    pusher.push_blob(NAME, b'{"os":"windows"}')
    assert pusher.put_manifest(NAME, made, "v1").status_code == 201
    service = registry.parts.service

    def read(tx: Transaction) -> ImageSource:
        return service.image_source(tx, service.repository(tx, NAME).id, made.digest)

    source = registry.database.read(read)
    assert (source.layers[0].stored, source.layers[0].segments) == (False, ())
    assert source.config.stored


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE"])
def test_readers_change_nothing(reader: Client, pusher: Client, method: str) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")
    for path in ("manifests/v1", f"manifests/{pushed.digest}", f"blobs/{BLOB}", "blobs/uploads/"):
        answer = reader.http.request(method, f"/v2/{NAME}/{path}", content=b"x")
        assert answer.status_code in (403, 405), path
    assert pusher.manifest(NAME, "v1").status_code == 200


def test_nobody_and_strangers_see_nothing(registry: Running, pusher: Client) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")
    with Client(registry.url) as nobody, Client(registry.url, "stranger") as stranger:
        for path in ("manifests/v1", f"blobs/{next(iter(pushed.blobs))}", "tags/list", f"referrers/{pushed.digest}"):
            unknown = nobody.http.get(f"/v2/{NAME}/{path}")
            assert error_of(unknown)[:2] == (401, "UNAUTHORIZED")
            assert unknown.headers["www-authenticate"] == (
                f'Bearer realm="{registry.url}/oauth2/token",service="{registry.host}",scope="repository:{NAME}:pull"'
            )
            assert error_of(stranger.http.get(f"/v2/{NAME}/{path}"))[:2] == (403, "DENIED")
            assert error_of(stranger.http.get(f"/v2/no/such/{path}"))[:2] == (403, "DENIED")
        assert stranger.http.get("/v2/_catalog").json() == {"repositories": []}
        assert nobody.http.get("/v2/").status_code == 401
        assert stranger.http.get("/v2/").status_code == 200


def test_token_for_another_repository_is_asked_to_come_back_with_a_better_one(registry: Running) -> None:
    with Client(registry.url, "reader;/registry/other") as client:
        answer = client.manifest(NAME, "v1")
        assert error_of(answer)[:2] == (401, "UNAUTHORIZED")
        assert f'scope="repository:{NAME}:pull"' in answer.headers["www-authenticate"]
        pushed = client.http.put(f"/v2/{NAME}/manifests/v1", content=b"{}")
        assert error_of(pushed)[:2] == (403, "DENIED")
        assert "registry/content/write" in error_of(pushed)[2]


def test_bad_token_is_told_how_to_get_a_good_one(registry: Running) -> None:
    with Client(registry.url, "nobody-knows") as client:
        answer = client.manifest(NAME, "v1")
        assert answer.status_code == 401
        assert 'scope="repository:team/app:pull"' in answer.headers["www-authenticate"]


def test_signer_attaches_and_pushes_nothing_else(registry: Running, pusher: Client) -> None:
    from tests.registry.images import signature

    signed = image(b"signed")
    pusher.push(NAME, signed, "v1")
    with Client(registry.url, "signer") as signer:
        signer.push(NAME, signature(signed))
        unwanted = image(b"unwanted")
        for blob in unwanted.blobs.values():
            assert signer.push_blob(NAME, blob).status_code == 201
        assert error_of(signer.put_manifest(NAME, unwanted, "v1"))[:2] == (403, "DENIED")


def test_host_header_cannot_write_the_challenge(registry: Running) -> None:
    status, answer = raw_status(registry, "GET", b"/v2/", host='localhost:1",evil="', extra="")
    assert status in (400, 401, 421)
    assert b"evil=" not in answer.split(b"\r\n\r\n")[0]


def test_methods_without_meaning_are_405(pusher: Client) -> None:
    for method, path in [
        ("POST", "manifests/v1"),
        ("PATCH", "manifests/v1"),
        ("PUT", "tags/list"),
        ("OPTIONS", "tags/list"),
    ]:
        assert error_of(pusher.http.request(method, f"/v2/{NAME}/{path}"))[:2] == (405, "UNSUPPORTED")
