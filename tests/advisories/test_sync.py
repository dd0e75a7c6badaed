"""A sync renews each feed on its own; whatever one source does, the others and the old data stay."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pratique.advisories.errors import UnknownFeed
from pratique.advisories.fetch import FeedClient
from pratique.advisories.service import AdvisoryStore, sync
from pratique.advisories.types import FeedState, PackageKey
from pratique.core.clock import SECOND, FakeClock
from pratique.core.errors import Locked
from tests.advisories import samples
from tests.advisories.conftest import SOURCES, Renew, outcome
from tests.advisories.feed_server import Fault, FeedServer
from tests.advisories.samples import deb, debian, fixed, npm, osv, put_osv, pypi


def many(count: int) -> dict[str, dict[str, Any]]:
    return {f"source{number}": {f"CVE-2024-{number}": {"bookworm": fixed("2.0-1")}} for number in range(count)}


def test_a_second_sync_asks_and_changes_nothing(world: AdvisoryStore, renew: Renew, server: FeedServer) -> None:
    before = world.revision
    server.asked.clear()
    report = renew()
    assert {item.outcome for item in report.outcomes} == {"unchanged"}
    assert (report.before, report.after) == (before, before)
    assert sum(item.downloaded for item in report.outcomes) == 0
    assert all("if-none-match" in headers for path, headers in server.asked if path in server.contents)


def test_new_content_behind_an_old_etag_is_seen_when_forced(
    world: AdvisoryStore, renew: Renew, server: FeedServer
) -> None:
    server.put(samples.DEBIAN, debian({"openssl": {"CVE-2025-1": {"bookworm": fixed("9")}}}))
    server.fail(samples.DEBIAN, Fault(always_304=True, times=1))
    assert outcome(renew("debian"), "debian").outcome == "unchanged"
    assert outcome(renew("debian", force=True), "debian").outcome == "updated"


def test_the_same_content_under_a_new_etag_is_no_change(world: AdvisoryStore, renew: Renew, server: FeedServer) -> None:
    server.fail(samples.KEV, Fault(etag='"new"', times=1))
    assert outcome(renew("kev"), "kev").outcome == "unchanged"


@pytest.mark.parametrize("feed", SOURCES)
@pytest.mark.parametrize(
    "fault",
    [Fault(status=503, times=99), Fault(truncate=10, times=99, weak=True), Fault(status=404, times=99)],
    ids=["503", "truncated", "gone"],
)
def test_a_broken_feed_spoils_no_other_and_keeps_its_data(
    server: FeedServer, world: AdvisoryStore, renew: Renew, feed: str, fault: Fault
) -> None:
    host = {
        "kev": "cisa",
        "debian": "debian",
        "alpine": "alpine",
        "epss": "epss",
        "osv-pypi": "PyPI",
        "osv-npm": "npm",
        "nvd": "nvd",
    }[feed]
    for path in server.contents:
        if host in path:
            server.contents[path] += b" "
            server.faults[path] = Fault(**vars(fault))
    before = {item.name: item.records for item in world.feeds()}
    report = renew()
    assert outcome(report, feed).outcome == "failed"
    assert outcome(report, feed).remedy
    assert {item.outcome for item in report.outcomes if item.feed != feed} == {"unchanged"}
    after = {item.name: item for item in world.feeds()}
    assert {name: item.records for name, item in after.items()} == before
    assert after[feed].state is FeedState.FAILED
    assert after[feed].error
    server.faults.clear()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"openssl": 1}',
        b"null",
        b"<html>",
        b"\xff\xfe",
        b'{"a": {"CVE-1": {"releases": {"bookworm": 7}}}}',
    ],
)
def test_what_is_not_the_tracker_is_refused(
    world: AdvisoryStore, renew: Renew, server: FeedServer, content: bytes
) -> None:
    server.put(samples.DEBIAN, content)
    result = outcome(renew("debian"), "debian")
    assert result.outcome == "failed"
    assert world.match([deb("openssl", "3.0.11-1")]).affected


def test_a_drifted_schema_is_refused_and_a_few_bad_records_are_counted(
    renew: Renew, server: FeedServer, store: AdvisoryStore
) -> None:
    records = many(400)
    document = json.loads(debian(records))
    for number in range(10):
        document[f"source{number}"] = {"CVE-2024-1": {"releases": "changed"}}
    server.put(samples.DEBIAN, json.dumps(document).encode())
    assert outcome(renew("debian"), "debian").outcome == "updated"
    assert next(item for item in store.feeds() if item.name == "debian").unparsable == 10
    for number in range(60):
        document[f"source{number}"] = {"CVE-2024-1": {"releases": "changed"}}
    server.put(samples.DEBIAN, json.dumps(document).encode())
    result = outcome(renew("debian"), "debian")
    assert result.outcome == "failed"
    assert "could not be read" in result.error


def test_a_feed_that_shrank_absurdly_is_refused_until_it_is_accepted(
    renew: Renew, server: FeedServer, store: AdvisoryStore
) -> None:
    server.put(samples.DEBIAN, debian(many(400)))
    renew("debian")
    server.put(samples.DEBIAN, debian(many(100)))
    result = outcome(renew("debian"), "debian")
    assert "shrank from 400 to 100" in result.error
    assert "--accept-shrink" in result.remedy
    assert outcome(renew("debian", accept_shrink=True), "debian").records == 100


def test_a_bomb_in_a_feed_is_refused(renew: Renew, server: FeedServer) -> None:
    server.put(samples.EPSS, gzip.compress(bytes(300 << 20), compresslevel=9))
    assert "unpacks to more than" in outcome(renew("epss"), "epss").error


def test_hostile_osv_records_are_counted_and_the_rest_is_read(
    renew: Renew, server: FeedServer, store: AdvisoryStore
) -> None:
    put_osv(
        server,
        "npm",
        osv("GHSA-1", "good", [{"introduced": "0"}], ecosystem="npm"),
        {"id": "GHSA-2", "modified": "2020", "affected": "no list"},
        {
            "id": "GHSA-3",
            "modified": "2020",
            "affected": [
                {"package": {"ecosystem": "npm", "name": "deep"}, "database_specific": {"a": "x" * (17 << 20)}}
            ],
        },
    )
    result = outcome(renew("osv-npm"), "osv-npm")
    assert result.outcome == "updated", result.error
    assert store.match([npm("good", "1.0.0")]).affected
    assert next(item for item in store.feeds() if item.name == "osv-npm").unparsable == 2


def test_duplicate_ids_leave_one_record(renew: Renew, server: FeedServer, store: AdvisoryStore) -> None:
    first = osv("GHSA-1", "x", [{"introduced": "0"}, {"fixed": "1.0.0"}], ecosystem="npm")
    second = osv("GHSA-1", "x", [{"introduced": "0"}, {"fixed": "2.0.0"}], ecosystem="npm")
    with pytest.warns(UserWarning, match="Duplicate name"):
        put_osv(server, "npm", first, second)
    renew("osv-npm")
    matches = store.match([npm("x", "0.1.0")]).affected
    assert [match.fixed_version for match in matches] == ["2.0.0"]


def test_changed_osv_records_are_fetched_one_by_one(renew: Renew, server: FeedServer, store: AdvisoryStore) -> None:
    old = osv("PYSEC-1", "x", [{"introduced": "0"}, {"fixed": "1.0"}], aliases=["CVE-2024-1"])
    other = osv("PYSEC-2", "x", [{"introduced": "0"}, {"fixed": "5.0"}], modified="2025-01-01T00:00:00Z")
    put_osv(server, "PyPI", old, other)
    renew("osv-pypi")
    before = store.revision
    new = osv(
        "PYSEC-1", "x", [{"introduced": "0"}, {"fixed": "2.0"}], aliases=["CVE-2024-1"], modified="2026-06-01T00:00:00Z"
    )
    put_osv(server, "PyPI", new, other)
    server.put(f"{samples.OSV}PyPI/PYSEC-1.json", json.dumps(new).encode())
    server.asked.clear()
    renew("osv-pypi")
    assert not server.requests("all.zip")
    found = {match.vulnerability: match.fixed_version for match in store.match([pypi("x", "0.5")]).affected}
    assert found == {"CVE-2024-1": "2.0", "PYSEC-2": "5.0"}
    assert store.changes(before, store.revision).packages == {PackageKey("pypi", "x")}


def test_a_changed_record_that_cannot_be_had_alone_brings_the_whole_archive(
    renew: Renew, server: FeedServer, store: AdvisoryStore
) -> None:
    put_osv(server, "PyPI", osv("PYSEC-1", "x", [{"introduced": "0"}, {"fixed": "1.0"}]))
    renew("osv-pypi")
    put_osv(
        server, "PyPI", osv("PYSEC-1", "x", [{"introduced": "0"}, {"fixed": "2.0"}], modified="2026-06-01T00:00:00Z")
    )
    server.asked.clear()
    assert outcome(renew("osv-pypi"), "osv-pypi").outcome == "updated"
    assert server.requests("all.zip")
    assert store.match([pypi("x", "0.5")]).affected[0].fixed_version == "2.0"


def test_after_a_full_fetch_nvd_is_asked_for_recent_changes_only(
    world: AdvisoryStore, renew: Renew, server: FeedServer
) -> None:
    recent = samples.nvd({"CVE-2024-0001": (5.0, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N")})
    samples.put_nvd(server, "modified", recent)
    server.asked.clear()
    before = world.revision
    assert outcome(renew("nvd"), "nvd").changed == 1
    assert len(server.requests("nvdcve")) == 2
    assert PackageKey("debian", "openssl") in world.changes(before, world.revision).packages
    assert world.match([deb("openssl", "3.0.11-1")]).affected[0].ratings[0].score == 5.0


def test_nvd_content_that_is_not_what_its_meta_names_is_refused(renew: Renew, server: FeedServer) -> None:
    samples.put_nvd(server, "2024", samples.nvd({"CVE-2024-1": (5.0, "")}))
    server.put(f"{samples.NVD}2024.json.gz", gzip.compress(samples.nvd({"CVE-2024-1": (9.0, "")})))
    assert "that its .meta names" in outcome(renew("nvd"), "nvd").error


def test_a_cancelled_sync_keeps_what_was_done(server: FeedServer, store: AdvisoryStore, client: FeedClient) -> None:
    samples.put_small_world(server)
    report = sync(store, SOURCES, client, None, lambda: bool(server.requests("security-tracker")))
    kinds = [item.outcome for item in report.outcomes]
    assert kinds[0] == "updated"
    assert set(kinds[2:]) == {"cancelled"}
    assert sync(store, SOURCES, client).ok


def test_unknown_feeds_are_named(renew: Renew) -> None:
    with pytest.raises(UnknownFeed, match="nonsense") as caught:
        renew("nonsense")
    assert "osv-pypi" in caught.value.remedy


def test_only_one_process_writes(store: AdvisoryStore, renew: Renew) -> None:
    import fcntl

    with (store.directory / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(Locked):
            renew("kev")


def test_old_data_is_called_stale_and_stays(world: AdvisoryStore, clock: FakeClock) -> None:
    clock.advance(10 * 86_400)
    states = {item.name: item.state for item in world.feeds() if item.records}
    assert set(states.values()) == {FeedState.STALE}
    assert world.match([deb("openssl", "3.0.11-1")]).affected
    assert {item.name for item in world.match([deb("openssl", "3.0.11-1")]).needed} >= {"debian"}


def test_a_lost_state_file_costs_one_download(world: AdvisoryStore, renew: Renew) -> None:
    (world.directory / "states" / "debian.json").unlink()
    result = outcome(renew("debian"), "debian")
    assert (result.outcome, result.downloaded > 0) == ("unchanged", True)


def test_a_damaged_data_file_is_said_and_mended_by_a_sync(
    world: AdvisoryStore, renew: Renew, client: FeedClient, tmp_path: Path
) -> None:
    damaged = next((world.directory / "files").glob("debian-*.db"))
    damaged.unlink()
    damaged.write_bytes(b"not a database")
    hurt = AdvisoryStore.open(world.directory, starter=False)
    status = next(item for item in hurt.feeds() if item.name == "debian")
    assert status.state is FeedState.FAILED
    assert "sync" in status.detail["remedy"]
    assert hurt.match([deb("openssl", "3.0.11-1")]).coverage[0].code == "no-data"
    assert hurt.match([npm("minimist", "1.2.0")]).affected
    hurt.close()
    renew("debian")
    reopened = AdvisoryStore.open(world.directory, starter=False)
    assert reopened.match([deb("openssl", "3.0.11-1")]).affected
    reopened.close()


def test_each_feed_carries_the_date_of_its_data_and_not_of_the_fetch(world: AdvisoryStore, clock: FakeClock) -> None:
    dates = {item.name: item.data_date for item in world.feeds()}
    assert dates["kev"] == 1_756_141_459 * SECOND  # dateReleased
    assert dates["epss"] == 1_795_132_800 * SECOND  # score_date
    assert dates["nvd"] == 1_795_150_800 * SECOND  # lastModifiedDate
    assert dates["osv-pypi"] == 1_767_225_600 * SECOND  # the newest line of modified_id.csv
