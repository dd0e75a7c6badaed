import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pratique.advisories.fetch import FeedClient, FetchLimits
from pratique.advisories.service import AdvisoryStore, sync
from pratique.advisories.types import FeedOutcome, SyncReport
from pratique.core.clock import FakeClock
from tests.advisories.feed_server import FeedServer
from tests.advisories.samples import put_small_world

SOURCES = ("kev", "debian", "alpine", "epss", "osv-pypi", "osv-npm", "nvd")


@pytest.fixture
def server() -> Iterator[FeedServer]:
    running = FeedServer()
    yield running
    running.stop()


@pytest.fixture
def client(server: FeedServer) -> Iterator[FeedClient]:
    """Asks the loopback server as its mirror; pauses take no time."""
    limits = FetchLimits(max_bytes=8 << 20, unpacked_bytes=32 << 20, read_seconds=2.0, total_seconds=30.0)
    with FeedClient(mirror=server.url, limits=limits, sleep=lambda _seconds: None) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[AdvisoryStore]:
    opened = AdvisoryStore.open(tmp_path / "advisories", starter=False, clock=clock)
    yield opened
    opened.close()


Renew = Callable[..., SyncReport]


@pytest.fixture
def renew(store: AdvisoryStore, client: FeedClient) -> Renew:
    """Sync the named feeds (all that the sample world has, for no names)."""
    return lambda *names, **more: sync(store, names or SOURCES, client, **more)


@pytest.fixture(scope="session")
def built_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store with a little of every feed, made once."""
    folder = tmp_path_factory.mktemp("world") / "advisories"
    source = FeedServer()
    put_small_world(source)
    opened = AdvisoryStore.open(folder, starter=False, clock=FakeClock())
    with FeedClient(mirror=source.url, sleep=lambda _seconds: None) as asking:
        report = sync(opened, SOURCES, asking)
    assert [item for item in report.outcomes if item.outcome != "updated"] == []
    opened.close()
    source.stop()
    return folder


@pytest.fixture
def world(built_world: Path, server: FeedServer, store: AdvisoryStore) -> AdvisoryStore:
    """A store with a little of every feed, and the source that it came from."""
    put_small_world(server)
    shutil.copytree(built_world, store.directory, dirs_exist_ok=True)
    assert store.refresh()
    return store


def outcome(report: SyncReport, feed: str) -> FeedOutcome:
    return next(item for item in report.outcomes if item.feed == feed)
