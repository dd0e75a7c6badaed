"""A search finds actions and findings by package, number and repository, and tells nobody what they may not see."""

from dataclasses import replace

import pytest
from tests.recommendations.seeding import DJANGO, OPENSSL, digest, seed

from pratique.core.database import Database
from pratique.recommendations.service import RecommendationService
from pratique.recommendations.types import FindingFilter, Kind, RecommendationFilter, Visibility
from pratique.recommendations.words import words_of

SEARCHES = (
    ("openssl", {"openssl"}),
    ("OpenSSL", {"openssl"}),
    ("ssl", {"openssl"}),
    ("libssl3", {"openssl"}),
    ("cve-2024-0727", {"openssl"}),
    ("CVE-2022", {"django"}),
    ("28346", {"django"}),
    ("python", {"django"}),
    ("shop", {"openssl", "django", "minimist", "expat", "npm", ""}),
    ("shop django", {"django"}),
    ("cve-2024-5535 cve-2024-0727", {"openssl"}),
    ("openssl django", set()),
    ("%", set()),
    ("_", set()),
    ("nothing-at-all", set()),
)


@pytest.mark.parametrize(("search", "names"), SEARCHES)
def test_finds_actions(service: RecommendationService, search: str, names: set[str]) -> None:
    page = service.page(RecommendationFilter(search=search))
    found = {item.action.name for item in page.items if item.action.kind is not Kind.BASE_UPGRADE}
    assert found == names - {"npm"}
    assert page.total == len(page.items)


@pytest.mark.parametrize(
    ("search", "packages"),
    [
        ("openssl", {"libssl3"}),
        ("libssl3", {"libssl3"}),
        ("cve-2024-0727", {"libssl3"}),
        ("cve-2022-28346", {"django"}),
        ("team/shop minimist", {"minimist"}),
        ("nothing-at-all", set()),
    ],
)
def test_finds_findings(service: RecommendationService, search: str, packages: set[str]) -> None:
    found = service.findings(FindingFilter(search=search)).items
    assert {one.location.rpartition("/")[2] for one in found} == packages


def test_a_number_finds_only_its_own_findings(service: RecommendationService) -> None:
    found = service.findings(FindingFilter(search="CVE-2024-0727")).items
    assert {one.aliases for one in found} == {("CVE-2024-0727",)}


def test_a_limited_view_is_not_found_by_what_others_have(database: Database, service: RecommendationService) -> None:
    """`team/api` has openssl too, but not this vulnerability."""
    limited = Visibility(allow=("registry/team/api",))
    assert service.page(RecommendationFilter(search="openssl"), limited).total == 1
    assert service.page(RecommendationFilter(search=OPENSSL.cve), limited).total == 0
    assert service.page(RecommendationFilter(search="shop"), limited).total == 0


def test_words_follow_what_is_open(database: Database, service: RecommendationService) -> None:
    seed(database, (("registry/team/shop", 3, (replace(DJANGO, cve="CVE-2027-1"),)),))
    assert service.page(RecommendationFilter(search="CVE-2027-1")).total == 1
    assert service.page(RecommendationFilter(search=DJANGO.cve)).total == 0


def test_words_begin_at_each_part() -> None:
    words = words_of(["cve-2024-5535 pkg:deb/debian/libssl3?arch=amd64 vg-0192-abcd"])
    assert words == {"cve-2024-5535", "2024-5535", "5535", "debian/libssl3", "libssl3", "vg-0192-abcd"}


def test_one_line_for_a_package_says_what_stays(database: Database, service: RecommendationService) -> None:
    unfixed = replace(DJANGO, cve="CVE-2027-2", fix="")
    seed(database, (("registry/team/shop", 3, (DJANGO, unfixed)),))
    (item,) = service.page(RecommendationFilter(search="django")).items
    assert (item.title, item.fix, item.counts.open, item.counts.unfixed) == ("Update django (Python)", "3.2.13", 2, 1)
    (item,) = service.of_image("registry/team/shop", digest(3))
    assert (item.kind, item.counts.unfixed) == (Kind.APP_UPDATE, 1)


def test_a_package_without_any_fix_waits(database: Database, service: RecommendationService) -> None:
    seed(database, (("registry/team/shop", 3, (replace(DJANGO, fix=""),)),))
    (item,) = service.page(RecommendationFilter(kind=(Kind.AWAIT_FIX,), search="django")).items
    assert (item.title.startswith("No fix yet for django"), item.fix, item.gain) == (True, "", 0.0)
    assert "published no fix" in service.steps(item)[0].text
