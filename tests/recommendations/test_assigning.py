"""Owner and due date: set for what the caller may write, kept over rebuilds, and written into the audit log."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from tests.recommendations.seeding import OPENSSL, digest, refresher_of, seed

from pratique.core.audit import Audit
from pratique.core.audit.tables import audit_entries
from pratique.core.clock import DAY
from pratique.core.database import Database
from pratique.core.errors import Denied, Invalid
from pratique.core.findings.store import FindingStore
from pratique.core.permissions import OPERATOR
from pratique.recommendations.assigning import Assignment, Assignments
from pratique.recommendations.errors import RecommendationUnknown
from pratique.recommendations.service import RecommendationService
from pratique.recommendations.types import (
    EVERYTHING,
    NOBODY,
    FindingFilter,
    RecommendationFilter,
    Visibility,
    recommendation_id,
)

OPENSSL_ID = recommendation_id(OPENSSL.action)
WEB = Visibility(allow=("registry/team/web",))


def assign(database: Database, wanted: Assignment, writable: Visibility = EVERYTHING, item: str = OPENSSL_ID) -> int:
    audit, refresher = Audit(database), refresher_of(database)
    try:
        count = Assignments(database, FindingStore(), audit, refresher.mark).assign(OPERATOR, item, wanted, writable)
    finally:
        audit.close()
    refresher.run()
    return count


def test_owner_and_date_are_shown_and_filtered_by(database: Database, service: RecommendationService) -> None:
    due = service.get(OPENSSL_ID).first_seen + 3 * DAY
    assert assign(database, Assignment("Team Shop", due)) == 4
    item = service.get(OPENSSL_ID)
    assert (item.owner, item.owners, item.due) == ("Team Shop", 1, due)
    owned = service.page(RecommendationFilter(owner="Team Shop"))
    assert [one.id for one in owned.items] == [OPENSSL_ID]
    assert OPENSSL_ID not in {one.id for one in service.page(RecommendationFilter(owner=NOBODY)).items}
    assert {one.owner for one in service.findings(FindingFilter(recommendation=OPENSSL_ID)).items} == {"Team Shop"}


def test_a_field_that_is_not_given_stays(database: Database, service: RecommendationService) -> None:
    usual = service.get(OPENSSL_ID).due
    due = service.get(OPENSSL_ID).first_seen + 3 * DAY
    assign(database, Assignment("ada", due))
    assign(database, Assignment(owner=""))
    assert (service.get(OPENSSL_ID).owner, service.get(OPENSSL_ID).due) == ("", due)
    assign(database, Assignment(due=0))
    assert service.get(OPENSSL_ID).due == usual


def test_only_what_may_be_written_is_assigned(database: Database, service: RecommendationService) -> None:
    assign(database, Assignment("web"), WEB)
    assign(database, Assignment("api"), Visibility(allow=("registry/team/api",)))
    item = service.get(OPENSSL_ID)
    assert (item.owner, item.owners) == ("api", 2)
    assert service.get(OPENSSL_ID, WEB).owner == "web"
    assert service.page(RecommendationFilter(owner="api"), WEB).total == 0
    with pytest.raises(Denied):
        assign(database, Assignment("x"), Visibility(allow=("registry/other",)))
    with pytest.raises(RecommendationUnknown):
        assign(database, Assignment("x"), item="0" * 16)


def test_a_rebuild_keeps_owner_and_date(database: Database, service: RecommendationService) -> None:
    assign(database, Assignment("ada"))
    seed(database, (("registry/team/web", 77, (replace(OPENSSL, version="3.0.12-1"),)),))
    found = service.findings(FindingFilter(recommendation=OPENSSL_ID, subject=digest(77))).items
    assert {one.owner for one in found} == {"ada"}


def test_the_audit_log_names_who_set_what(database: Database, service: RecommendationService) -> None:
    assign(database, Assignment("ada"))
    entries = database.read(lambda tx: tx.execute(sa.select(audit_entries)).all())
    (entry,) = [entry for entry in entries if entry.action == "recommendations.assign"]
    assert OPENSSL_ID in entry.target


@pytest.mark.parametrize(
    "wanted", [Assignment("x" * 129), Assignment("a\nb"), Assignment(" a"), Assignment("Nobody"), Assignment(due=-1)]
)
def test_what_nobody_can_mean_is_refused(
    database: Database, service: RecommendationService, wanted: Assignment
) -> None:
    with pytest.raises(Invalid):
        assign(database, wanted)
