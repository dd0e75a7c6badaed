"""A server under a domain of its own, with the real product and a browser: each role has its host, and links lead there."""

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from tests.e2e.conftest import Installation, start
from tests.e2e.console.conftest import FLAGS

DOMAIN = "pratique.example"
PASSWORD = "a long password for an own domain"


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = start(tmp_path_factory.mktemp("domain"), PRATIQUE_SERVER__DOMAIN=DOMAIN)
    yield made
    made.run("down")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium that finds every host of the domain here; nothing else resolves."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    rules = f"--host-resolver-rules=MAP {DOMAIN} 127.0.0.1, MAP *.{DOMAIN} 127.0.0.1, MAP * ~NOTFOUND"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=[*FLAGS, rules])
        yield launched
        launched.close()


def test_a_sign_in_link_leads_to_the_console_s_own_host_and_pages_load_there(
    installation: Installation, browser: Any
) -> None:
    from playwright.sync_api import expect

    console = f"https://console.{DOMAIN}:{installation.port}"
    assert f"address  {console}" in installation.ok("up")
    link = json.loads(installation.ok("admin", "link", "-o", "json"))["url"]
    assert link.startswith(f"{console}/")
    complaints: list[str] = []
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.set_default_timeout(20_000)
    page.goto(link)
    sign_up(page, expect)
    for path in ("/recommendations", "/repositories", "/advisories", "/exemptions", "/jobs", "/account"):
        answer = page.goto(f"{console}{path}")
        assert answer.status == 200, path
        assert page.url.startswith(f"{console}{path}")
        expect(page.locator("h1")).to_be_visible()
    assert {cookie["domain"] for cookie in context.cookies()} == {f"console.{DOMAIN}"}
    context.close()
    assert complaints == []


def sign_up(page: Any, expect: Any) -> None:
    """Go through the pages of a first sign-in: password and code."""
    page.get_by_role("button", name="Use the link").click()
    key = (page.locator(".qr .copied").text_content() or "").replace(" ", "")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The code that the app shows").fill(pyotp.TOTP(key).now())
    page.get_by_role("button", name="Finish and sign in").click()
    expect(page.locator("h1")).to_have_text("Recommendations")
