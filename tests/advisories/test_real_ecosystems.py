"""Public records of Go, Rust, Java, Ruby and rpm distributions find what is known to be vulnerable, and no repaired version."""

from collections.abc import Iterator

import pytest

from pratique.advisories.fetch import FeedClient
from pratique.advisories.service import AdvisoryStore, sync
from pratique.advisories.types import MatchState
from tests.advisories.samples import Package
from tests.advisories.test_real_feeds import SERVE, mirror  # noqa: F401  a fixture

pytestmark = pytest.mark.skipif(not SERVE.exists(), reason="the shared feed mirror is absent")
FEEDS = ("osv-golang", "osv-cargo", "osv-gem", "osv-maven", "osv-almalinux", "osv-rocky")


@pytest.fixture(scope="module")
def store(mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdvisoryStore]:  # noqa: F811
    found = AdvisoryStore.open(tmp_path_factory.mktemp("real"), starter=False)
    with FeedClient(mirror=mirror) as client:
        report = sync(found, FEEDS, client)
        assert {item.outcome for item in report.outcomes} == {"updated"}, report
    yield found
    found.close()


@pytest.mark.parametrize(
    ("ecosystem", "name", "version", "vulnerability", "fixed"),
    [
        ("maven", "org.apache.logging.log4j:log4j-core", "2.14.1", "CVE-2021-44228", "2.15.0"),
        ("golang", "stdlib", "1.20.0", "CVE-2023-24538", "1.20.3"),
        ("golang", "stdlib", "1.21rc1", "CVE-2023-39321", "1.21.1"),
        ("golang", "github.com/gin-gonic/gin", "v1.5.0", "CVE-2020-36567", "1.6.0"),
        ("golang", "golang.org/x/text", "v0.3.7", "CVE-2022-32149", "0.3.8"),
        ("cargo", "time", "0.2.7", "CVE-2020-26235", "0.2.23"),
        ("cargo", "hyper", "0.9.3", "CVE-2016-10932", "0.9.4"),
        ("gem", "loofah", "2.19.0", "CVE-2022-23515", "2.19.1"),
    ],
)
def test_a_vulnerable_version_is_found_with_its_fix_and_the_fix_is_clean(  # noqa: PLR0917 - one row of the table
    store: AdvisoryStore, ecosystem: str, name: str, version: str, vulnerability: str, fixed: str
) -> None:
    found = {match.vulnerability: match for match in store.match([Package(ecosystem, name, version)]).affected}
    assert vulnerability in found
    assert found[vulnerability].fixed_version == fixed
    assert found[vulnerability].evidence[0].feed == f"osv-{ecosystem}"
    after = store.match([Package(ecosystem, name, fixed)]).affected
    assert vulnerability not in {match.vulnerability for match in after}


def rpm(distro: str, name: str, version: str, **more: str) -> Package:
    return Package("rpm", name, version, distro=distro, **more)


def test_rpm_distributions_are_judged_by_binary_name_and_release(store: AdvisoryStore) -> None:
    old, new = rpm("almalinux:9", "libtiff", "4.2.0-3.el9"), rpm("almalinux:9", "libtiff", "4.4.0-2.el9")
    (match,) = store.match([old]).affected
    assert match.fixed_version == "4.4.0-2.el9"
    assert store.match([new]).affected == ()
    assert (
        store.match([rpm("rocky:8", "firefox", "102.10.0-1.el8_7")]).affected[0].fixed_version == "0:102.11.0-2.el8_7"
    )
    assert store.match([rpm("rocky:8", "java-11-openjdk", "1:11.0.13.0.8-1.el8_4")]).affected == ()


@pytest.mark.parametrize(
    ("package", "code"),
    [
        (rpm("almalinux:9", "nodejs", "1:16-1.module_el9", module="nodejs:16:1:2"), "module-stream"),
        (rpm("almalinux:9", "htop", "3-1.el9", vendor="Fedora Project"), "third-party"),
        (rpm("almalinux:7", "libtiff", "4-1"), "unknown-release"),
        (rpm("rhel:9", "libtiff", "4-1"), "no-feed"),
        (Package("golang", "github.com/gin-gonic/gin", "(devel)"), "unparsable-version"),
        (Package("composer", "a/b", "1"), "unsupported"),
    ],
)
def test_what_no_feed_can_tell_is_not_assessed(store: AdvisoryStore, package: Package, code: str) -> None:
    report = store.match([package])
    (coverage,) = report.coverage
    assert (coverage.assessed, coverage.code) == (False, code)
    assert not [match for match in report.matches if match.state is MatchState.NOT_AFFECTED]
