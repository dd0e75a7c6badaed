"""The pages of content in Chromium: no report, no wider than a telephone, accessible, usable without scripts."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.console.serving import Running
from tests.console.test_content_pages import Pushed, paths, populate
from tests.e2e.console.conftest import Open

AXE = Path(__file__).parents[3] / "console" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = os.environ.get("PRATIQUE_PICTURES", "")


def prepared(served: Running) -> Pushed:
    """Playwright keeps an event loop in the thread of the test, so what needs its own runs in another."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(populate, served).result()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_are_accessible(served: Running, visit: Open, scheme: str) -> None:
    pushed = prepared(served)
    served.records.delete("latest")
    page = visit("/repositories", viewport={"width": 360, "height": 740}, color_scheme=scheme)
    found: dict[str, list[str]] = {}
    for number, path in enumerate(paths(pushed)):
        page.goto(path)
        for details in page.locator("details.pulls summary").all():
            details.click()
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 360, path
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{scheme}-{number}.png", full_page=True)
        if AXE.exists():
            page.evaluate(AXE.read_text())
            answer = page.evaluate("axe.run({ resultTypes: ['violations'] })")
            found |= {
                f"{path}: {each['id']}": [node["html"] for node in each["nodes"]] for each in answer["violations"]
            }
    assert found == {}
    if PICTURES:
        page.set_viewport_size({"width": 1280, "height": 900})
        for number, path in enumerate(paths(pushed)):
            page.goto(path)
            page.screenshot(path=f"{PICTURES}/{scheme}-wide-{number}.png", full_page=True)


def test_a_tag_is_locked_deleted_and_restored_without_scripts_and_by_keyboard(served: Running, visit: Open) -> None:
    pushed = prepared(served)
    page = visit(f"/r/team/app/-/{pushed.image}", java_script_enabled=False)
    form = page.locator("form", has_text="on latest")
    form.get_by_label("deletion").uncheck()
    form.get_by_role("button", name="Set locks").press("Enter")
    page.goto("/r/team/app")
    expect(page.locator("tr", has_text="latest").first).to_contain_text("no delete")
    page.get_by_label("Delete the tag v1").press("Enter")
    expect(page.get_by_role("heading", name="the image stays")).to_be_visible()
    page.get_by_role("button", name="Delete").press("Enter")
    expect(page.get_by_label("Delete the tag v1")).to_have_count(0)
    page.get_by_role("link", name="Deleted").press("Enter")
    page.get_by_role("button", name="Restore").press("Enter")
    page.goto("/r/team/app")
    expect(page.get_by_label("Delete the tag v1")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_upkeep_fit_and_are_accessible(served: Running, visit: Open, scheme: str) -> None:
    prepared(served)
    page = visit("/retention", viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for label, text in (("Tags", "v*"), ("Keep the newest", "1")):
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name="Add and preview").click()
    preview = page.url.removeprefix(served.url)
    page.goto("/caches")
    page.get_by_label("Prefix here").fill("hub")
    page.get_by_label("Other registry").fill("docker.io")
    page.get_by_role("button", name="Create").click()
    page.goto("/immutability")
    page.get_by_label("Tags").fill("stable")
    page.get_by_role("button", name="Protect").click()
    page.goto("/collections")
    page.get_by_role("button", name="Dry run").click()
    page.goto("/webhooks")
    page.get_by_label("Name").fill("bot")
    page.get_by_label("Address").fill("https://hooks.example/in")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("whsec_")).to_be_visible()
    page.goto("/webhooks")
    hook = page.get_by_role("link", name="bot").get_attribute("href")
    found: dict[str, list[str]] = {}
    shown = (
        preview,
        "/retention",
        "/caches",
        "/immutability",
        "/collections",
        "/webhooks",
        hook,
        f"{hook}/delete",
        "/events",
    )
    for number, path in enumerate(shown):
        page.goto(path)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 360, path
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{scheme}-upkeep-{number}.png", full_page=True)
        if AXE.exists():
            page.evaluate(AXE.read_text())
            answer = page.evaluate("axe.run({ resultTypes: ['violations'] })")
            found |= {
                f"{path}: {each['id']}": [node["html"] for node in each["nodes"]] for each in answer["violations"]
            }
    assert found == {}
    if PICTURES:
        page.set_viewport_size({"width": 1280, "height": 900})
        for number, path in enumerate(shown):
            page.goto(path)
            page.screenshot(path=f"{PICTURES}/{scheme}-upkeep-wide-{number}.png", full_page=True)
