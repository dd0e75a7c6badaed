"""Lines about base images: named for those who may see where the base lies, general for all others."""

from pathlib import Path

import pytest
from tests.scan.bases.harbour import Harbour, built, own, system
from tests.scan.parts import Said

from pratique.advisories.service import order_of
from pratique.core.database import Cursors, Database, Epochs
from pratique.core.findings.types import Severity
from pratique.recommendations.actions import Kind
from pratique.recommendations.jobs import RecommendationJobs
from pratique.recommendations.service import RecommendationService
from pratique.recommendations.types import Recommendation, RecommendationFilter, Visibility

OLD = system({"openssl": "1.0", "zlib": "1.0", "curl": "1.0"})
NEW = system({"openssl": "1.1", "zlib": "1.0", "curl": "1.1"})
TEAM = Visibility(allow=("registry/team",))


class Page:
    """A harbour whose findings are summed up into recommendations."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.harbour = Harbour(database, folder)
        parts = self.harbour.parts
        RecommendationJobs(database, parts.jobs, Epochs(database), order_of).attach(parts.events, parts.handlers)
        # The kinds that a worker knows are those of its start.
        self.harbour.start_worker()
        parts.store.say("openssl", Said("vg-1", ("1.0",), severity=Severity.HIGH))
        parts.store.say("curl", Said("vg-3", ("1.0",), fix="1.1", severity=Severity.MEDIUM))
        parts.store.say("zlib", Said("vg-2", ("1.0",), severity=Severity.LOW))
        parts.rejudger.run()
        self.service = RecommendationService(
            database, Cursors(b"k" * 32), order_of, parts.scan, registry_host="registry.example:8443"
        )

    def upgrades(self, visibility: Visibility = Visibility()) -> list[Recommendation]:  # noqa: B008  frozen
        found = self.service.page(RecommendationFilter(kind=(Kind.BASE_UPGRADE,)), visibility)
        return list(found.items)


@pytest.fixture
def page(database: Database, tmp_path: Path) -> Page:
    return Page(database, tmp_path)


def test_one_line_for_all_images_of_a_base_says_what_it_clears_and_what_to_write(page: Page) -> None:
    harbour = page.harbour
    harbour.push("platform/base", built(OLD, own("tool")), "1.0")
    for number in range(3):
        harbour.push(f"team/{number}", built(OLD, own("tool"), own(str(number))), "7")
    assert page.upgrades() == []
    harbour.push("platform/base", built(NEW, own("tool")), "1.1")
    (line,) = page.upgrades()
    assert line.title == "Upgrade base platform/base:1.0 → 1.1"
    assert (line.images, line.repositories, line.counts.open) == (3, 3, 6)
    assert line.base is not None
    assert (line.base.compared.cleared, line.base.compared.left) == ({"high": 1, "medium": 1}, {"low": 1})
    first, second = page.service.steps(line)
    assert first.code == "FROM registry.example:8443/platform/base:1.1"
    assert "It clears 2 of the 3 vulnerabilities that come with platform/base:1.0; 1 remains." in first.text
    assert "Build and push" in second.text


def test_a_finding_without_a_fixed_version_counts_as_settled_when_the_newer_base_is_without_it(page: Page) -> None:
    page.harbour.push("platform/base", built(OLD, own("tool")), "1.0")
    page.harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    page.harbour.push("platform/base", built(NEW, own("tool")), "1.1")
    (line,) = page.upgrades()
    assert (line.kind, line.counts.unfixed, line.fixable) == (Kind.BASE_UPGRADE, 0, True)
    assert [item.id for item in page.service.page(RecommendationFilter(fixable=True)).items][:1] == [line.id]


def test_who_may_not_see_the_base_learns_neither_its_name_nor_its_tags(page: Page) -> None:
    page.harbour.push("secret/base", built(OLD, own("tool")), "1.0-secret")
    app = page.harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    page.harbour.push("secret/base", built(NEW, own("tool")), "1.1-secret")
    (line,) = page.upgrades(TEAM)
    assert line.title == "Upgrade the Debian 12 base image"
    assert line.base is None
    shown = repr((line, page.service.get(line.id, TEAM), page.service.steps(line), page.service.evidence(line, TEAM)))
    assert "secret" not in shown
    assert "secret" not in repr(page.service.of_image("registry/team/app", app.digest, TEAM))
    assert "secret" in repr(page.upgrades())


def test_the_line_goes_when_the_images_are_built_on_the_newer_base(page: Page) -> None:
    harbour = page.harbour
    harbour.push("platform/base", built(OLD, own("tool")), "1.0")
    harbour.push("platform/base", built(NEW, own("tool")), "1.0")
    before = harbour.push("team/app", built(OLD, own("tool"), own("app")), "7")
    (line,) = page.upgrades()
    assert line.title == "Build again on base platform/base:1.0, which was rebuilt"
    assert "podman build --pull=always" in page.service.steps(line)[0].code
    after = harbour.push("team/app", built(NEW, own("tool"), own("app")), "7")
    kinds = {item.kind for item in page.service.of_image("registry/team/app", after.digest)}
    assert Kind.BASE_UPGRADE not in kinds
    harbour.delete("team/app", before.digest)
    assert page.upgrades() == []
