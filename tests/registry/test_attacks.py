"""Attacks on the wire: names in disguise, headers that are smuggled, tokens that reach too far."""

import base64

import pytest
from tests.registry.clients import Client, error_of
from tests.registry.conftest import Judge
from tests.registry.images import artifact, image, signature
from tests.registry.serving import Running

NAME = "team/app"


def bounded(registry: Running, name: str, scopes: str) -> Client:
    """A client whose token was asked for with these scopes."""
    return Client(registry.url, f"{name};={base64.urlsafe_b64encode(scopes.encode()).decode()}")


@pytest.mark.parametrize("spelling", ["team%2Fapp", "team%2fapp"])
def test_an_encoded_slash_is_a_slash_before_anybody_asks_for_rights(
    spelling: str, pusher: Client, registry: Running
) -> None:
    made = image(b"one name")
    pusher.push(NAME, made, "v1")
    assert pusher.manifest(spelling, "v1").content == made.manifest
    assert pusher.http.get(f"/acr/v1/{spelling}").json()["imageName"] == NAME
    # A token for `team` says nothing of `team/app`, however it is written.
    with bounded(registry, "pusher", "repository:team:pull,push") as narrow:
        answer = narrow.manifest(spelling, "v1")
    assert answer.status_code == 401
    assert 'scope="repository:team/app:pull"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "path",
    [
        "/v2/team%2F..%2Fother/manifests/v1", "/v2/team%2F%2Fapp/manifests/v1", "/v2/team%252Fapp/manifests/v1",
        "/v2/team%5Capp/manifests/v1", "/v2/team%00/manifests/v1", "/v2%2F..%2Facr/v1/_catalog",
        "/acr/v1/team%2F..%2Fother/_tags", "/acr/v1/_tags", "/acr/v1/team/_tags/", "/acr/v1/Team",
        "/acr/v1/team/_manifests/v1",
    ],
)  # fmt: skip
def test_paths_in_disguise_are_refused(path: str, pusher: Client) -> None:
    answer = pusher.http.request("GET", path)
    assert answer.status_code in {400, 404}, answer.text
    # What hides parts of the path is refused before any plane sees it, in plain words.
    assert "hidden parts" in answer.text or error_of(answer)[1] in {"NAME_INVALID", "DIGEST_INVALID"}


def test_a_token_that_reaches_too_far_is_asked_for_before_a_mount_and_never_for_what_one_may_not_read(
    pusher: Client, registry: Running
) -> None:
    made = image(b"mounted")
    pusher.push(NAME, made, "v1")
    layer = list(made.blobs)[1]
    target = "/v2/team/new/blobs/uploads/"
    with bounded(registry, "pusher", "repository:team/new:pull,push") as narrow:
        for query in ({"mount": layer, "from": NAME}, {"mount": layer}):
            answer = narrow.http.post(target, params=query)
            assert answer.status_code == 401
            wanted = 'scope="repository:team/new:pull,push repository:team/app:pull"'
            assert wanted in answer.headers["www-authenticate"]
    with bounded(registry, "pusher", "repository:team/new:pull,push repository:team/app:pull,push") as wide:
        assert wide.http.post(target, params={"mount": layer}).status_code == 201
    pusher.push_blob("secret/app", b"not for the team")
    (hidden,) = artifact(b"not for the team", "text/plain", []).blobs
    with bounded(registry, "team-pusher", "repository:team/new:pull,push") as narrow:
        for query in ({"mount": hidden, "from": "secret/app"}, {"mount": hidden}):
            answer = narrow.http.post(target, params=query)
            assert answer.status_code == 202
            assert "secret" not in str(answer.headers)


def test_what_a_query_says_cannot_write_headers(pusher: Client) -> None:
    for number in range(3):
        pusher.push(NAME, image(bytes([number])), f"v{number}")
    evil = "v0>; rel=next\r\nset-cookie: a=b"
    for path, query in (
        (f"/v2/{NAME}/tags/list", {"n": "1", "last": evil}),
        (f"/acr/v1/{NAME}/_tags", {"n": "1", "last": "", "api-version": "2021-07-01", "orderby": "timeasc"}),
        (f"/acr/v1/{NAME}/_tags", {"n": "1", "digest": evil}),
        (f"/v2/{NAME}/referrers/{image(b'x').digest}", {"artifactType": evil}),
    ):
        answer = pusher.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        assert "set-cookie" not in answer.headers
        assert answer.headers.get("link", "</").startswith("</")
        assert answer.headers.get("link", "").count(">") <= 1
    assert error_of(pusher.http.get(f"/acr/v1/{NAME}/_tags", params={"api-version": evil}))[0] == 400


def test_no_browser_runs_what_is_served(pusher: Client) -> None:
    page = b"<html><script>alert(1)</script></html>"
    made = artifact(page, "text/html", [(page, "text/html")])
    pusher.push(NAME, made, "page")
    for answer in (pusher.blob(NAME, next(iter(made.blobs))), pusher.manifest(NAME, "page")):
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "html" not in answer.headers["content-type"]


def test_nobody_uploads_a_large_manifest_or_change_before_they_are_known(registry: Running, pusher: Client) -> None:
    big = b"{" + b" " * (5 * 1024 * 1024) + b"}"
    kind = {"content-type": "application/vnd.oci.image.manifest.v1+json"}
    with Client(registry.url) as nobody:
        assert nobody.http.put(f"/v2/{NAME}/manifests/v1", content=big, headers=kind).status_code == 401
        assert nobody.http.patch(f"/acr/v1/{NAME}", content=big).status_code == 401
    assert pusher.http.put(f"/v2/{NAME}/manifests/v1", content=big, headers=kind).status_code == 413
    pusher.push(NAME, image(b"one"), "v1")
    with Client(registry.url, "keeper") as keeper:
        assert keeper.http.patch(f"/acr/v1/{NAME}", content=big).status_code == 413
        for body in (b"[]", b"{", b'{"readEnabled":"no"}', b'{"writeEnabled":1}', b"\xff"):
            assert keeper.http.patch(f"/acr/v1/{NAME}", content=body).status_code == 400
        shown = keeper.http.get(f"/acr/v1/{NAME}").json()["changeableAttributes"]
    assert all(shown.values())


def test_the_pusher_cannot_pass_what_it_pushed(registry: Running, judge: Judge) -> None:
    made = image(b"own work")
    path = f"/acr/v1/{NAME}/_manifests/{made.digest}"
    with Client(registry.url, "marking-pusher") as pusher, Client(registry.url, "scanner") as scanner:
        pusher.push(NAME, made, "v1")
        own = pusher.http.patch(path, json={"quarantineState": "Passed"})
        assert error_of(own)[0] == 403
        assert pusher.http.patch(path, json={"quarantineState": "Failed"}).status_code == 200
        passed = scanner.http.patch(path, json={"quarantineState": "Passed", "quarantineDetails": "{}"})
        assert passed.json()["manifest"]["changeableAttributes"]["quarantineState"] == "Passed"
        assert error_of(scanner.http.patch(path, json={"quarantineState": "Open"}))[0] == 400
    with Client(registry.url, "reader") as reader:
        assert reader.manifest(NAME, "v1").status_code == 403  # a mark is a fact, and opens no gate by itself


def test_a_referrer_goes_with_its_deletion_and_cannot_be_seen_through_a_lock(pusher: Client, judge: Judge) -> None:
    made = image(b"signed")
    note = signature(made)
    pusher.push(NAME, note)  # before its subject
    pusher.push(NAME, made, "v1")
    judge.open(NAME, made.digest)
    path = f"/v2/{NAME}/referrers/{made.digest}"
    assert [each["digest"] for each in pusher.http.get(path).json()["manifests"]] == [note.digest]
    assert pusher.http.delete(f"/v2/{NAME}/manifests/{note.digest}").status_code == 202
    assert pusher.http.get(path).json()["manifests"] == []
