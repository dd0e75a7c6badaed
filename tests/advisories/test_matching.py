"""What is said about packages: three answers, with reason, fix, severity and evidence."""

import pytest

from pratique.advisories.service import AdvisoryStore
from pratique.advisories.types import Confidence, Match, MatchState, Severity
from tests.advisories import samples
from tests.advisories.conftest import Renew
from tests.advisories.feed_server import FeedServer
from tests.advisories.samples import (
    DEBIAN,
    Package,
    apk,
    deb,
    debian,
    epss,
    fixed,
    npm,
    osv,
    put_osv,
    pypi,
    secdb,
    unfixed,
)


def affected(store: AdvisoryStore, *packages: Package) -> dict[str, Match]:
    return {match.vulnerability: match for match in store.match(packages).affected}


def test_debian_is_matched_by_source_name_and_source_version(world: AdvisoryStore) -> None:
    found = affected(world, deb("libssl3", "3.0.11-1+b1", "openssl", "3.0.11-1"))
    match = found["CVE-2024-0001"]
    assert match.fixed_version == "3.0.13-1~deb12u1"
    evidence = match.evidence[0]
    assert (evidence.record, evidence.feed) == ("CVE-2024-0001", "debian")
    assert evidence.range == "< 3.0.13-1~deb12u1"
    assert evidence.comparison == "3.0.11-1 < 3.0.13-1~deb12u1 (dpkg)"
    assert evidence.data_date > 0
    assert affected(world, deb("libssl3", "3.0.11-1", "", "")) == {}


def test_the_fixed_version_and_later_ones_are_not_affected(world: AdvisoryStore) -> None:
    for version in ("3.0.13-1~deb12u1", "3.0.15-1~deb12u1"):
        report = world.match([deb("libssl3", version, "openssl", version)])
        assert "CVE-2024-0001" not in {match.vulnerability for match in report.affected}
        assert report.coverage[0].assessed


def test_an_open_vulnerability_is_affected_without_a_fix_and_says_why(world: AdvisoryStore) -> None:
    match = affected(world, deb("openssl", "3.0.99-1"))["CVE-2024-0002"]
    assert match.fixed_version == ""
    assert match.status == "no-dsa"
    assert "Minor issue" in match.reason
    assert match.unrated
    assert not match.unrated_with_fix


def test_fixed_version_zero_is_not_affected(world: AdvisoryStore) -> None:
    report = world.match([deb("openssl", "3.0.1-1", release="13")])
    assert report.matches == ()
    assert report.coverage[0].assessed


@pytest.mark.parametrize(
    ("fields", "status", "severity", "hidden"),
    [
        (unfixed(urgency="unimportant"), "unimportant", Severity.NEGLIGIBLE, True),
        (unfixed(nodsa="Later", nodsa_reason="postponed"), "postponed", Severity.UNKNOWN, False),
        (unfixed(nodsa="Too intrusive", nodsa_reason="ignored"), "ignored", Severity.UNKNOWN, False),
        (unfixed(urgency="end-of-life"), "end-of-life", Severity.UNKNOWN, False),
        (unfixed(urgency="high**"), "", Severity.HIGH, False),
    ],
)
def test_the_trackers_status_is_carried_and_shown(
    *,
    server: FeedServer,
    renew: Renew,
    store: AdvisoryStore,
    fields: dict[str, object],
    status: str,
    severity: Severity,
    hidden: bool,
) -> None:
    server.put(DEBIAN, debian({"openssl": {"CVE-2024-7": {"bookworm": fields}}}))
    renew("debian")
    match = affected(store, deb("openssl", "1.0-1"))["CVE-2024-7"]
    assert (match.status, match.severity, match.hidden) == (status, severity, hidden)


def test_undetermined_is_not_assessed_and_the_package_still_is(
    server: FeedServer, renew: Renew, store: AdvisoryStore
) -> None:
    server.put(DEBIAN, debian({"openssl": {"CVE-2024-7": {"bookworm": {"status": "undetermined"}}}}))
    renew("debian")
    report = store.match([deb("openssl", "1.0-1")])
    assert [(match.state, match.vulnerability) for match in report.matches] == [(MatchState.NOT_ASSESSED, "CVE-2024-7")]
    assert report.coverage[0].assessed


def test_a_fix_that_the_archive_does_not_have_yet_is_no_fix(
    server: FeedServer, renew: Renew, store: AdvisoryStore
) -> None:
    server.put(
        DEBIAN, debian({"openssl": {"CVE-2024-7": {"bookworm": fixed("2.0-1", repositories={"bookworm": "1.0-1"})}}})
    )
    renew("debian")
    match = affected(store, deb("openssl", "1.0-1"))["CVE-2024-7"]
    assert match.fixed_version == ""
    assert "2.0-1" in match.reason


def test_an_unreadable_version_is_not_assessed_where_a_comparison_is_needed(world: AdvisoryStore) -> None:
    report = world.match([deb("openssl", "not a version"), deb("bash", "not a version")])
    openssl, bash = report.coverage
    assert (openssl.assessed, openssl.code) == (False, "unparsable-version")
    assert bash.assessed
    states = {match.vulnerability: match.state for match in report.matches}
    assert states["CVE-2024-0001"] is MatchState.NOT_ASSESSED
    assert states["CVE-2024-0002"] is MatchState.AFFECTED  # all versions are, no comparison is needed


@pytest.mark.parametrize(
    ("package", "code"),
    [
        (deb("openssl", "1.0-1", release="9"), "unknown-release"),
        (deb("openssl", "1.0-1", release=""), "unknown-release"),
        (Package("deb", "openssl", "1.0-1"), "unknown-release"),
        (Package("deb", "openssl", "1.0-1", distro="ubuntu:22.04"), "no-feed"),
        (Package("apk", "openssl", "1.0-r1", distro="wolfi:20230201"), "no-feed"),
        (apk("openssl", "1.0-r1", release="3.2"), "unknown-release"),
        (Package("conan", "openssl", "1.0"), "unsupported"),
        (deb("docker-ce", "5:27.0-1", vendor="Docker <support@docker.com>"), "third-party"),
        (deb("postgresql-16", "16.4-1.pgdg120+1"), "third-party"),
        (deb("curl", "8.0-1~bpo12+1", vendor="Someone <a@debian.org>"), "third-party"),
    ],
)
def test_what_no_feed_speaks_of_is_not_assessed_and_says_why(world: AdvisoryStore, package: Package, code: str) -> None:
    report = world.match([package])
    assert (report.coverage[0].assessed, report.coverage[0].code) == (False, code)
    assert report.coverage[0].reason
    assert [match.state for match in report.matches] == [MatchState.NOT_ASSESSED]
    assert report.coverage_ratio == 0.0


def test_a_debian_package_with_a_private_maintainer_address_is_debians(world: AdvisoryStore) -> None:
    assert world.match([deb("openssl", "3.0.11-1", vendor="Somebody <somebody@example.org>")]).coverage[0].assessed


def test_alpine_is_matched_by_origin_and_the_repositorys_release(world: AdvisoryStore) -> None:
    package = apk("libcrypto3", "3.1.3-r0", "openssl")
    assert affected(world, package)["CVE-2024-0001"].fixed_version == "3.1.4-r0"
    assert affected(world, apk("libcrypto3", "3.1.4-r0", "openssl")) == {}
    on_edge = apk("libcrypto3", "3.1.4-r0", "openssl", repository="edge")
    assert affected(world, on_edge)["CVE-2024-0001"].fixed_version == "3.3.0-r0"
    assert affected(world, apk("nginx", "1.24.0-r6", repository="v3.19"))["CVE-2023-44487"].fixed_version == "1.24.0-r7"


def test_alpines_version_zero_is_not_affected(world: AdvisoryStore) -> None:
    assert "CVE-2024-0003" not in affected(world, apk("openssl", "0.1-r0"))


def test_alpines_least_fixed_version_counts(server: FeedServer, renew: Renew, store: AdvisoryStore) -> None:
    server.put(samples.ALPINE, b'<a href="v3.19/">')
    server.put(
        f"{samples.ALPINE}v3.19/main.json", secdb({"x": {"2.0-r1": ["CVE-2024-1 XSA-1"], "1.5-r0": ["CVE-2024-1"]}})
    )
    renew("alpine")
    assert affected(store, apk("x", "1.4-r0"))["CVE-2024-1"].fixed_version == "1.5-r0"
    assert set(affected(store, apk("x", "1.6-r0"))) == {"XSA-1"}


def test_language_packages_match_by_normalised_name_and_every_spelling_of_a_version(world: AdvisoryStore) -> None:
    results = [
        affected(world, pypi(name, version)) for name in ("Django", "django") for version in ("3.2", "3.2.0", "v3.2")
    ]
    assert all(set(found) == {"CVE-2024-1000"} for found in results)
    assert {found["CVE-2024-1000"].fixed_version for found in results} == {"3.2.5"}


def test_records_of_one_vulnerability_are_one_match_with_all_evidence(world: AdvisoryStore) -> None:
    match = affected(world, pypi("django", "3.2.1"))["CVE-2024-1000"]
    assert match.aliases == ("CVE-2024-1000", "GHSA-aaaa-bbbb-cccc", "PYSEC-2024-1")
    assert {item.record for item in match.evidence} == {"GHSA-aaaa-bbbb-cccc", "PYSEC-2024-1"}
    assert (match.severity, match.severity_source) == (Severity.HIGH, "ghsa")
    assert match.fixed_version == "3.2.5"  # the greater of what the two records say


def test_ranges_of_several_branches_name_the_fix_of_the_installed_branch(world: AdvisoryStore) -> None:
    assert affected(world, pypi("django", "2.2.1"))["CVE-2024-1000"].fixed_version == "2.2.24"
    assert affected(world, pypi("django", "3.0.1")) == {}


def test_a_listed_version_matches_outside_every_range(world: AdvisoryStore) -> None:
    match = affected(world, pypi("django", "1.0"))["CVE-2024-1000"]
    assert match.evidence[0].comparison == "1.0 is listed"
    assert match.fixed_version == "3.2.5"


def test_withdrawn_records_are_ignored(world: AdvisoryStore) -> None:
    assert affected(world, pypi("django", "4.0")) == {}


def test_last_affected_includes_its_version_and_names_no_fix(world: AdvisoryStore) -> None:
    assert affected(world, pypi("six", "1.16.0"))["CVE-2024-0009"].fixed_version == ""
    assert "CVE-2024-0009" not in affected(world, pypi("six", "1.17.0"))


def test_npm_names_and_ranges(world: AdvisoryStore) -> None:
    match = affected(world, npm("minimist", "1.2.0"))["CVE-2021-44906"]
    assert (match.fixed_version, match.severity) == ("1.2.6", Severity.CRITICAL)
    assert affected(world, npm("minimist", "1.2.6")) == {}
    assert affected(world, npm("Minimist", "1.2.0")) == {}


def test_a_distributions_copy_is_judged_by_the_distribution_where_it_speaks(world: AdvisoryStore) -> None:
    packages = [deb("python3-six", "1.16.0-4", "six"), pypi("six", "1.16.0", owned_by="deb/python3-six")]
    found = {match.vulnerability: match for match in world.match(packages).affected}
    assert "CVE-2024-0009" not in found  # Debian has fixed it in 1.16.0-4
    silent = found["CVE-2024-0010"]
    assert silent.confidence is Confidence.LOW
    assert "deb/python3-six" in silent.reason
    alone = affected(world, pypi("six", "1.16.0"))
    assert alone["CVE-2024-0009"].confidence is Confidence.HIGH


def test_ratings_are_joined_over_aliases_and_the_vendor_comes_first(world: AdvisoryStore) -> None:
    match = affected(world, deb("openssl", "3.0.11-1"))["CVE-2024-0001"]
    assert (match.severity, match.severity_source) == (Severity.CRITICAL, "nvd")
    assert match.epss == pytest.approx(0.42)
    assert not match.exploited


def test_known_exploited_and_ransomware_are_marked(world: AdvisoryStore) -> None:
    match = affected(world, apk("nginx", "1.24.0-r6"))["CVE-2023-44487"]
    assert (match.exploited, match.ransomware, match.exploited_since) == (True, True, "2025-08-25")
    assert match.unrated_with_fix  # known exploited, and yet nobody rated it in this data


def test_the_fix_of_a_package_clears_all_its_fixable_findings(
    server: FeedServer, renew: Renew, store: AdvisoryStore
) -> None:
    put_osv(
        server,
        "PyPI",
        osv("PYSEC-1", "x", [{"introduced": "0"}, {"fixed": "1.5"}], aliases=["CVE-2024-1"]),
        osv("PYSEC-2", "x", [{"introduced": "0"}, {"fixed": "1.10"}], aliases=["CVE-2024-2"]),
        osv("PYSEC-3", "x", [{"introduced": "1.9"}, {"fixed": "1.11"}], aliases=["CVE-2024-3"]),
        osv("PYSEC-4", "x", [{"introduced": "0"}], aliases=["CVE-2024-4"]),
    )
    renew("osv-pypi")
    item = store.match([pypi("x", "1.0")]).coverage[0]
    assert item.fixed_version == "1.11"  # 1.10 would bring CVE-2024-3
    assert (item.fixable, item.unfixable) == (2, 1)


def test_a_bound_that_cannot_be_compared_is_not_assessed(
    server: FeedServer, renew: Renew, store: AdvisoryStore
) -> None:
    put_osv(server, "npm", osv("GHSA-1", "x", [{"introduced": "0"}, {"fixed": "latest"}], ecosystem="npm"))
    renew("osv-npm")
    report = store.match([npm("x", "1.0.0")])
    assert [match.state for match in report.matches] == [MatchState.NOT_ASSESSED]
    assert "latest" in report.matches[0].reason


def test_malicious_packages_are_marked_as_such(server: FeedServer, renew: Renew, store: AdvisoryStore) -> None:
    put_osv(server, "npm", osv("MAL-2024-1", "evil", [{"introduced": "0"}], ecosystem="npm"))
    renew("osv-npm")
    match = affected(store, npm("evil", "1.0.0"))["MAL-2024-1"]
    assert (match.status, match.severity) == ("malware", Severity.CRITICAL)


def test_an_empty_store_assesses_nothing_and_names_what_it_needs(store: AdvisoryStore) -> None:
    report = store.match([deb("openssl", "1.0-1"), pypi("django", "3.2")])
    assert [(item.assessed, item.code) for item in report.coverage] == [(False, "no-data")] * 2
    assert {item.name for item in report.needed} == {"debian", "osv-pypi", "kev", "nvd", "epss"}
    assert all(item.download_bytes > 0 for item in report.needed)


def test_answers_come_in_the_order_of_the_packages(world: AdvisoryStore) -> None:
    packages = [npm("minimist", "1.2.0"), deb("bash", "5.2-1"), pypi("django", "3.2")]
    assert [item.package for item in world.match(packages).coverage] == packages


def test_epss_of_an_alias_counts(server: FeedServer, world: AdvisoryStore, renew: Renew) -> None:
    server.put(samples.EPSS, epss({"CVE-2021-44906": 0.5}))
    renew("epss")
    assert affected(world, npm("minimist", "1.2.0"))["CVE-2021-44906"].epss == pytest.approx(0.5)
