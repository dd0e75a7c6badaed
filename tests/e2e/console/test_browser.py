import re
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import expect
from tests.console.serving import Running
from tests.e2e.console.conftest import Open
from tests.recommendations.seeding import FLEET, NGINX, OPENSSL, digest, seed

from pratique.recommendations.types import recommendation_id

OPENSSL_PAGE = f"/recommendations/{recommendation_id(OPENSSL.action)}"
PAGES = (
    "/recommendations", OPENSSL_PAGE, "/help/risk", "/repositories", "/r/team/web", f"/r/team/web/-/{digest(1)}",
    f"/r/team/shop/-/{digest(3)}", "/advisories", "/exemptions", "/exemptions/new", "/jobs", "/account",
)  # fmt: skip
AXE = Path(__file__).parents[3] / "console" / "node_modules" / "axe-core" / "axe.min.js"


def test_no_page_breaks_the_policy_or_is_wider_than_a_telephone(full: Running, visit: Open) -> None:
    page = visit("/recommendations", viewport={"width": 360, "height": 740})
    for path in PAGES:
        page.goto(path)
        width = page.evaluate("document.scrollingElement.scrollWidth")
        assert width <= 360, path
    page.goto("/")
    expect(page).to_have_url(re.compile("/recommendations$"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(full: Running, visit: Open, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed")
    page = visit("/recommendations", color_scheme=scheme)
    source, found = AXE.read_text(), {}
    for path in (*PAGES, "/sign-in/link"):
        page.goto(path)
        page.evaluate(source)
        answer = page.evaluate("axe.run({ resultTypes: ['violations'] })")
        found |= {f"{path}: {each['id']}": [node["html"] for node in each["nodes"]] for each in answer["violations"]}
    assert found == {}


def test_a_filter_changes_the_list_and_the_address_without_a_new_page(full: Running, visit: Open) -> None:
    page = visit("/recommendations")
    page.evaluate("window.same = true")
    page.get_by_label("Search").fill("django")
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=django"))
    page.get_by_label("Search").fill("")
    page.locator("label.chip", has_text="Exploited").click()
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator("[data-row]")).to_contain_text("nginx")
    expect(page).to_have_url(re.compile("exploited=yes"))
    assert page.evaluate("window.same")
    page.reload()
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator("input[name=exploited]")).to_be_checked()
    page.get_by_role("link", name="Clear").click()
    expect(page.locator("[data-row]")).to_have_count(9)
    page.go_back()
    expect(page.locator("[data-row]")).to_have_count(1)


def test_the_list_follows_a_scan_and_keeps_the_place(full: Running, visit: Open) -> None:
    page = visit("/recommendations")
    expect(page.locator("html")).to_have_attribute("data-stream", "on")
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = page.evaluate("document.activeElement.textContent")
    page.evaluate("window.same = true")
    expect(page.locator("[data-row]")).to_have_count(9)
    seed(full.database, (("registry/team/web", 1, FLEET[0][2][1:]), ("registry/team/new", 7, (NGINX,))))
    expect(page.locator("[data-row]", has_text="nginx").locator("[data-label]")).to_have_count(1)
    expect(page.locator(".summary")).to_contain_text("1 of 6 repositories", timeout=10_000)
    assert page.evaluate("window.same")
    assert page.evaluate("document.activeElement.textContent") == focused
    seed(full.database, (("registry/team/new", 7, ()),))
    expect(page.locator("[data-row]")).to_have_count(8)


def test_an_image_page_follows_its_gate(full: Running, visit: Open) -> None:
    from dataclasses import replace

    page = visit(f"/r/team/web/-/{digest(1)}")
    expect(page.locator(".gate")).to_contain_text("Refused")
    expect(page.locator("html")).to_have_attribute("data-stream", "on")
    known = full.images.known["team/web", digest(1)]
    full.images.add(replace(known, gate="open", summary="", remedy=""))
    seed(full.database, (("registry/team/web", 1, ()),))
    expect(page.locator(".gate")).to_contain_text("Open: can be pulled")
    expect(page.locator(".gate")).not_to_contain_text("Refused")


def test_keys(full: Running, visit: Open) -> None:
    page = visit("/recommendations")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator("[data-row]").first.locator("a[data-open]")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("jk/?")
    expect(page.get_by_label("Search")).to_have_value("jk/?")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("dialog[data-keys]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[data-keys]")).to_be_hidden()
    page.goto("/recommendations")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Update nginx in Debian 12 images")


def test_pages_work_without_scripts(full: Running, visit: Open) -> None:
    page = visit("/recommendations", java_script_enabled=False)
    assert page.locator("[data-row]").count() == 9
    page.locator("input[name=q]").fill("openssl")
    page.locator("label.chip", has_text="Critical").click()
    page.get_by_role("button", name="Apply").click()
    assert page.locator("[data-row]").count() == 1
    assert "severity=critical" in page.url
    page.locator("[data-row] a").first.click()
    assert page.locator("h1").text_content() == "Update openssl in Debian 12 images"
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("link", name="Advisory data").first.click()
    page.get_by_role("button", name="Fetch now").click()
    assert full.feeds.asked


def test_the_theme_changes_at_once_and_stays(full: Running, visit: Open) -> None:
    page = visit("/jobs", color_scheme="light")
    page.evaluate("window.same = true")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("window.same")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_feeds_are_fetched_and_followed(full: Running, visit: Open) -> None:
    from dataclasses import replace

    page = visit("/advisories")
    page.get_by_role("button", name="Fetch now").click()
    expect(page.locator("progress")).to_have_count(3)
    full.feeds.feeds = [replace(feed, fetching=False) for feed in full.feeds.feeds]
    expect(page.locator("progress")).to_have_count(0)


def test_a_line_is_copied(full: Running, visit: Open) -> None:
    page = visit(OPENSSL_PAGE, permissions=["clipboard-read", "clipboard-write"])
    page.locator(".code .copy").first.click()
    expect(page.locator(".code .copy").first).to_have_text("Copied")
    assert "--only-upgrade libssl3" in page.evaluate("navigator.clipboard.readText()")


def test_evidence_opens_and_proves(full: Running, visit: Open) -> None:
    page = visit(OPENSSL_PAGE)
    page.locator(".evidence summary").first.click()
    proof = page.locator(".evidence .proof").first
    expect(proof).to_contain_text("3.0.11-1 < 3.0.15-1~deb12u1 (dpkg order)")
    expect(proof).to_contain_text("2026-11-22")
    expect(proof.get_by_role("link", name="https://security-tracker")).to_have_attribute("rel", "noreferrer noopener")


def test_a_one_time_link_leads_in_and_leaves_the_address(served: Running, visit: Open) -> None:
    link = served.database.write(served.identity.links.first)
    assert link is not None
    page = visit(f"/sign-in/link#{link.secret}", signed_in=False)
    expect(page).to_have_url(re.compile("/sign-in/link$"))
    page.get_by_role("button", name="Use the link").click()
    key = page.locator(".qr .copied").text_content().replace(" ", "")
    page.get_by_label("New password").fill("correct horse battery")
    page.get_by_label("The code that the app shows").fill(pyotp.TOTP(key).now())
    page.get_by_role("button", name="Finish and sign in").click()
    expect(page.locator("h1")).to_have_text("Recommendations")
    page.goto("/account")
    expect(page.locator("tbody tr")).to_contain_text("this one")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status").first).to_contain_text("signed out")


def test_a_passkey_is_registered_and_signs_in(served: Running, visit: Open) -> None:
    link = served.database.write(served.identity.links.first)
    assert link is not None
    page = visit(f"/sign-in/link#{link.secret}", signed_in=False)
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }})  # fmt: skip
    page.get_by_role("button", name="Use the link").click()
    page.get_by_role("button", name="Register a passkey").click()
    expect(page.locator("h1")).to_have_text("Recommendations")
    page.get_by_role("button", name="Sign out").click()
    page.goto("/sign-in?next=/jobs")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator("h1")).to_have_text("Background work")
    page.goto("/account")
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": {
        "protocol": "ctap2", "transport": "usb", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }})  # fmt: skip
    page.get_by_label("Name of a further passkey").fill("security key")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("table").nth(1).locator("tbody tr")).to_have_count(2)
    expect(page.locator("table").nth(1)).to_contain_text("security key")


def test_a_session_has_a_bounded_number_of_streams(full: Running, visit: Open) -> None:
    page = visit("/help/risk")
    statuses = page.evaluate(
        """async () => {
          const opened = [], statuses = [];
          for (let each = 0; each < 5; each++) opened.push(new EventSource("/live"));
          await Promise.all(opened.map((one) => new Promise((done) => { one.onopen = done; one.onerror = done; })));
          statuses.push(...opened.map((one) => one.readyState));
          opened.forEach((one) => one.close());
          return statuses;
        }"""
    )
    assert statuses == [1, 1, 1, 1, 1]


def test_the_history_of_the_score_is_drawn(full: Running, visit: Open) -> None:
    from pratique.core.clock import DAY
    from pratique.core.database import Transaction
    from pratique.recommendations.tables import COUNTS, recommendation_days

    def remember(tx: Transaction) -> None:
        for day in range(30):
            row = {
                "day": str(tx.now // DAY - 30 + day),
                "score": 40.0 + day,
                "repositories": 5,
                **dict.fromkeys(COUNTS, day),
            }
            tx.execute(recommendation_days.insert().values(**row))

    full.database.write(remember)
    page = visit("/score")
    expect(page.locator("tbody tr")).to_have_count(30)
    expect(page.locator(".u-wrap canvas")).to_be_visible()
    assert page.locator(".u-wrap canvas").evaluate("canvas => canvas.width") > 300
