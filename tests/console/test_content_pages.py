"""Pages of content over the real registry: what they show, what they change, and for whom; hostile text stays text."""

from dataclasses import dataclass

import pytest
from starlette.testclient import TestClient
from tests.console.conftest import browser
from tests.console.reading import Reading
from tests.console.serving import Running
from tests.console.sources import image as view
from tests.registry.images import image as artifact
from tests.registry.images import index, signature

from pratique.registry import inspection
from pratique.registry.types import RepositoryName

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\N{RIGHT-TO-LEFT OVERRIDE}\"'><svg onload=alert(1)>"
NAME = RepositoryName("team/app")
DELETE, LOCK, MARK = "/content/delete", "/content/lock", "/content/quarantine"


@dataclass
class Pushed:
    image: str
    index: str
    signature: str


def populate(running: Running) -> Pushed:
    """An image, an index over it and a signature, whose annotations attack whoever reads them."""
    records, notes = running.records, {"org.opencontainers.image.title": HOSTILE, HOSTILE: "javascript:alert(1)"}
    one = artifact(b"one", annotations=notes)
    both = index(one, annotations={one.digest: {HOSTILE: HOSTILE}})
    about = signature(one, "application/<img src=x>")
    records.push(one, "v1", "latest")
    records.push(about)
    records.push(both, "all")
    records.push(artifact(b"one", annotations={"copy": "2"}), "v1", name=RepositoryName("team/copy"))
    now = running.images.clock.now()
    for digest, kind in ((one.digest, "image"), (both.digest, "index"), (about.digest, "attached")):
        running.images.add(view("team/app", 1, "held", now, digest=digest, kind=kind, tags=()))
    running.images.add(view("team/copy", 2, "held", now))
    return Pushed(one.digest, both.digest, about.digest)


def paths(pushed: Pushed) -> tuple[str, ...]:
    return (
        "/repositories", "/r/team/app", "/r/team/app?tag=v", f"/r/team/app/-/{pushed.image}",
        f"/r/team/app/-/{pushed.index}", f"/r/team/app/-/{pushed.signature}", "/content/delete?repository=team/app",
        f"/content/delete?repository=team/app&reference={pushed.image}", "/content/deleted?repository=team/app",
    )  # fmt: skip


def csrf(client: TestClient) -> str:
    return Reading(client.get("/device").text).field("csrf")


def send(client: TestClient, path: str, **fields: str) -> int:
    return client.post(path, data={"csrf": csrf(client), "repository": "team/app", **fields}).status_code


def test_what_pushers_write_is_shown_as_text(running: Running, client: TestClient) -> None:
    for path in paths(populate(running)):
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        page = Reading(answer.text)
        assert page.breaches() == [], path
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text


def test_sizes_are_told_as_shared_and_own(running: Running, client: TestClient) -> None:
    populate(running)
    content = running.parts.content
    sizes, _ = content.measured(["team/app", "team/copy"])["team/app"]
    assert sizes.shared > 0
    assert sizes.own > 0
    assert content.measured(["team/copy"])["team/copy"][0].own == 0
    assert "own" in Reading(client.get("/repositories").text).text


def test_a_repository_shows_tags_with_gates_and_lines_to_copy(running: Running, client: TestClient) -> None:
    pushed = populate(running)
    text = Reading(client.get("/r/team/app").text).text
    assert "podman pull localhost:8443/team/app:v1" in text
    assert f"skopeo copy docker://localhost:8443/team/app@{pushed.image} dir:image" in text
    assert "docker pull localhost:8443/team/app:latest" in text
    assert "held" in text
    assert "team/app:latest" not in Reading(client.get("/r/team/app?tag=v1").text).text
    assert "No tag has that in its name." in client.get("/r/team/app?tag=zzz").text


def test_many_tags_come_in_pages(running: Running, client: TestClient) -> None:
    one = artifact(b"many")
    running.records.push(one, *(f"t{number:03}" for number in range(60)))
    running.images.add(view("team/app", 1, "held", running.images.clock.now(), digest=one.digest))
    first = Reading(client.get("/r/team/app").text)
    following = next(link for link in first.links() if "tags=" in link)
    second = client.get(following).text
    assert "team/app:t000" in first.text
    assert "team/app:t059" not in first.text
    assert "team/app:t059" in second
    assert "team/app:t000" not in second


def test_an_image_shows_what_speaks_about_it_and_an_index_its_platforms(running: Running, client: TestClient) -> None:
    pushed = populate(running)
    assert pushed.signature in client.get(f"/r/team/app/-/{pushed.image}").text
    shown = client.get(f"/r/team/app/-/{pushed.index}").text
    assert "Platforms" in shown
    assert pushed.image in shown


def test_locks_are_set_and_bind(running: Running, client: TestClient) -> None:
    pushed = populate(running)
    assert send(client, LOCK, reference="v1", write="yes", list="yes", read="yes", next="/r/team/app") == 303
    assert "no delete" in client.get("/r/team/app").text
    assert send(client, DELETE, reference="v1") == 405
    assert send(client, LOCK, reference="v1", delete="yes", write="yes", list="yes", read="yes") == 303
    assert send(client, LOCK, reference=pushed.image, write="yes", list="yes", read="yes") == 303
    assert send(client, DELETE, reference=pushed.image) == 405
    assert send(client, LOCK, write="yes", list="yes", read="yes", delete="yes", reference=pushed.image) == 303
    assert send(client, LOCK, list="yes", read="yes") == 303
    assert "no write" in client.get("/repositories").text
    assert send(client, DELETE) == 405


def test_a_form_leads_to_no_other_site(running: Running, client: TestClient) -> None:
    populate(running)
    form = {"csrf": csrf(client), "repository": "team/app", "delete": "yes", "next": "//evil.example"}
    assert client.post(LOCK, data=form).headers["location"] == "/recommendations"


def test_a_mark_of_quarantine_is_shown_with_who_made_it(running: Running, client: TestClient) -> None:
    pushed = populate(running)
    assert send(client, MARK, reference=pushed.image, state="Failed", details=HOSTILE) == 303
    answer = client.get(f"/r/team/app/-/{pushed.image}").text
    assert "failed" in Reading(answer).text
    assert "by ada" in Reading(answer).text
    assert "<script>alert" not in answer
    assert send(client, MARK, reference=pushed.image, state="Maybe") == 400


def test_what_is_deleted_comes_back(running: Running, client: TestClient) -> None:
    pushed = populate(running)
    question = Reading(client.get(f"{DELETE}?repository=team/app&reference={pushed.image}").text)
    assert question.field("reference") == pushed.image
    assert send(client, DELETE, reference=pushed.image) == 303
    assert running.parts.content.shelf("team/app", pushed.image) is None
    page = Reading(client.get("/content/deleted?repository=team/app").text)
    assert pushed.image in page.text
    assert "latest, v1" in page.text
    assert send(client, "/content/deleted/restore", number=page.field("number")) == 303
    assert running.parts.content.shelf("team/app", pushed.image) is not None
    assert send(client, DELETE, reference="v1") == 303
    again = Reading(client.get("/content/deleted?repository=team/app").text)
    assert send(client, "/content/deleted/purge", number=again.field("number")) == 303
    assert "Nothing: what was deleted here" in client.get("/content/deleted?repository=team/app").text


def test_a_whole_repository_goes(running: Running, client: TestClient) -> None:
    populate(running)
    assert send(client, DELETE) == 303
    assert running.database.read(lambda tx: running.parts.content.registry.repository(tx, "team/app")) is None


POSTS = (LOCK, MARK, DELETE, "/content/deleted/restore", "/content/deleted/purge")


@pytest.mark.parametrize("path", POSTS)
def test_whoever_may_only_look_changes_nothing_and_is_offered_nothing(running: Running, path: str) -> None:
    pushed = populate(running)
    running.records.delete("latest")
    number = running.parts.content.deleted(NAME, None, 1)[0].id
    reader = browser(running, running.session("reader", "SecurityReader", "/registry"))
    page = reader.get(f"/r/team/app/-/{pushed.image}")
    assert page.status_code == 200
    assert 'action="/content' not in page.text
    assert 'action="/content' not in reader.get("/r/team/app").text
    assert "/content/delete" not in reader.get("/r/team/app").text
    assert send(reader, path, reference=pushed.image, state="Passed", number=str(number)) == 403
    assert running.parts.content.shelf("team/app", pushed.image) is not None


@pytest.mark.parametrize("path", POSTS)
def test_forms_without_their_token_do_nothing(running: Running, client: TestClient, path: str) -> None:
    pushed = populate(running)
    form = {"repository": "team/app", "reference": pushed.image, "state": "Failed", "number": "1"}
    assert client.post(path, data=form).status_code == 403
    given = form | {"csrf": csrf(client)}
    assert client.post(path, data=given, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert running.parts.content.shelf("team/app", pushed.image) is not None


def test_nothing_of_another_repository_is_shown(running: Running) -> None:
    pushed = populate(running)
    other = browser(running, running.session("other", "SecurityReader", "/registry/elsewhere"))
    for path in ("/r/team/app", "/r/team/app?after=9", "/r/team/app?tags=a", f"/r/team/app/-/{pushed.image}"):
        assert other.get(path).status_code == 404, path
    assert "team/app" not in Reading(other.get("/repositories").text).text
    assert other.get("/content/deleted?repository=team/app").status_code == 403
    assert other.get("/content/delete?repository=team/app").status_code == 403


@pytest.mark.parametrize("given", ["", "../../etc", "Team", "a" * 300, "team/app\x00", "<b>"])
def test_what_is_no_repository_is_refused(client: TestClient, given: str) -> None:
    answer = client.get("/content/delete", params={"repository": given})
    assert answer.status_code == 400
    assert "<b>" not in answer.text


def test_platforms_are_named_as_clients_name_them() -> None:
    assert inspection.platform_name({"os": "linux", "architecture": "arm", "variant": "v7"}) == "linux/arm/v7"
    assert inspection.platform_name({}) == ""
