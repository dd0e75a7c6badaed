"""Tags, catalogue, referrers, deletion and the management API."""

from collections.abc import Callable

import httpx2
import pytest
from tests.registry.clients import Client, error_of
from tests.registry.conftest import Judge
from tests.registry.images import descriptor, image, index, signature
from tests.registry.parties import NameAuthenticator, RuleAuthorizer
from tests.registry.serving import Running

from pratique.core.database import Cursors
from pratique.core.http.api import create_api
from pratique.core.http.hosts import HostRules
from pratique.core.http.management import management_plane
from pratique.core.http.pipeline import Pipeline
from pratique.core.http.plane import AsgiApp, HttpScope, Receive, Send
from pratique.registry.routes import router

NAME = "team/app"


def follow(client: Client, path: str) -> list[list[str]]:
    pages: list[list[str]] = []
    while path:
        answer = client.http.get(path)
        assert answer.status_code == 200
        body = answer.json()
        pages.append(body.get("tags", body.get("repositories")))
        link = answer.headers.get("link", "")
        path = link[1 : link.index(">")] if link else ""
    return pages


def test_tags_are_paged_in_lexical_order(pusher: Client, reader: Client) -> None:
    pushed = image()
    pusher.push(NAME, pushed)
    for tag in ("v10", "v9", "A", "_x", "b"):
        pusher.put_manifest(NAME, pushed, tag)
    assert follow(reader, f"/v2/{NAME}/tags/list") == [["A", "_x", "b", "v10", "v9"]]
    assert follow(reader, f"/v2/{NAME}/tags/list?n=2") == [["A", "_x"], ["b", "v10"], ["v9"]]
    assert reader.http.get(f"/v2/{NAME}/tags/list?n=0").json()["tags"] == []
    assert reader.http.get(f"/v2/{NAME}/tags/list?n=-1").status_code == 400
    assert error_of(reader.http.get("/v2/no/such/tags/list"))[:2] == (404, "NAME_UNKNOWN")


def test_catalogue_shows_what_the_caller_may_see(registry: Running, pusher: Client) -> None:
    for name in ("team/app", "team/web", "teams/other", "zebra", "team"):
        pusher.push(name, image(name.encode()), "v1")
    assert follow(pusher, "/v2/_catalog?n=2") == [["team", "team/app"], ["team/web", "teams/other"], ["zebra"]]
    with Client(registry.url, "team-pusher") as team:
        assert follow(team, "/v2/_catalog") == [["team", "team/app", "team/web"]]


def test_referrers_are_listed_filtered_and_gated(pusher: Client, reader: Client, judge: Judge) -> None:
    subject = image(b"subject")
    pusher.push(NAME, subject, "v1")
    seals = [signature(subject, f"application/vnd.example.{kind}") for kind in ("sbom", "signature")]
    for seal in seals:
        answer = pusher.push(NAME, seal)
        assert answer.headers["oci-subject"] == subject.digest
    found = pusher.http.get(f"/v2/{NAME}/referrers/{subject.digest}")
    assert found.headers["content-type"] == "application/vnd.oci.image.index.v1+json"
    assert [each["digest"] for each in found.json()["manifests"]] == [seal.digest for seal in seals]
    filtered = pusher.http.get(f"/v2/{NAME}/referrers/{subject.digest}?artifactType=application/vnd.example.sbom")
    assert filtered.headers["oci-filters-applied"] == "artifactType"
    assert [each["artifactType"] for each in filtered.json()["manifests"]] == ["application/vnd.example.sbom"]
    assert reader.http.get(f"/v2/{NAME}/referrers/{subject.digest}").json()["manifests"] == []
    judge.open(NAME, subject.digest)
    assert len(reader.http.get(f"/v2/{NAME}/referrers/{subject.digest}").json()["manifests"]) == 2


def test_referrers_of_nothing_are_an_empty_list(reader: Client) -> None:
    answer = reader.http.get(f"/v2/no/such/referrers/{image().digest}")
    assert (answer.status_code, answer.json()["manifests"]) == (200, [])
    assert error_of(reader.http.get("/v2/no/such/referrers/latest"))[:2] == (400, "DIGEST_INVALID")


def test_deleted_manifest_takes_its_tags_and_closes_its_blobs(pusher: Client, reader: Client, judge: Judge) -> None:
    first, second = image(b"shared", b"first"), image(b"shared", b"second")
    for pushed, tag in ((first, "v1"), (second, "v2")):
        pusher.push(NAME, pushed, tag)
        judge.open(NAME, pushed.digest)
    listing = index(first)
    pusher.push(NAME, listing, "all")
    assert reader.manifest(NAME, "all").status_code == 200
    assert pusher.http.delete(f"/v2/{NAME}/manifests/{first.digest}").status_code == 202
    assert pusher.http.delete(f"/v2/{NAME}/manifests/{first.digest}").status_code == 404
    assert follow(reader, f"/v2/{NAME}/tags/list") == [["all", "v2"]]
    assert reader.manifest(NAME, first.digest).status_code == 404
    assert reader.manifest(NAME, "all").status_code == 403
    for digest in second.blobs:
        assert reader.blob(NAME, digest).status_code == 200
    for digest in set(first.blobs) - set(second.blobs):
        assert reader.blob(NAME, digest).status_code == 404
        assert pusher.http.delete(f"/v2/{NAME}/blobs/{digest}").status_code == 202
        assert pusher.blob(NAME, digest).status_code == 404
    for digest in second.blobs:
        assert error_of(pusher.http.delete(f"/v2/{NAME}/blobs/{digest}"))[:2] == (405, "UNSUPPORTED")


def test_deleted_tag_leaves_the_manifest(pusher: Client, reader: Client, judge: Judge) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")
    judge.open(NAME, pushed.digest)
    assert pusher.http.delete(f"/v2/{NAME}/manifests/v1").status_code == 202
    assert reader.manifest(NAME, "v1").status_code == 404
    assert reader.manifest(NAME, pushed.digest).status_code == 200


def test_manifest_by_digest_may_bring_tags(pusher: Client) -> None:
    pushed = image()
    for blob in pushed.blobs.values():
        pusher.push_blob(NAME, blob)
    answer = pusher.put_manifest(NAME, pushed, f"{pushed.digest}?tag=a&tag=b&tag=a")
    assert (answer.status_code, answer.headers["oci-tag"]) == (201, "a, b")
    assert pusher.manifest(NAME, "b").content == pushed.manifest


def test_pushing_again_keeps_the_verdict(pusher: Client, reader: Client, judge: Judge) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")
    judge.open(NAME, pushed.digest)
    pusher.push(NAME, pushed, "v2")
    assert reader.manifest(NAME, "v2").status_code == 200


@pytest.fixture
def api(registry: Running):  # noqa: ANN201
    import asyncio

    import httpx2

    routes = router(registry.database, registry.parts.service, RuleAuthorizer(), Cursors(b"k" * 32))
    plane = management_plane(lambda: create_api([routes], version="1"), NameAuthenticator())
    pipeline = Pipeline([plane], HostRules(), log_requests=False)
    transport = httpx2.ASGITransport(app=_with_raw_path(pipeline))

    def get(path: str, name: str = "reader") -> httpx2.Response:
        async def ask() -> httpx2.Response:
            async with httpx2.AsyncClient(transport=transport, base_url="https://localhost") as client:
                return await client.get(path, headers={"authorization": f"Bearer {name}"} if name else {})

        return asyncio.run(ask())

    return get


def _with_raw_path(app: AsgiApp) -> AsgiApp:
    async def adapted(scope: HttpScope, receive: Receive, send: Send) -> None:
        scope.setdefault("raw_path", scope["path"].encode())
        scope["raw_path"] = scope["raw_path"].partition(b"?")[0]
        await app(scope, receive, send)

    return adapted


def test_management_api_lists_and_explains(api: Callable[..., httpx2.Response], pusher: Client, judge: Judge) -> None:
    pushed = image()
    pusher.push(NAME, pushed, "v1")
    for number in range(3):
        pusher.push(f"other/app-{number}", image(str(number).encode()), "v1")
    judge.refuse(NAME, pushed.digest)
    shown = api(f"/api/v1/repositories/{NAME}/manifests/v1").json()
    assert (shown["digest"], shown["kind"], shown["tags"]) == (pushed.digest, "image", ["v1"])
    assert shown["gate"]["state"] == "refused"
    assert "CVE-2024-0001" in shown["gate"]["reason"]["summary"]
    tags = api(f"/api/v1/repositories/{NAME}/tags").json()["items"]
    assert (tags[0]["name"], tags[0]["served"], tags[0]["pending"]) == ("v1", None, pushed.digest)
    first = api("/api/v1/repositories?limit=3").json()
    rest = api(f"/api/v1/repositories?limit=3&cursor={first['next']}").json()
    names = [each["name"] for each in first["items"] + rest["items"]]
    assert names == ["other/app-0", "other/app-1", "other/app-2", NAME]
    assert rest["next"] is None
    assert [each["name"] for each in api("/api/v1/repositories", "team-pusher").json()["items"]] == [NAME]
    listed = api(f"/api/v1/repositories/{NAME}/manifests").json()["items"]
    assert [each["digest"] for each in listed] == [pushed.digest]


def test_management_api_refuses_in_problem_json(api: Callable[..., httpx2.Response]) -> None:
    for path, name, status in [
        ("/api/v1/repositories/no/such/tags", "reader", 404),
        ("/api/v1/repositories/no/such/tags", "stranger", 403),
        ("/api/v1/repositories/no/such/tags", "", 401),
        ("/api/v1/repositories?limit=0", "reader", 400),
        ("/api/v1/repositories?limit=501", "reader", 400),
        ("/api/v1/repositories?cursor=forged", "reader", 400),
        ("/api/v1/repositories/A/tags", "reader", 400),
        ("/api/v1/nothing", "reader", 404),
    ]:
        answer = api(path, name)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"]


def test_member_descriptors_are_kept(registry: Running, pusher: Client) -> None:
    here, absent = image(b"here"), image(b"absent")
    pusher.push(NAME, here)
    listing = index(here, absent)
    pusher.push(NAME, listing, "v1")
    service = registry.parts.service
    source = registry.database.read(
        lambda tx: service.image_source(tx, service.repository(tx, NAME).id, listing.digest)
    )
    assert [(each.digest, each.present, each.runnable) for each in source.members] == [
        (here.digest, True, True),
        (absent.digest, False, True),
    ]
    image_source = registry.database.read(
        lambda tx: service.image_source(tx, service.repository(tx, NAME).id, here.digest)
    )
    assert image_source.manifest == here.manifest
    assert descriptor(service.read_source(image_source.config), "x")["digest"] == image_source.config.digest
    with service.open_blob(image_source.layers[0].digest) as stream:
        assert stream.read() == here.blobs[image_source.layers[0].digest]
        assert stream.fileno() > 0
