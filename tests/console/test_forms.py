import re
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from starlette.testclient import TestClient
from tests.console.conftest import browser
from tests.console.reading import Reading
from tests.console.serving import Running
from tests.recommendations.seeding import refresher_of

from pratique.console.addresses import safe_next
from pratique.console.app import create_console
from pratique.core.clock import SECOND, FakeClock
from pratique.core.permissions import OPERATOR
from pratique.identity.sessions import COOKIE
from pratique.identity.types import PrincipalName
from pratique.recommendations.types import recommendation_id

FORMS = (
    "/account/password", "/account/passkeys", "/account/passkeys/options", "/account/passkeys/x/remove",
    "/principals/x/x", "/groups", "/groups/x/x", "/assignments",
    "/assignments/x/delete", "/activation", "/activation/x/x", "/reviews/x/fix", "/sessions/x/end",
    "/appearance", "/advisories/fetch", "/exemptions/new",
    "/recommendations/x/assign", "/exemptions/x/withdraw", "/sign-in", "/sign-in/passkey",
    "/sign-in/passkey/options", "/sign-in/link", "/sign-in/password", "/sign-in/new-passkey", "/sign-in/new-passkey/options",
    "/sign-out", "/account/sessions/x/end", "/device", "/device/decide", "/authorize", "/account/programs/x/end",
    "/content/delete", "/content/deleted/x", "/content/lock", "/content/quarantine", "/collections",
    "/collections/cancel", "/caches", "/caches/delete", "/immutability", "/immutability/x/delete", "/retention",
    "/retention/run", "/retention/x/delete", "/webhooks", "/webhooks/x/x",
)  # fmt: skip


def token(client: TestClient, path: str) -> str:
    return Reading(client.get(path).text).field("csrf")


@pytest.mark.parametrize("given", [None, "", "0" * 43, "\N{SNOWMAN}"])
def test_a_form_without_the_token_of_this_browser_is_refused(
    full: Running, client: TestClient, given: str | None
) -> None:
    for path in FORMS:
        answer = client.post(path, data={} if given is None else {"csrf": given})
        assert answer.status_code == 403, path
        assert "out of date" in answer.text


def test_every_form_is_known_to_the_test_above(running: Running) -> None:
    posts = {route.path for route in create_console(running.parts).routes if "POST" in (route.methods or ())}  # type: ignore[attr-defined]
    listed = {re.sub(r"\{(id|name|verb):str\}", "x", path) for path in posts}
    assert listed == {*FORMS, "/policy-reports"}


def test_a_token_of_another_session_is_refused(full: Running, client: TestClient) -> None:
    other = browser(full, full.session("eve"))
    answer = client.post("/appearance", data={"csrf": token(other, "/recommendations"), "theme": "dark"})
    assert answer.status_code == 403


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
def test_another_site_is_refused_even_with_the_token(
    full: Running, client: TestClient, headers: dict[str, str]
) -> None:
    fields = {"csrf": token(client, "/recommendations"), "theme": "dark"}
    assert client.post("/appearance", data=fields, headers=headers).status_code == 403


def test_the_theme_is_kept_in_a_cookie_of_this_host(full: Running, client: TestClient) -> None:
    fields = {"csrf": token(client, "/recommendations"), "theme": "dark", "next": "/jobs"}
    answer = client.post("/appearance", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs")
    assert 'data-theme="dark"' in client.get("/jobs").text
    client.post("/appearance", data={**fields, "theme": '"><script>'})
    assert 'data-theme="dark"' in client.get("/jobs").text


@pytest.mark.parametrize(
    "wanted",
    [
        "", "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "/a\nb", "/a b", " /a", "javascript:alert(1)",
        "/\N{FULLWIDTH SOLIDUS}evil", "/sign-out", "/sign-in?next=/sign-in",
    ],
)  # fmt: skip
def test_no_form_leads_elsewhere(wanted: str) -> None:
    assert safe_next(wanted) == "/recommendations"


def test_a_form_leads_back_to_a_page_of_ours() -> None:
    assert safe_next("/recommendations?q=a&cursor=b") == "/recommendations?q=a&cursor=b"


def test_feeds_are_fetched_on_one_click_by_who_may(full: Running, client: TestClient) -> None:
    page = Reading(client.get("/advisories").text)
    assert "3 feeds would say more" in page.text
    answer = client.post("/advisories/fetch", data={"csrf": page.field("csrf"), "feed": ["osv-npm", "epss"]})
    assert answer.status_code == 303
    assert full.feeds.asked == [("ada", ("osv-npm", "epss"))]
    assert 'hx-trigger="every 1s"' in client.get("/advisories").text
    reader = browser(full, full.session("bob", "SecurityReader"))
    page = Reading(reader.get("/advisories").text)
    assert reader.post("/advisories/fetch", data={"csrf": page.field("csrf"), "feed": "epss"}).status_code == 403
    assert len(full.feeds.asked) == 1


def test_an_exemption_needs_what_and_why_and_an_end(full: Running, client: TestClient, clock: FakeClock) -> None:
    today = datetime.fromtimestamp(clock.now() / SECOND, tz=UTC).date()
    fields = {"csrf": token(client, "/exemptions/new"), "rule": "CVE-2023-44487", "reason": "short", "expires": "soon"}
    answer = client.post("/exemptions/new", data=fields)
    assert answer.status_code == 400
    assert answer.text.count('aria-invalid="true"') == 2
    assert "CVE-2023-44487" in answer.text
    for day in ("2020-01-01", str(today + timedelta(days=800))):
        assert (
            client.post(
                "/exemptions/new",
                data={**fields, "reason": "behind a proxy", "expires": day},
            ).status_code
            == 400
        )
    good = {**fields, "reason": "behind a proxy that limits it", "expires": str(today + timedelta(days=7))}
    assert client.post("/exemptions/new", data=good).status_code == 303
    page = Reading(client.get("/exemptions").text)
    assert "behind a proxy that limits it" in page.text
    row = full.exemptions.rows[0]
    assert row.expires > clock.now() + 7 * 86400 * SECOND - 1
    client.post(f"/exemptions/{row.id}/withdraw", data={"csrf": page.field("csrf")})
    assert "withdrawn" in client.get("/exemptions").text


def test_a_first_person_signs_in_by_link_then_by_password_without_scripts(
    running: Running, stranger: TestClient, clock: FakeClock
) -> None:
    link = running.database.write(running.identity.links.first)
    assert link is not None
    address = link.url("https://localhost")
    landing = Reading(stranger.get(address.partition("#")[0].removeprefix("https://localhost")).text)
    assert "once" in landing.text
    chosen = stranger.post("/sign-in/link", data={"csrf": landing.field("csrf"), "link": address})
    page = Reading(chosen.text)
    assert chosen.status_code == 200
    assert "svg" in page.tags()
    code = pyotp.TOTP(_secret(page))
    fields = {
        "csrf": page.field("csrf"),
        "ticket": page.field("ticket"),
        "uri": page.field("uri"),
        "name": page.field("name"),
    }
    wrong = stranger.post("/sign-in/password", data={**fields, "password": "correct horse battery", "code": "000000"})
    assert wrong.status_code in (400, 401)
    again = Reading(wrong.text)
    assert again.field("uri") == page.field("uri")
    now = clock.now() // SECOND
    done = stranger.post(
        "/sign-in/password", data={**fields, "password": "correct horse battery", "code": code.at(now)}
    )
    assert (done.status_code, done.headers["location"]) == (303, "/recommendations")
    cookie = done.headers["set-cookie"].lower()
    assert cookie.startswith("__host-pratique=")
    assert all(part in cookie for part in ("secure", "httponly", "samesite=lax", "path=/"))
    assert stranger.get("/recommendations").status_code == 200
    out = stranger.post("/sign-out", data={"csrf": token(stranger, "/account")})
    assert out.headers["location"] == "/sign-in?out"
    assert stranger.get("/recommendations").status_code == 303
    clock.advance(60)
    fields = {
        "csrf": token(stranger, "/sign-in?next=/jobs"),
        "name": "admin",
        "password": "correct horse battery",
        "next": "/jobs",
    }
    refused = stranger.post("/sign-in", data={**fields, "password": "wrong", "code": code.at(now + 60)})
    assert refused.status_code == 401
    back = stranger.post("/sign-in", data={**fields, "code": code.at(now + 60)})
    assert (back.status_code, back.headers["location"]) == (303, "/jobs")


def _secret(page: Reading) -> str:
    found = re.search(r"secret=([A-Z2-7]+)", page.field("uri"))
    assert found is not None
    return found[1]


def test_a_link_works_once(running: Running, stranger: TestClient) -> None:
    link = running.database.write(running.identity.links.first)
    assert link is not None
    fields = {"csrf": token(stranger, "/sign-in/link"), "link": link.secret}
    assert stranger.post("/sign-in/link", data=fields).status_code == 200
    second = stranger.post("/sign-in/link", data=fields)
    assert second.status_code == 410
    assert "pratique admin link" in second.text


def test_a_changed_set_up_form_is_refused(running: Running, stranger: TestClient) -> None:
    link = running.database.write(running.identity.links.first)
    assert link is not None
    page = Reading(
        stranger.post("/sign-in/link", data={"csrf": token(stranger, "/sign-in/link"), "link": link.secret}).text
    )
    fields = {
        "csrf": page.field("csrf"),
        "ticket": page.field("ticket"),
        "uri": "javascript:alert(1)",
        "password": "x" * 12,
        "code": "1",
    }
    answer = stranger.post("/sign-in/password", data=fields)
    assert answer.status_code == 400
    assert "javascript" not in answer.text


def test_people_end_their_own_sessions_only(running: Running, client: TestClient) -> None:
    other = running.session("eve")
    eve = browser(running, other)
    session = running.database.read(lambda tx: running.identity.sessions.list(tx, principal_id=None, limit=10)).items
    mine = next(one for one in session if one.id in client.get("/account").text)
    theirs = next(one for one in session if one.id != mine.id)
    fields = {"csrf": token(client, "/account")}
    assert client.post(f"/account/sessions/{theirs.id}/end", data=fields).status_code == 403
    assert eve.get("/recommendations").status_code == 200
    assert client.post(f"/account/sessions/{mine.id}/end", data=fields).status_code == 303
    assert client.get("/recommendations").status_code == 303


def test_names_are_never_told_apart_by_an_answer(running: Running, stranger: TestClient) -> None:
    running.database.write(
        lambda tx: running.identity.principals.create(tx, OPERATOR, PrincipalName.parse("real"), "user")
    )
    fields = {"csrf": token(stranger, "/sign-in"), "password": "x" * 20, "code": "123456"}
    texts = []
    for name in ("real", "nobody"):
        answer = stranger.post("/sign-in", data={**fields, "name": name})
        assert answer.status_code == 401
        texts.append(Reading(answer.text).text.replace(name, ""))
    assert texts[0] == texts[1]
    assert COOKIE not in stranger.cookies


def test_owner_and_due_date_are_set_by_a_form(full: Running, client: TestClient) -> None:
    address = f"/recommendations/{recommendation_id('app-update|pypi|django')}"
    fields = {"csrf": token(client, address), "owner": "Team Shop", "due": "2099-12-31", "due_was": ""}
    answer = client.post(f"{address}/assign", data=fields)
    assert (answer.status_code, "within ten years" in answer.text) == (400, True)
    assert client.post(f"{address}/assign", data=fields | {"due": "soon"}).status_code == 400
    assert client.post(f"{address}/assign", data=fields | {"due": ""}).headers["location"] == address
    refresher_of(full.database).run()
    assert "Team Shop" in client.get(address).text
    assert "Update django" in client.get("/recommendations?owner=Team+Shop").text
    reader = browser(full, full.session("rita", "SecurityReader"))
    assert 'name="owner"' not in reader.get(address).text
    refused = reader.post(f"{address}/assign", data=fields | {"csrf": token(reader, address)})
    assert refused.status_code == 403
