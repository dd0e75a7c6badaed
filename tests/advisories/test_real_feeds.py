"""Real excerpts of the public feeds, fetched over HTTP as in production, and judged on well-known packages."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pratique.advisories.fetch import FeedClient
from pratique.advisories.service import AdvisoryStore, sync
from pratique.advisories.types import Match, Severity
from tests.advisories.conftest import SOURCES
from tests.advisories.samples import Package, apk, deb, npm, pypi

SHARED = Path(os.environ.get("PRATIQUE_SHARED") or Path(__file__).parents[2].parent / "shared")
SERVE = SHARED / "vulndata" / "serve.py"
pytestmark = pytest.mark.skipif(not SERVE.exists(), reason="the shared feed mirror is absent")


@pytest.fixture(scope="module")
def mirror() -> Iterator[str]:
    with subprocess.Popen([sys.executable, str(SERVE), "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture(scope="module")
def real(mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdvisoryStore]:
    store = AdvisoryStore.open(tmp_path_factory.mktemp("real"), starter=False)
    with FeedClient(mirror=mirror) as client:
        report = sync(store, SOURCES, client)
        assert {item.outcome for item in report.outcomes} == {"updated"}, report
        again = sync(store, SOURCES, client)
    assert {item.outcome for item in again.outcomes} == {"unchanged"}
    yield store
    store.close()


def affected(store: AdvisoryStore, *packages: Package) -> dict[str, Match]:
    return {match.vulnerability: match for match in store.match(packages).affected}


def test_every_feed_has_the_records_that_the_mirror_names(real: AdvisoryStore) -> None:
    records = {item.name: item.records for item in real.feeds()}
    assert records["kev"] == 1_404
    assert records["debian"] == 11_129
    assert records["epss"] == 29
    assert records["nvd"] == 66
    assert records["osv-pypi"] >= 2_650
    assert records["alpine"] > 5_000


def test_nginx_of_bookworm_main_has_a_known_exploited_vulnerability_and_the_security_suites_has_none(
    real: AdvisoryStore,
) -> None:
    found = affected(real, deb("nginx", "1.22.1-9", release="12"))
    exploited = found["CVE-2023-44487"]
    assert exploited.exploited
    assert exploited.fixed_version.startswith("1.22.1-9+deb12u")
    assert affected(real, deb("nginx", "1.22.1-9+deb12u11", release="12")) == {}


def test_openssl_of_bullseye_main_is_repaired_by_the_security_suite(real: AdvisoryStore) -> None:
    before = deb("libssl1.1", "1.1.1w-0+deb11u1", "openssl", "1.1.1w-0+deb11u1", release="11")
    after = deb("libssl1.1", "1.1.1w-0+deb11u8", "openssl", "1.1.1w-0+deb11u8", release="11")
    assert "CVE-2023-5678" in affected(real, before)
    assert affected(real, after) == {}
    assert real.match([before]).coverage[0].fixed_version == "1.1.1w-0+deb11u8"


def test_django_3_2_0_in_both_spellings(real: AdvisoryStore) -> None:
    long, short = (affected(real, pypi("Django", version)) for version in ("3.2.0", "3.2"))
    assert set(long) == set(short)
    assert {"CVE-2021-33203", "CVE-2021-35042", "CVE-2022-28346"} <= set(long)
    assert long["CVE-2021-33203"].fixed_version == "3.2.4"
    fix = real.match([pypi("Django", "3.2.0")]).coverage[0].fixed_version
    assert fix == "3.2.25"
    remaining = [match for match in affected(real, pypi("django", fix)).values() if match.fixed_version]
    assert remaining == []


@pytest.mark.parametrize(
    ("package", "vulnerability", "fix"),
    [
        (npm("minimist", "1.2.0"), "CVE-2021-44906", "1.2.6"),
        (npm("lodash", "4.17.15"), "CVE-2021-23337", "4.17.21"),
        (pypi("jinja2", "2.10"), "CVE-2019-10906", "2.10.1"),
        (pypi("PyYAML", "5.1"), "CVE-2020-14343", "5.4"),
        (pypi("urllib3", "1.24.1"), "CVE-2019-11324", "1.24.2"),
        (apk("libssl1.1", "1.1.1f-r0", "openssl", release="3.17"), "CVE-2020-1967", "1.1.1g-r0"),
    ],
)
def test_well_known_versions_are_found_with_the_right_fix(
    real: AdvisoryStore, package: Package, vulnerability: str, fix: str
) -> None:
    assert affected(real, package)[vulnerability].fixed_version == fix


def test_minimist_is_critical_by_ghsa_and_its_repaired_version_is_clean(real: AdvisoryStore) -> None:
    match = affected(real, npm("minimist", "1.2.0"))["CVE-2021-44906"]
    assert (match.severity, match.severity_source) == (Severity.CRITICAL, "ghsa")
    assert affected(real, npm("minimist", "1.2.8")) == {}
