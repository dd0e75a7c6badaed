"""The pages about access in Chromium: no report, no wider than a telephone, accessible, usable without scripts."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.console.serving import Running
from tests.console.test_access_pages import HOSTILE, PAGES, populate
from tests.e2e.console.conftest import Open

AXE = Path(__file__).parents[3] / "console" / "node_modules" / "axe-core" / "axe.min.js"
SHOWN = [path for path in PAGES if path != "/principals/ada"]
PICTURES = os.environ.get("PRATIQUE_PICTURES", "")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_are_accessible(served: Running, visit: Open, scheme: str) -> None:
    populate(served)
    page = visit("/people", viewport={"width": 360, "height": 740}, color_scheme=scheme)
    found: dict[str, list[str]] = {}
    for path in SHOWN:
        page.goto(path)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 360, path
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{scheme}-{path.strip('/').replace('/', '-')[:20]}.png", full_page=True)
        if AXE.exists():
            page.evaluate(AXE.read_text())
            answer = page.evaluate("axe.run({ resultTypes: ['violations'] })")
            found |= {
                f"{path}: {each['id']}": [node["html"] for node in each["nodes"]] for each in answer["violations"]
            }
    assert found == {}


def test_a_group_is_made_without_scripts_and_by_keyboard(served: Running, visit: Open) -> None:
    populate(served)
    page = visit("/groups", java_script_enabled=False)
    page.get_by_label("Name").fill("pushers")
    page.get_by_label("What for").fill(HOSTILE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="pushers")).to_be_visible()
    page.get_by_label("Name").fill("builder")
    page.get_by_role("button", name="Add").press("Enter")
    expect(page.get_by_role("link", name="builder")).to_be_visible()
