"""Pages of collection, rules, caches, webhooks and events over the real services, by right and with hostile text."""

import re

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.console.conftest import browser
from tests.console.reading import Reading
from tests.console.serving import Running
from tests.console.test_content_pages import HOSTILE, populate
from tests.registry.images import image as artifact

from pratique.core.clock import FakeClock
from pratique.core.database import Transaction
from pratique.core.ids import new_id
from pratique.core.jobs import JobQueue, Worker
from pratique.core.webhooks.tables import webhook_attempts, webhook_dead, webhooks
from pratique.registry.types import RepositoryName

PAGES = ("/collections", "/retention", "/immutability", "/caches", "/webhooks", "/events")
HOOK = "https://hooks.example/in?token=planted-secret"
ROTTEN = "https://hooks.example/<script>alert(1)</script>"


def csrf(client: TestClient) -> str:
    return Reading(client.get("/device").text).field("csrf")


def send(client: TestClient, path: str, **fields: str) -> tuple[int, str]:
    """Send a form; return status and page, or where it leads."""
    answer = client.post(path, data={"csrf": csrf(client), **fields})
    return answer.status_code, answer.headers.get("location", "") or answer.text


def work(running: Running) -> None:
    """Run what is queued, with a real worker."""
    Worker(running.database, JobQueue(), running.handlers).drain()


def hook(running: Running, client: TestClient) -> str:
    """A webhook with a delivery log that attacks whoever reads it, and something that was not taken."""
    assert send(client, "/webhooks", name="bot", url=HOOK)[0] == 200
    running.records.push(artifact(b"seen"), "v1")

    def body(tx: Transaction) -> str:
        number: str = tx.execute(sa.select(webhooks.c.id)).scalar_one()
        line = {
            "webhook_id": number, "event_id": new_id(), "type": HOSTILE, "subject": HOSTILE, "at": tx.now,
            "milliseconds": 12, "status": 500, "outcome": "failed", "answer": HOSTILE,
        }  # fmt: skip
        tx.execute(sa.insert(webhook_attempts).values(**line))
        event = {"type": HOSTILE, "subject": HOSTILE}
        dead = {"webhook_id": number, "position": 3, "event": event, "reason": HOSTILE, "at": tx.now, "wanted": False}
        tx.execute(sa.insert(webhook_dead).values(**dead))
        tx.execute(sa.update(webhooks).values(reason=HOSTILE, shown_address=ROTTEN, state="disabled"))
        return number

    return running.database.write(body)


@pytest.mark.parametrize("path", PAGES)
def test_an_empty_page_says_what_it_is_for(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    page = Reading(answer.text)
    assert page.breaches() == []
    assert re.search(r"None|Nothing", page.text)


@pytest.mark.parametrize("path", PAGES)
def test_whoever_lacks_the_right_sees_none_of_it(running: Running, path: str) -> None:
    nobody = browser(running, running.session("nobody", "AcrPull", "/registry"))
    assert nobody.get(path).status_code == 403
    assert path not in Reading(nobody.get("/help/risk").text).links()


POSTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/collections", {"dry_run": "yes"}), ("/collections/cancel", {"job": "x"}), ("/retention/run", {}),
    ("/retention", {"tags": "v*", "keep_newest": "1"}), ("/immutability", {"tags": "v*"}),
    ("/caches", {"prefix": "hub", "upstream": "docker.io"}), ("/caches/delete", {"prefix": "hub"}),
    ("/webhooks", {"name": "evil", "url": HOOK}),
)  # fmt: skip


@pytest.mark.parametrize(("path", "fields"), POSTS)
def test_whoever_lacks_the_right_changes_nothing(running: Running, path: str, fields: dict[str, str]) -> None:
    nobody = browser(running, running.session("nobody", "AcrPull", "/registry"))
    assert send(nobody, path, **fields)[0] in (403, 404)
    assert running.database.read(lambda tx: JobQueue().search(tx, limit=5)) == []
    assert running.database.read(lambda tx: tx.execute(sa.select(webhooks.c.id)).all()) == []


def test_a_dry_run_says_what_would_go_and_takes_nothing(running: Running, client: TestClient) -> None:
    records = running.records
    digest = records.push_blob(b"nobody names this", RepositoryName("team/app"))
    clock = running.images.clock
    assert isinstance(clock, FakeClock)
    clock.advance(200)
    assert send(client, "/collections", dry_run="yes") == (303, "/collections")
    page = client.get("/collections").text
    assert "waits for a worker" in page
    assert "Cancel" in page
    work(running)
    page = client.get("/collections").text
    assert "waits for a worker" not in page
    address = re.search(r'href="(/collections/[^"]+)"', page)
    assert address is not None
    shown = Reading(client.get(address[1]).text).text
    assert digest in shown
    assert "no manifest names it and no lease protects it" in shown
    assert records.stored()


def test_a_run_is_cancelled(running: Running, client: TestClient) -> None:
    send(client, "/collections", dry_run="no")
    job = Reading(client.get("/collections").text).field("job")
    assert send(client, "/collections/cancel", job=job) == (303, "/collections")
    assert "Under way" not in client.get("/collections").text


def test_an_unknown_run_and_rule_are_no_page(client: TestClient) -> None:
    for path in ("/collections/x", "/retention/x", "/webhooks/x", "/webhooks/x/delete"):
        assert client.get(path).status_code == 404


def test_a_retention_rule_is_previewed_with_reasons(running: Running, client: TestClient) -> None:
    for number in range(3):
        running.records.push(artifact(b"%d" % number), f"v{number}")
    status, address = send(client, "/retention", prefix="team", tags="v*", keep_newest="1")
    assert status == 303
    preview = Reading(client.get(address).text)
    assert preview.breaches() == []
    assert "2 of 3 on this page would go" in preview.text
    assert "stays" in preview.text
    assert running.parts.content.tags("team/app", "", "", 9)[2].name == "v2"
    assert "the newest 1 stay" in client.get("/retention").text
    assert send(client, "/retention/run", prefix="")[0] == 303
    assert send(client, f"{address}/delete")[0] == 303
    assert "nothing goes by itself" in client.get("/retention").text


@pytest.mark.parametrize(
    "given", [{}, {"tags": "v*"}, {"tags": "v*", "keep_newest": "many"}, {"tags": "<b>x", "keep_newest": "1"}]
)
def test_a_retention_rule_that_keeps_nothing_is_refused_and_what_was_written_stays(
    client: TestClient, given: dict[str, str]
) -> None:
    status, page = send(client, "/retention", **given)
    assert status == 400
    assert "That was not done" in page
    assert "<b>x" not in page
    assert Reading(page).field("tags") == given.get("tags", "")


def test_immutable_tags_are_protected_and_let_go(running: Running, client: TestClient) -> None:
    running.records.push(artifact(b"one"), "v1")
    assert send(client, "/immutability", tags="v*", prefix="team")[0] == 303
    page = client.get("/immutability").text
    assert "v*" in page
    assert send(client, "/content/delete", repository="team/app", reference="v1")[0] == 405
    address = re.search(r'action="(/immutability/[^"]+/delete)"', page)
    assert address is not None
    assert send(client, address[1])[0] == 303
    assert send(client, "/content/delete", repository="team/app", reference="v1")[0] == 303
    status, page = send(client, "/immutability", tags="<b>x")
    assert (status, "<b>x" in page) == (400, False)


def test_a_cache_rule_is_made_and_deleted_and_its_secret_is_never_shown(running: Running, client: TestClient) -> None:
    form = {
        "prefix": "hub",
        "upstream": "docker.io",
        "user": "bot",
        "secret": "planted-secret",
        "patterns": "library/*",
    }
    assert send(client, "/caches", **form) == (303, "/caches")
    page = client.get("/caches").text
    assert "docker.io" in page
    assert "library/*" in page
    assert "planted-secret" not in page
    assert send(client, "/caches/delete", prefix="hub")[0] == 303
    assert "docker.io</bdi>" not in client.get("/caches").text


@pytest.mark.parametrize(
    "given", [{"prefix": HOSTILE, "upstream": "docker.io"}, {"prefix": "a", "upstream": HOSTILE}, {"prefix": "a"}]
)
def test_a_cache_rule_that_is_none_is_refused_beside_the_form(client: TestClient, given: dict[str, str]) -> None:
    status, page = send(client, "/caches", **given)
    assert status == 400
    assert Reading(page).breaches() == []
    assert "<script>alert" not in page
    assert "<img" not in page


def test_a_webhook_shows_its_secret_once(client: TestClient) -> None:
    status, page = send(client, "/webhooks", name="bot", url=HOOK, types="*.tag.moved.v1")
    assert status == 200
    assert "whsec_" in page
    assert "planted-secret" not in page
    listed = client.get("/webhooks").text
    address = re.search(r'href="(/webhooks/[^"]+)"', listed)
    assert address is not None
    one = client.get(address[1]).text
    for text in (listed, one):
        assert "whsec_" not in text
        assert "planted-secret" not in text
    assert "*.tag.moved.v1" in one
    assert "Nothing was sent yet." in one


def test_what_receivers_answer_is_shown_as_text(running: Running, client: TestClient) -> None:
    number = hook(running, client)
    populate(running)
    for path in ("/webhooks", f"/webhooks/{number}", f"/webhooks/{number}/delete", "/events"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert Reading(answer.text).breaches() == [], path
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text


def test_a_webhook_is_resumed_tried_rotated_and_sent_again(running: Running, client: TestClient) -> None:
    number = hook(running, client)
    place = f"/webhooks/{number}"
    assert "Resume" in client.get(place).text
    assert send(client, f"{place}/resume") == (303, place)
    assert send(client, f"{place}/test") == (303, place)
    assert "whsec_" in send(client, f"{place}/rotate")[1]
    assert send(client, f"{place}/resend", position="3") == (303, place)
    wanted = running.database.read(lambda tx: tx.execute(sa.select(webhook_dead.c.wanted)).scalar_one())
    assert wanted is True
    assert "Send again" not in client.get(place).text
    assert send(client, f"{place}/pause") == (303, place)
    assert "paused by hand" in client.get(place).text
    assert send(client, f"{place}/nonsense")[0] == 400
    assert send(client, f"{place}/delete") == (303, "/webhooks")
    assert client.get(place).status_code == 404


@pytest.mark.parametrize("url", ["http://hooks.example/", "https://127.0.0.1/", "javascript:alert(1)", ROTTEN, ""])
def test_an_address_that_may_not_be_is_refused_beside_the_form(client: TestClient, url: str) -> None:
    status, page = send(client, "/webhooks", name="bot", url=url)
    assert Reading(page).breaches() == []
    assert "<script>alert" not in page
    if url != ROTTEN:
        assert status == 400 or "not" in Reading(page).text
        assert "whsec_" not in page


def test_a_webhook_of_another_scope_does_not_exist(running: Running, client: TestClient) -> None:
    number = hook(running, client)
    other = browser(running, running.session("other", "Owner", "/registry/elsewhere"))
    assert other.get(f"/webhooks/{number}").status_code == 404
    assert send(other, f"/webhooks/{number}/delete")[0] == 404
    assert "hooks.example" not in other.get("/webhooks").text


def test_events_are_shown_where_the_reader_may(running: Running, client: TestClient) -> None:
    populate(running)
    send(client, "/content/delete", repository="team/app", reference="v1")
    page = Reading(client.get("/events").text).text
    assert "team/app" in page
    assert "team/app" in Reading(client.get("/events", params={"subject": "team/*"}).text).text
    assert "Nothing of that kind." in client.get("/events", params={"subject": "nowhere/*"}).text
    other = browser(running, running.session("other", "Owner", "/registry/elsewhere"))
    assert "team/app" not in Reading(other.get("/events").text).text
