"""Sign-in of programs in Chromium: with a typed code and by a link; by keyboard; narrow, light and dark."""

import asyncio
import os
import re
import secrets
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect
from tests.console.serving import Running
from tests.console.test_terminals import WANT, asked
from tests.e2e.console.conftest import Open

from pratique.identity.oauth.requests import GrantRequest, Place

AXE = Path(__file__).parents[3] / "console" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = os.environ.get("PRATIQUE_PICTURES", "")


def begin(served: Running) -> str:
    request = GrantRequest(
        Place("https://localhost", "common"), {"client_id": "pratique"}, address="203.0.113.9", agent="terminal/1"
    )

    async def made() -> str:
        return (await served.identity.machines.devices.begin(request, WANT)).user_code

    # Playwright keeps a loop in this thread; the code is made in another.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(made())).result(10)


def look(page: object, name: str) -> None:
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 360, name  # type: ignore[attr-defined]
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)  # type: ignore[attr-defined]
    if AXE.exists():
        page.evaluate(AXE.read_text())  # type: ignore[attr-defined]
        assert page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"] == [], name  # type: ignore[attr-defined]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_code_is_typed_and_approved(served: Running, visit: Open, scheme: str) -> None:
    page = visit("/device", viewport={"width": 360, "height": 740}, color_scheme=scheme)
    look(page, f"{scheme}-device")
    code = begin(served)
    page.get_by_label("Code").fill(f"{code[:4]}-{code[4:]}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Is this you?")).to_be_visible()
    look(page, f"{scheme}-confirm")
    page.get_by_role("button", name="Yes, I started it").press("Enter")
    expect(page.get_by_role("heading", name="Signed in")).to_be_visible()
    look(page, f"{scheme}-done")
    page.goto("/account/programs")
    look(page, f"{scheme}-programs")


def test_a_program_of_this_machine_gets_its_answer_by_a_link(served: Running, visit: Open) -> None:
    address = "/authorize?" + urlencode(asked(secrets.token_urlsafe(48)))
    page = visit(address, viewport={"width": 360, "height": 740})
    look(page, "authorize")
    page.get_by_role("button", name="Yes, I started it").press("Enter")
    link = page.get_by_role("link", name="Back to the program")
    expect(link).to_have_attribute("href", re.compile(r"^http://localhost:8400\?code=[\w-]+&state=s1$"))
