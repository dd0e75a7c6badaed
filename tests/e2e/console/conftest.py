"""Chromium against the served console. Every page of every test fails on a console error or a policy report."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.console.serving import Running, serving
from tests.console.sources import feeds, populate
from tests.recommendations.seeding import seed

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
Open = Callable[..., Any]


@pytest.fixture(scope="module")  # Playwright keeps an event loop running in this thread: other modules need their own
def chromium() -> Iterator[Any]:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if program is None:
        message = "Chromium is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    """A console with the seeded fleet, on a port of its own."""
    with serving(tmp_path) as running:
        yield running


@pytest.fixture
def full(served: Running) -> Running:
    seed(served.database)
    populate(served.images)
    served.feeds.feeds = feeds(served.images.clock.now())
    return served


@pytest.fixture
def visit(chromium: Any, served: Running) -> Iterator[Open]:
    """Open a path in a browser of its own; what the browser complains of fails the test."""
    contexts, complaints = [], []

    def watch(page: Any) -> Any:
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: complaints.append(asked.url) if "policy-reports" in asked.url else None)
        return page

    def open_page(path: str, *, signed_in: bool = True, **options: Any) -> Any:
        context = chromium.new_context(ignore_https_errors=True, base_url=served.url, **options)
        contexts.append(context)
        if signed_in:
            cookies = served.session(f"ada{len(contexts)}")
            context.add_cookies([
                {"name": name, "value": value, "url": served.url, "secure": True, "httpOnly": True}
                for name, value in cookies.items()
            ])  # fmt: skip
        page = watch(context.new_page())
        page.set_default_timeout(10_000)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
