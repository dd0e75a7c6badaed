"""A first start without a network is useful, and says how far it is to be trusted."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pratique.advisories.bundle.archive import open_bundle
from pratique.advisories.fetch import FeedClient
from pratique.advisories.service import AdvisoryStore, sync
from pratique.advisories.starter.load import BUNDLE
from pratique.advisories.types import FeedState, Severity
from tests.advisories.feed_server import FeedServer
from tests.advisories.samples import deb, npm, put_small_world, pypi


@pytest.fixture
def first_start(tmp_path: Path) -> Iterator[AdvisoryStore]:
    opened = AdvisoryStore.open(tmp_path / "advisories")
    yield opened
    opened.close()


def test_the_bundle_is_small_and_labelled() -> None:
    assert BUNDLE.stat().st_size < 1_000_000
    description = open_bundle(BUNDLE).description
    assert description.kind == "starter"
    assert all(entry.starter for entry in description.feeds.values())


def test_the_demos_findings_are_known_offline(first_start: AdvisoryStore) -> None:
    report = first_start.match([deb("nginx", "1.22.1-9+deb12u9"), pypi("Django", "3.2.0"), npm("minimist", "1.2.0")])
    found = {match.vulnerability: match for match in report.affected}
    assert found["CVE-2023-44487"].exploited
    assert found["CVE-2021-44906"].severity is Severity.CRITICAL
    assert any(match.package.name == "Django" for match in report.affected)
    assert all(item.starter for match in report.affected for item in match.evidence)
    assert report.coverage_ratio == 1.0


def test_what_the_starter_does_not_cover_is_not_clean(first_start: AdvisoryStore) -> None:
    report = first_start.match([npm("left-pad", "1.0.0"), pypi("unheard-of", "1")])
    assert [(item.assessed, item.code) for item in report.coverage] == [(False, "no-data")] * 2
    assert {item.name for item in report.needed} >= {"osv-npm", "osv-pypi"}
    assert all(item.present for item in report.needed)


def test_packages_that_only_the_suite_covers_say_so(first_start: AdvisoryStore) -> None:
    item = first_start.match([deb("adduser", "3.134")]).coverage[0]
    assert (item.assessed, item.code) == (True, "suite-only")
    assert "pending updates" in item.reason


def test_every_feed_is_shown_as_starter(first_start: AdvisoryStore) -> None:
    states = {item.name: item.state for item in first_start.feeds()}
    assert states["kev"] is FeedState.STARTER
    assert states["alpine"] is FeedState.ABSENT


def test_fetched_data_takes_the_place_of_the_starters(
    first_start: AdvisoryStore, server: FeedServer, client: FeedClient
) -> None:
    put_small_world(server)
    before = first_start.revision
    sync(first_start, ["osv-npm"], client)
    assert first_start.changes(before).everything
    report = first_start.match([npm("left-pad", "1.0.0"), pypi("django", "3.2")])
    assert report.coverage[0].assessed
    assert any(match.aliases[-1].startswith("PYSEC") for match in report.affected), "the starter's aliases still join"


def test_a_second_process_finds_it_unpacked_and_an_old_one_is_removed(tmp_path: Path) -> None:
    first = AdvisoryStore.open(tmp_path)
    (folder,) = tmp_path.glob("starter-*")
    shutil.copytree(folder, tmp_path / "starter-000000000000")
    stamp = folder.stat().st_mtime_ns
    second = AdvisoryStore.open(tmp_path)
    assert folder.stat().st_mtime_ns == stamp
    first.close()
    second.close()


def test_without_a_starter_there_is_nothing(tmp_path: Path) -> None:
    store = AdvisoryStore.open(tmp_path, starter=False)
    assert {item.state for item in store.feeds()} == {FeedState.ABSENT}
    store.close()
