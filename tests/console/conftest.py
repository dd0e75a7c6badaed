from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.console.serving import Running, console
from tests.console.sources import feeds, populate
from tests.recommendations.seeding import seed

from pratique.core.clock import FakeClock


@pytest.fixture
def running(state_dir: Path, clock: FakeClock) -> Iterator[Running]:
    with console(state_dir, clock) as running:
        yield running


@pytest.fixture
def full(running: Running, clock: FakeClock) -> Running:
    """A console over the seeded fleet."""
    seed(running.database)
    populate(running.images)
    running.feeds.feeds = feeds(clock.now())
    return running


@pytest.fixture
def client(running: Running) -> TestClient:
    """A browser without scripts, signed in as an owner."""
    return browser(running, running.session())


@pytest.fixture
def stranger(running: Running) -> TestClient:
    """A browser that is not signed in."""
    return browser(running, {})


def browser(running: Running, cookies: dict[str, str]) -> TestClient:
    return TestClient(running.pipeline, base_url="https://localhost", cookies=cookies, follow_redirects=False)
