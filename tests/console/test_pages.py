from dataclasses import replace

import pytest
from starlette.testclient import TestClient
from tests.console.conftest import browser
from tests.console.reading import Reading
from tests.console.serving import Running, pipeline_of
from tests.recommendations.seeding import ATTACK, FLEET, HOSTILE, NGINX, OPENSSL, digest, seed

from pratique.console.assets import Assets
from pratique.console.policy import CONTENT
from pratique.core.permissions import OPERATOR
from pratique.recommendations.types import recommendation_id

OPENSSL_PAGE = f"/recommendations/{recommendation_id(OPENSSL.action)}"
PAGES = (
    "/recommendations", "/recommendations?severity=critical&exploited=yes&sort=due", OPENSSL_PAGE, "/help/risk", "/score",
    "/repositories", "/r/team/web", f"/r/team/web/-/{digest(1)}", f"/r/team/shop/-/{digest(3)}", "/advisories",
    "/exemptions", f"/exemptions/new?recommendation={recommendation_id(NGINX.action)}", "/jobs", "/account",
)  # fmt: skip
OPEN_PAGES = ("/sign-in", "/sign-in/link", "/nowhere")


@pytest.mark.parametrize("path", PAGES)
def test_each_page_answers_under_the_policy(full: Running, client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-security-policy"] == CONTENT
    assert answer.headers["cache-control"] == "no-store"
    page = Reading(answer.text)
    assert page.breaches() == []
    assert [tag for tag, _ in page.elements].count("h1") == 1
    assert "#main" in page.links()


def test_who_is_not_signed_in_is_led_to_the_sign_in(full: Running, stranger: TestClient) -> None:
    for path in PAGES:
        answer = stranger.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?next="), path


@pytest.mark.parametrize("path", OPEN_PAGES)
def test_pages_for_everybody_hold_nothing_that_the_policy_blocks(
    running: Running, stranger: TestClient, path: str
) -> None:
    answer = stranger.get(path)
    assert answer.status_code == (404 if path == "/nowhere" else 200)
    assert Reading(answer.text).breaches() == []
    assert answer.headers["content-security-policy"] == CONTENT


def test_an_empty_installation_says_how_to_begin(running: Running, client: TestClient) -> None:
    page = Reading(client.get("/recommendations").text)
    assert "No image yet" in page.text
    assert "podman push docker.io/library/debian:12 localhost:8443/team/debian:12" in page.text
    assert "filters" not in [attributes.get("id") for _, attributes in page.elements]


def test_nothing_to_do_is_not_the_same_as_nothing_known(running: Running, client: TestClient) -> None:
    seed(running.database, (("registry/team/clean", 9, ()),))
    page = Reading(client.get("/recommendations").text)
    assert "Nothing to do" in page.text
    assert "100 / 100" in page.text
    seed(running.database, (FLEET[4],))
    page = Reading(client.get("/recommendations").text)
    assert "they are not clean" in page.text
    assert "Nothing to do" not in page.text


def test_every_filter_is_in_the_address_and_comes_back(full: Running, client: TestClient) -> None:
    path = "/recommendations?q=openssl&repository=team&severity=critical&severity=medium&fixable=yes&kind=os-update&state=open&sort=images"
    page = Reading(client.get(path).text)
    assert "1 recommendation " in page.text
    checked = {a["value"] for tag, a in page.elements if tag == "input" and "checked" in a}
    chosen = {a["value"] for tag, a in page.elements if tag == "option" and "selected" in a}
    assert checked == {"critical", "medium", "yes"}
    assert chosen == {"os-update", "open", "images"}
    assert page.field("q") == "openssl"


def test_a_next_page_keeps_the_filters(full: Running, client: TestClient) -> None:
    page = Reading(client.get("/recommendations?fixable=yes&limit=2").text)
    following = next(link for link in page.links() if "cursor=" in link)
    assert "fixable=yes" in following
    second = Reading(client.get(following).text)
    assert not set(_rows(page)) & set(_rows(second))
    assert len(_rows(second)) == 2


def _rows(page: Reading) -> list[str]:
    return [a["id"] for tag, a in page.elements if tag == "tr" and a.get("id", "").startswith("r-")]


@pytest.mark.parametrize(
    "query",
    ["severity=loud", "sort=luck", "state=x", "kind=y", "exploited=maybe", "limit=0", "limit=501", "cursor=AAAA"],
)
def test_what_cannot_be_meant_is_refused_with_what_can(full: Running, client: TestClient, query: str) -> None:
    answer = client.get(f"/recommendations?{query}")
    assert answer.status_code == 400
    assert "It can be:" in answer.text or "Begin again" in answer.text


def test_a_part_is_sent_to_who_asks_for_a_part(full: Running, client: TestClient) -> None:
    part = client.get("/recommendations", headers={"HX-Request": "true", "HX-Request-Type": "partial"})
    assert "<html" not in part.text
    assert 'id="results"' in part.text
    whole = client.get("/recommendations", headers={"HX-Request": "true", "HX-Request-Type": "full"})
    assert "<html" in whole.text
    assert "HX-Request" in part.headers["vary"]


def test_the_page_of_a_refused_image_says_why_and_what_to_do(full: Running, client: TestClient) -> None:
    page = Reading(client.get(f"/r/team/web/-/{digest(1)}").text)
    assert "Refused: cannot be pulled" in page.text
    assert "CVE-2023-44487 in nginx 1.22.1-9 is known to be exploited" in page.text
    assert "readers get sha256:000000000000" in page.text


def test_what_was_not_assessed_is_listed_apart(full: Running, client: TestClient) -> None:
    page = Reading(client.get(f"/r/team/shop/-/{digest(3)}").text)
    assert "a Go program without build information" in page.text
    assert "2 not assessed" in page.text


def test_a_tag_leads_to_its_image(full: Running, client: TestClient) -> None:
    answer = client.get("/r/team/web/-/stable")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/r/team/web/-/{digest(2)}"


@pytest.mark.parametrize(
    "path", ["/r/team/none", f"/r/team/web/-/{digest(404)}", "/r/team/web/-/none", "/recommendations/0000000000000000"]
)
def test_what_is_not_there_is_a_page_that_says_so(full: Running, client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def test_people_see_only_their_part(full: Running) -> None:
    client = browser(full, full.session("bob", "SecurityReader", "/registry/team/web"))
    page = Reading(client.get("/recommendations").text)
    assert "django" not in page.text
    assert "openssl" in page.text
    assert client.get(f"/r/team/shop/-/{digest(3)}").status_code == 404
    assert client.get(f"/recommendations/{recommendation_id('app-update|pypi|django')}").status_code == 404


def test_without_built_assets_pages_ask_for_none(full: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Assets(folder=full.directory)
    assert empty.address("pratique.css") == ""
    monkeypatch.setattr("pratique.console.assets.Assets", lambda: empty)
    page = Reading(TestClient(pipeline_of(full.parts), base_url="https://localhost").get("/sign-in").text)
    assert "script" not in page.tags()
    assert "link" not in page.tags()
    assert page.field("csrf")


def test_hostile_text_stays_text(running: Running, client: TestClient) -> None:
    from tests.console.sources import image

    seed(running.database, (("registry/team/evil", 6, (ATTACK,)),))
    now = running.images.clock.now()
    running.images.add(
        image("team/evil", 6, "refused", now, summary=HOSTILE, remedy=HOSTILE, pusher=HOSTILE, distribution=HOSTILE)
    )
    paths = (
        "/recommendations", f"/recommendations/{recommendation_id(ATTACK.action)}", f"/r/team/evil/-/{digest(6)}", "/r/team/evil",
        f"/recommendations?q={HOSTILE}", f"/exemptions/new?rule={HOSTILE}", f"/repositories?q={HOSTILE}", f"/sign-in?next={HOSTILE}",
        f"/exemptions/new?recommendation={recommendation_id(ATTACK.action)}",
    )  # fmt: skip
    for path in paths:
        answer = client.get(path)
        page = Reading(answer.text)
        assert page.breaches() == [], path
        assert "<script>alert" not in answer.text, path
        assert "49" not in page.text.replace("CVE", ""), path
        assert not [value for _, name, value in page.attributes() if name.startswith("hx-") and "alert" in value], path
    assert "alert(1)" in Reading(client.get("/recommendations").text).text


def test_names_of_people_are_foreign_too(running: Running) -> None:
    assert OPERATOR.name
    client = browser(running, running.session("o.brien+x@example"))
    assert "o.brien+x@example" in Reading(client.get("/account").text).text


def test_data_that_nothing_needs_is_not_missed(full: Running, client: TestClient) -> None:
    assert "Advisory data is missing" in client.get("/recommendations").text
    full.feeds.feeds = [replace(feed, needed="") for feed in full.feeds.feeds]
    assert "Advisory data is" not in client.get("/recommendations").text


def test_a_date_in_the_proof_is_a_date(running: Running, client: TestClient) -> None:
    seed(
        running.database, (("registry/team/web", 1, (replace(NGINX, evidence={"data_date": 1_795_415_150_000_000}),)),)
    )
    assert "2026-11-23" in Reading(client.get(f"/recommendations/{recommendation_id(NGINX.action)}").text).text


def test_assets_are_kept_for_ever_and_sent_small(running: Running, stranger: TestClient) -> None:
    address = Assets().address("pratique.css")
    if not address:
        pytest.skip("the set of browser assets is not installed")
    packed = stranger.get(address, headers={"accept-encoding": "gzip"})
    plain = stranger.get(address, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert packed.content == plain.content
    assert "immutable" in plain.headers["cache-control"]
    assert stranger.get("/static/none.js").status_code == 404
    assert stranger.get("/static/manifest.json").status_code == 404
