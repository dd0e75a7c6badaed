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
