"""What Debian's tracker says, where reading it to the letter would be wrong."""

import pytest

from pratique.advisories.service import AdvisoryStore
from tests.advisories import samples
from tests.advisories.conftest import Renew
from tests.advisories.feed_server import FeedServer
from tests.advisories.samples import deb, debian, fixed

SUITES = {"bookworm": "10.1.55-1~deb12u1", "bookworm-security": "10.1.60-1~deb12u1"}


@pytest.mark.parametrize(
    ("version", "affected"),
    [("10.1.55-1~deb12u1", True), ("10.1.60-1~deb12u1", False), ("10.1.60-1~deb12u2", False), ("10.1.60-1", False)],
)
def test_a_fix_that_was_built_for_the_release_sorts_before_the_version_that_the_tracker_names(
    server: FeedServer, renew: Renew, store: AdvisoryStore, version: str, *, affected: bool
) -> None:
    server.put(
        samples.DEBIAN, debian({"tomcat10": {"CVE-2026-1": {"bookworm": fixed("10.1.60-1", repositories=SUITES)}}})
    )
    renew("debian")
    found = store.match([deb("tomcat10", version)]).affected
    assert [(match.vulnerability, match.fixed_version) for match in found] == (
        [("CVE-2026-1", "10.1.60-1~deb12u1")] if affected else []
    )


def test_a_fix_that_no_suite_of_the_release_has_is_not_promised(
    server: FeedServer, renew: Renew, store: AdvisoryStore
) -> None:
    suites = {"bookworm": "1.0-1~deb12u1"}
    server.put(samples.DEBIAN, debian({"app": {"CVE-2026-1": {"bookworm": fixed("2.0-1", repositories=suites)}}}))
    renew("debian")
    (match,) = store.match([deb("app", "1.0-1~deb12u1")]).affected
    assert match.fixed_version == ""
    assert "not in the archive yet" in match.reason
