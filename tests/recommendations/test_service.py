from dataclasses import replace

import pytest
from tests.recommendations.seeding import DJANGO, NGINX, OPENSSL, PERL, digest, refresher_of, seed

from pratique.core.clock import DAY, FakeClock
from pratique.core.database import Database, Transaction
from pratique.core.findings.store import FindingStore
from pratique.core.findings.types import Exemption, Severity
from pratique.core.ids import new_id
from pratique.recommendations.errors import FilterInvalid, RecommendationUnknown
from pratique.recommendations.service import RecommendationService
from pratique.recommendations.types import (
    FindingFilter,
    Kind,
    RecommendationFilter,
    Sort,
    State,
    Visibility,
    recommendation_id,
)

ANY = RecommendationFilter()
TEAM = Visibility(allow=("registry/team",))
WEB = Visibility(allow=("registry/team/web",))


def test_worst_first_and_one_line_per_action(service: RecommendationService) -> None:
    found = service.page(ANY)
    shown = [item.title for item in found.items]
    assert shown[:7] == [
        "Update nginx in Debian 12 images",
        "Update django (Python)",
        "Upgrade the Debian 12 base image",
        "Update openssl in Debian 12 images",
        "Update minimist (npm)",
        "Update expat in Debian 12 images",
        "No fix yet for perl (Debian 12): limit exposure, or exempt until there is one",
    ]
    assert {item.state for item in found.items[7:]} == {State.NOT_ASSESSED}
    assert found.total == 9
    assert not found.next_cursor


def test_an_action_counts_findings_images_and_repositories(service: RecommendationService) -> None:
    openssl = service.get(recommendation_id("os-update|debian:12|openssl"))
    assert openssl.counts.critical == 2
    assert openssl.counts.medium == 2
    assert openssl.images == 4
    assert openssl.repositories == 3
    assert openssl.fix == "3.0.15-1~deb12u1"
    assert openssl.likelihood == 0.37
    assert openssl.state is State.OPEN


FILTERS = (
    (replace(ANY, exploited=True), {Kind.OS_UPDATE}),
    (replace(ANY, fixable=False), {Kind.AWAIT_FIX, Kind.LOAD_DATA, Kind.REBUILD_SUPPORTED}),
    (replace(ANY, severity=(Severity.LOW,)), {Kind.AWAIT_FIX}),
    (replace(ANY, severity=(Severity.UNKNOWN,)), {Kind.OS_UPDATE}),
    (replace(ANY, kind=(Kind.APP_UPDATE,)), {Kind.APP_UPDATE}),
    (replace(ANY, state=State.NOT_ASSESSED), {Kind.LOAD_DATA, Kind.REBUILD_SUPPORTED}),
    (replace(ANY, state=State.OVERDUE), set()),
    (replace(ANY, repository="legacy/mailer"), {Kind.REBUILD_SUPPORTED}),
    (replace(ANY, repository="legacy"), {Kind.REBUILD_SUPPORTED}),
    (replace(ANY, repository="leg"), set()),
    (replace(ANY, search="CVE-2022-28346"), {Kind.APP_UPDATE}),
    (replace(ANY, search="cve-2022-28346 shop"), {Kind.APP_UPDATE}),
    (replace(ANY, search="100%_"), set()),
)


def test_filters(service: RecommendationService) -> None:
    for wanted, kinds in FILTERS:
        assert {item.kind for item in service.page(wanted).items} == kinds, wanted


def test_pages_join_without_a_gap_or_a_repeat(service: RecommendationService) -> None:
    for sort in Sort:
        for visibility in (Visibility(), TEAM):
            _walk(service, replace(ANY, sort=sort), visibility)


def _walk(service: RecommendationService, wanted: RecommendationFilter, visibility: Visibility) -> None:
    whole = [item.id for item in service.page(wanted, visibility).items]
    walked, cursor = [], ""
    for _ in range(20):
        page = service.page(replace(wanted, limit=2, cursor=cursor), visibility)
        walked += [item.id for item in page.items]
        cursor = page.next_cursor
        if not cursor:
            break
    assert walked == whole
    assert len(set(walked)) == len(walked)


def test_orders(service: RecommendationService) -> None:
    assert service.page(replace(ANY, sort=Sort.SEVERITY)).items[0].severity is Severity.CRITICAL
    assert service.page(replace(ANY, sort=Sort.IMAGES)).items[0].images == 4
    due = [item.due for item in service.page(replace(ANY, sort=Sort.DUE)).items]
    known = [instant for instant in due if instant is not None]
    assert known == sorted(known)
    assert due[: len(known)] == known


def test_a_cursor_of_another_order_is_refused(service: RecommendationService) -> None:
    cursor = service.page(replace(ANY, limit=1)).next_cursor
    with pytest.raises(FilterInvalid):
        service.page(replace(ANY, limit=1, sort=Sort.DUE, cursor=cursor))
    with pytest.raises(FilterInvalid):
        service.page(replace(ANY, limit=1, cursor="AAAA"))


def test_people_see_only_what_they_may(service: RecommendationService) -> None:
    team = service.page(ANY, TEAM)
    assert Kind.REBUILD_SUPPORTED not in {item.kind for item in team.items}
    web = {item.id: item for item in service.page(ANY, WEB).items}
    openssl = web[recommendation_id("os-update|debian:12|openssl")]
    assert (openssl.images, openssl.repositories, openssl.counts.open) == (2, 1, 2)
    with pytest.raises(RecommendationUnknown):
        service.get(recommendation_id("app-update|pypi|django"), WEB)
    assert service.page(ANY, Visibility(allow=())).items == ()
    assert service.findings(FindingFilter(), Visibility(allow=())).items == ()
    assert service.of_image("registry/team/shop", digest(3), WEB) == ()


def test_a_prefix_covers_whole_segments_only(service: RecommendationService) -> None:
    assert service.page(ANY, Visibility(allow=("registry/te",))).items == ()
    denied = service.page(ANY, Visibility(deny=("registry/team/shop",)))
    assert recommendation_id("app-update|pypi|django") not in {item.id for item in denied.items}
    bound = service.page(ANY, Visibility(bound=(("registry/team", True),)))
    assert bound.items == ()


def test_sums_for_some_are_those_for_all_when_they_may_see_all(service: RecommendationService) -> None:
    both = Visibility(allow=("registry/team", "registry/legacy"))
    stored = {item.id: item for item in service.page(ANY).items}
    summed = {item.id: item for item in service.page(ANY, both).items}
    assert stored == summed
    assert service.summary() == service.summary(both)


def test_the_score_is_a_mean_and_a_gain_is_exact(service: RecommendationService, database: Database) -> None:
    before = service.summary().score
    assert before.value == round(100 - (70.0 + 57.2 + 53.1 + 0) / 4, 1)
    assert (before.repositories, before.clean, before.not_assessed) == (5, 1, 1)
    nginx = service.get(recommendation_id(NGINX.action))
    seed(database, (("registry/team/web", 1, (OPENSSL, PERL)),))
    gained = service.get(recommendation_id("app-update|pypi|django")).gain
    assert gained == round((57.2 - 53.1) / 4, 2)
    assert nginx.gain == round((70.0 - 53.1) / 4, 2)


def test_nothing_assessed_has_no_score(database: Database) -> None:
    from tests.recommendations.seeding import order

    from pratique.core.database import Cursors

    assert RecommendationService(database, Cursors(b"k"), order).summary().score.value is None


def test_a_repair_ends_its_recommendation(service: RecommendationService, database: Database) -> None:
    seed(database, (("registry/team/web", 1, ()), ("registry/team/web", 2, ())))
    with pytest.raises(RecommendationUnknown):
        service.get(recommendation_id(NGINX.action))
    assert service.get(recommendation_id(OPENSSL.action)).repositories == 2


def test_a_deleted_image_takes_its_repository_out_of_the_score(
    service: RecommendationService, database: Database
) -> None:
    refresher = refresher_of(database)

    def forget(tx: Transaction) -> None:
        FindingStore().forget(tx, domain="scan", lineage="registry/legacy/mailer", subject=digest(5))
        refresher.mark(tx, ["registry/legacy/mailer"])

    database.write(forget)
    refresher.run()
    assert service.summary().score.repositories == 4


def test_an_exemption_takes_the_weight_off_at_once_and_gives_it_back(
    service: RecommendationService, database: Database, clock: FakeClock
) -> None:
    refresher = refresher_of(database)

    def exempt(tx: Transaction) -> None:
        exemption = Exemption(
            new_id(),
            "CVE-2023-44487",
            "registry/team/web",
            "",
            "behind a proxy",
            "ada",
            "ada",
            tx.now,
            tx.now + 3 * DAY,
        )
        FindingStore().add_exemption(tx, exemption)
        refresher.mark(tx, ["registry/team/web"])

    database.write(exempt)
    refresher.run()
    nginx = service.get(recommendation_id(NGINX.action))
    assert nginx.state is State.EXEMPTED
    assert (nginx.counts.open, nginx.counts.exempted, nginx.risk) == (0, 1, 0.0)
    clock.advance(4 * 86400)
    from pratique.recommendations import records

    freed = database.read(records.lineages_freed)
    assert freed == {"registry/team/web"}
    database.write(lambda tx: refresher.mark(tx, freed))
    refresher.run()
    assert service.get(recommendation_id(NGINX.action)).state is State.OPEN
    assert database.read(records.lineages_freed) == set()


def test_what_is_overdue_says_so(service: RecommendationService, clock: FakeClock) -> None:
    clock.advance(8 * 86400)
    late = service.page(replace(ANY, state=State.OVERDUE)).items
    assert [item.id for item in late] == [recommendation_id(NGINX.action)]
    assert service.summary().overdue == 1


def test_evidence_says_record_range_comparison_and_date(service: RecommendationService) -> None:
    item = service.get(recommendation_id(DJANGO.action))
    found = service.evidence(item).items
    assert [each.aliases for each in found] == [("CVE-2022-28346",), ("CVE-2024-24680",)]
    assert found[0].risk.value == item.risk
    assert {"record", "range", "comparison", "data_date", "layer"} <= set(found[0].proof)


def test_findings_of_an_image_are_those_it_shows(service: RecommendationService) -> None:
    found = service.findings(FindingFilter(repository="team/web", subject=digest(2))).items
    assert {each.aliases[0] for each in found} == {"CVE-2024-5535", "CVE-2024-0727", "CVE-2023-31486"}
    assert service.of_image("registry/team/web", digest(2))[0].title.startswith("Update openssl")
    pieces, cursor = [], ""
    while True:
        page = service.findings(FindingFilter(repository="team/web", limit=2, cursor=cursor))
        pieces += [(each.key, each.subject) for each in page.items]
        cursor = page.next_cursor
        if not cursor:
            break
    assert len(pieces) == len(set(pieces)) == 8


def test_images_with_most_findings_come_first(service: RecommendationService) -> None:
    item = service.get(recommendation_id(OPENSSL.action))
    images, more = service.images(item, limit=3)
    assert more == 1
    assert [line.counts.open for line in images] == [2, 2, 1]


def test_summing_up_again_changes_nothing(service: RecommendationService, database: Database) -> None:
    before = service.page(ANY)
    refresher = refresher_of(database)
    database.write(refresher.everything)
    assert refresher.run() == 5
    assert refresher.run() == 0
    after = service.page(ANY)
    assert [replace(item, updated=0) for item in after.items] == [replace(item, updated=0) for item in before.items]
