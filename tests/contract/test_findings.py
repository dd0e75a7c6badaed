"""What the store of findings guarantees, on every engine."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from pratique.core.clock import DAY, FakeClock
from pratique.core.database import Cursors, Database, Epochs, Transaction
from pratique.core.errors import Invalid, NotFound
from pratique.core.findings.store import FindingStore
from pratique.core.findings.tables import findings
from pratique.core.findings.types import (
    Exemption,
    Finding,
    FindingChange,
    FindingFilter,
    Occurrence,
    Severity,
    Sort,
    StoredFinding,
)
from pratique.core.ids import new_id

STORE = FindingStore()
CURSORS = Cursors(b"secret")
OPEN = FindingFilter()


def finding(
    rule: str = "vg-1", lineage: str = "registry/team/app", location: str = "pkg:deb/debian/openssl", **more: Any
) -> Finding:
    values = {
        "domain": "scan", "title": f"{rule} in {location}", "severity": Severity.HIGH, "severity_source": "debian",
        "fix": "3.0.1", "action": "os-update|debian:12|openssl", "aliases": (f"CVE-{rule}",),
    }  # fmt: skip
    return Finding(rule=rule, lineage=lineage, location=location, **(values | more))


def shown(found: Finding, subject: str = "sha256:aa", version: str = "3.0.0", **evidence: Any) -> Occurrence:
    return Occurrence(found, subject, version, evidence or {"record": "DSA-1"}, "Update openssl.")


def record(
    database: Database, *found: Finding, subject: str = "sha256:aa", lineage: str = "registry/team/app"
) -> FindingChange:
    occurrences = [shown(one, subject) for one in found]
    return database.write(
        lambda tx: STORE.replace(tx, domain="scan", lineage=lineage, subject=subject, occurrences=occurrences)
    )


def keys(database: Database, chosen: FindingFilter = OPEN) -> set[str]:
    return {one.key for one in database.read(lambda tx: STORE.search(tx, chosen, CURSORS, limit=500)).items}


def exemption(clock: FakeClock, **more: Any) -> Exemption:
    values = {
        "id": new_id(), "rule": "vg-1", "lineage": "", "location": "", "reason": "not reachable", "approver": "eve",
        "created_by": "adam", "created_at": clock.now(), "expires_at": clock.now() + DAY,
    }  # fmt: skip
    return Exemption(**(values | more))


def test_what_was_recorded_reads_back_equal(database: Database) -> None:
    original = finding(likelihood=0.25, exploited=True, state="not-assessed")
    record(database, original)
    stored = database.read(lambda tx: STORE.get(tx, original.key))
    assert stored.finding == original
    ((again, occurrence),) = database.read(lambda tx: STORE.of_subject(tx, "sha256:aa"))
    assert again == stored
    assert (occurrence.version, occurrence.evidence, occurrence.remediation) == (
        "3.0.0", {"record": "DSA-1"}, "Update openssl.",
    )  # fmt: skip


def test_recording_the_same_again_writes_nothing(database: Database) -> None:
    first = record(database, finding(), finding("vg-2"))
    epoch = Epochs(database).current("findings")
    second = record(database, finding("vg-2"), finding())
    assert first.changed
    assert set(first.appeared) == {finding().key, finding("vg-2").key}
    assert not second.changed
    assert Epochs(database).current("findings") == epoch


def test_a_finding_is_resolved_when_its_last_occurrence_goes(database: Database) -> None:
    record(database, finding(), subject="sha256:aa")
    record(database, finding(), subject="sha256:bb")
    assert record(database, subject="sha256:aa").resolved == ()
    assert keys(database) == {finding().key}
    assert record(database, subject="sha256:bb").resolved == (finding().key,)
    assert keys(database) == set()
    assert keys(database, FindingFilter(resolved=True)) == {finding().key}


def test_a_rebuild_keeps_first_seen_owner_due_date_and_exemption(database: Database, clock: FakeClock) -> None:
    record(database, finding())
    key, first = finding().key, clock.now()
    database.write(lambda tx: STORE.assign(tx, key, owner="team-a", due_at=first + 7 * DAY))
    granted = exemption(clock, expires_at=first + 30 * DAY)
    database.write(lambda tx: STORE.add_exemption(tx, granted))
    clock.advance(86400)
    record(database, subject="sha256:aa")  # gone …
    clock.advance(86400)
    change = record(database, finding(), subject="sha256:bb")  # … and back in a rebuild
    stored = database.read(lambda tx: STORE.get(tx, key))
    assert change.appeared == (key,)
    assert (stored.first_seen, stored.owner, stored.due_at) == (first, "team-a", first + 7 * DAY)
    assert (stored.exemption_id, stored.resolved_at) == (granted.id, None)


def test_a_changed_rating_reaches_the_finding(database: Database) -> None:
    record(database, finding())
    change = record(database, replace(finding(), severity=Severity.CRITICAL, exploited=True))
    stored = database.read(lambda tx: STORE.get(tx, finding().key))
    assert change.changed
    assert change.appeared == ()
    assert (stored.finding.severity, stored.finding.exploited) == (Severity.CRITICAL, True)


def test_a_patch_touches_only_its_rules(database: Database) -> None:
    record(database, finding("vg-1"), finding("vg-2"), finding("vg-3"))
    moved = [shown(replace(finding("vg-2"), fix="9"))]

    def patch(tx: Transaction) -> FindingChange:
        return STORE.patch(
            tx,
            domain="scan",
            lineage="registry/team/app",
            subject="sha256:aa",
            rules={"vg-2", "vg-3"},
            occurrences=moved,
        )

    assert database.write(patch).resolved == (finding("vg-3").key,)
    assert keys(database) == {finding("vg-1").key, finding("vg-2").key}
    # The next full replacement still sees what the patch left behind.
    assert record(database, finding("vg-1")).resolved == (finding("vg-2").key,)


def test_a_patch_of_many_subjects(database: Database) -> None:
    items = [("registry/a", f"sha256:{n}", [shown(finding(lineage="registry/a"), f"sha256:{n}")]) for n in range(50)]
    database.write(lambda tx: STORE.replace_many(tx, domain="scan", items=items))
    gone = [("registry/a", f"sha256:{n}", []) for n in range(50)]
    change = database.write(lambda tx: STORE.patch_many(tx, domain="scan", rules={"vg-1"}, items=gone))
    assert change.resolved == (finding(lineage="registry/a").key,)


def test_two_versions_of_a_package_are_two_occurrences_of_one_finding(database: Database) -> None:
    both = [shown(finding(), version="1"), shown(finding(), version="2")]
    database.write(
        lambda tx: STORE.replace(tx, domain="scan", lineage="registry/team/app", subject="sha256:aa", occurrences=both)
    )
    found = database.read(lambda tx: STORE.occurrences_of(tx, finding().key))
    assert [one.version for one in found] == ["1", "2"]
    assert len(keys(database)) == 1


def test_domains_do_not_disturb_each_other(database: Database) -> None:
    record(database, finding())
    secret = finding("secret-1", location="/etc/key", domain="secrets")
    database.write(
        lambda tx: STORE.replace(
            tx, domain="secrets", lineage="registry/team/app", subject="sha256:aa", occurrences=[shown(secret)]
        )
    )
    assert keys(database) == {finding().key, secret.key}
    database.write(lambda tx: STORE.forget(tx, domain="secrets", lineage="registry/team/app", subject="sha256:aa"))
    assert keys(database) == {finding().key}


def test_nothing_is_left_of_a_replacement_that_fails(database: Database) -> None:
    def body(tx: Transaction) -> None:
        STORE.replace(tx, domain="scan", lineage="l", subject="s", occurrences=[shown(finding(lineage="l"))])
        raise Invalid("no")

    with pytest.raises(Invalid):
        database.write(body)
    assert keys(database) == set()


@pytest.mark.parametrize(
    ("selectors", "covered"),
    [
        ({"rule": "vg-1"}, {"vg-1"}),
        ({"rule": "CVE-vg-1"}, {"vg-1"}),
        ({"rule": "CVE-9"}, set()),
        ({"rule": "", "location": "pkg:deb/debian/openssl"}, {"vg-1", "vg-2"}),
        ({"rule": "vg-1", "lineage": "registry/team/"}, {"vg-1"}),
        ({"rule": "vg-1", "lineage": "registry/team/app"}, {"vg-1"}),
        ({"rule": "vg-1", "lineage": "registry/team"}, set()),
        ({"rule": "vg-1", "lineage": "registry/te/"}, set()),
        ({"rule": "vg-1", "location": "pkg:deb/debian/other"}, set()),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_exemptions_cover_what_their_selectors_say(
    database: Database, clock: FakeClock, selectors: dict[str, str], covered: set[str], before: bool
) -> None:
    granted = exemption(clock, **selectors)
    steps = [lambda: database.write(lambda tx: STORE.add_exemption(tx, granted)),
             lambda: record(database, finding("vg-1"), finding("vg-2"))]  # fmt: skip
    for step in steps if before else reversed(steps):
        step()
    expected = {finding(rule).key for rule in covered}
    assert keys(database, FindingFilter(exempt=True)) == expected
    both = [finding("vg-1"), finding("vg-2")]
    assert database.read(lambda tx: STORE.exemptions_for(tx, both)).keys() == expected
    in_force = database.read(lambda tx: STORE.exemptions_active(tx, "registry/team/app"))
    assert {one.key for one in both if any(held.covers(one) for held in in_force)} == expected


def test_an_exemption_ends_by_time_and_by_revocation(database: Database, clock: FakeClock) -> None:
    record(database, finding())
    short, long = exemption(clock), exemption(clock, expires_at=clock.now() + 3 * DAY)
    for granted in (short, long):
        database.write(lambda tx, granted=granted: STORE.add_exemption(tx, granted))
    assert database.read(STORE.next_expiry) == short.expires_at
    assert database.read(lambda tx: STORE.get(tx, finding().key)).exemption_id == long.id
    database.write(lambda tx: STORE.revoke_exemption(tx, long.id))
    assert database.read(lambda tx: STORE.get(tx, finding().key)).exemption_id == short.id
    clock.advance(86400)
    assert database.read(lambda tx: STORE.get(tx, finding().key)).exemption_id is None
    assert keys(database, FindingFilter(exempt=True)) == set()
    assert database.read(STORE.next_expiry) is None


@pytest.mark.parametrize("fault", [{"reason": " "}, {"approver": ""}, {"expires_at": 5}, {"rule": ""}])
def test_an_exemption_without_what_it_needs_is_refused(
    database: Database, clock: FakeClock, fault: dict[str, Any]
) -> None:
    with pytest.raises(Invalid):
        database.write(lambda tx: STORE.add_exemption(tx, exemption(clock, **fault)))
    with pytest.raises(NotFound):
        database.write(lambda tx: STORE.revoke_exemption(tx, "none"))


def test_filters_find_what_they_name(database: Database) -> None:
    a = finding("vg-a", exploited=True, severity=Severity.CRITICAL, likelihood=0.5)
    b = finding("vg-b", location="pkg:pypi/django", fix="", action="upgrade|pypi|django", title="Django 100% odd_name")
    other = finding("vg-c", lineage="registry/team2/x", severity=Severity.LOW)
    record(database, a, b)
    record(database, other, lineage="registry/team2/x", subject="sha256:cc")
    expected = {
        FindingFilter(): {a, b, other},
        FindingFilter(lineage="registry/team/"): {a, b},
        FindingFilter(lineage="registry/team2/x"): {other},
        FindingFilter(scopes=("registry/team",)): {a, b},
        FindingFilter(scopes=("registry/team/app", "registry/team2")): {a, b, other},
        FindingFilter(scopes=()): set(),
        FindingFilter(scopes=("",)): {a, b, other},
        FindingFilter(severities=(Severity.CRITICAL, Severity.LOW)): {a, other},
        FindingFilter(exploited=True): {a},
        FindingFilter(fixable=False): {b},
        FindingFilter(action="upgrade|pypi|django"): {b},
        FindingFilter(subject="sha256:cc"): {other},
        FindingFilter(rule="CVE-vg-b"): {b},
        FindingFilter(text="DJANGO"): {b},
        FindingFilter(text="cve-VG-c"): {other},
        FindingFilter(text="100%"): {b},
        FindingFilter(text="d_n"): {b},
        FindingFilter(text="x_y%"): set(),
        FindingFilter(domain="posture"): set(),
        FindingFilter(state="affected", owner=""): {a, b, other},
    }
    for chosen, found in expected.items():
        assert keys(database, chosen) == {one.key for one in found}, chosen
    counts = database.read(lambda tx: STORE.counts(tx, OPEN))
    assert counts == {Severity.CRITICAL: 1, Severity.HIGH: 1, Severity.LOW: 1, Severity.MEDIUM: 0,
                      Severity.NEGLIGIBLE: 0, Severity.UNKNOWN: 0}  # fmt: skip


@pytest.mark.parametrize("sort", ["risk", "newest", "oldest", "lineage"])
def test_pages_hold_every_finding_once_and_in_order(database: Database, clock: FakeClock, sort: Sort) -> None:
    for batch in range(3):
        clock.advance(1)
        found = [
            finding(
                f"vg-{batch}-{n}",
                severity=list(Severity)[n % 6],
                likelihood=None if n % 2 else n / 10,
                exploited=n == 3,
            )
            for n in range(9)
        ]
        record(database, *found, subject=f"sha256:{batch}")
    whole = database.read(lambda tx: STORE.search(tx, OPEN, CURSORS, sort=sort, limit=500)).items
    pages, cursor = [], None
    while True:
        got = database.read(lambda tx, at=cursor: STORE.search(tx, OPEN, CURSORS, sort=sort, cursor=at, limit=4))
        pages += got.items
        cursor = got.next
        if cursor is None:
            break
    assert tuple(pages) == whole
    assert len({one.key for one in whole}) == 27
    if sort == "risk":
        ranks = [(one.finding.exploited, one.finding.severity.rank) for one in whole]
        assert ranks == sorted(ranks, reverse=True)


def test_a_cursor_of_another_listing_is_refused(database: Database) -> None:
    record(database, finding("vg-1"), finding("vg-2"))
    cursor = database.read(lambda tx: STORE.search(tx, OPEN, CURSORS, sort="risk", limit=1)).next
    for bad in (cursor, "x", "", "AAAA" * 40, Cursors(b"other").encode("findings/newest", [1, 1])):
        if bad:
            with pytest.raises(Invalid):
                database.read(lambda tx, bad=bad: STORE.search(tx, OPEN, CURSORS, sort="newest", cursor=bad))
    for limit in (0, 501):
        with pytest.raises(Invalid):
            database.read(lambda tx, limit=limit: STORE.search(tx, OPEN, CURSORS, limit=limit))


def test_groups_by_action_count_what_one_action_settles(database: Database) -> None:
    record(database, finding("vg-1", severity=Severity.CRITICAL), finding("vg-2", likelihood=0.9, fix=""))
    record(database, finding("vg-1", severity=Severity.CRITICAL), subject="sha256:bb")
    django = finding("vg-3", exploited=True, severity=Severity.LOW, action="upgrade|pypi|django")
    record(database, django, lineage="registry/team/web", subject="sha256:cc")
    groups = database.read(lambda tx: STORE.by_action(tx, OPEN))
    assert [group.action for group in groups] == ["upgrade|pypi|django", "os-update|debian:12|openssl"]
    group = groups[1]
    assert (group.findings, group.subjects, group.lineages, group.fixable) == (2, 2, 1, 1)
    assert (group.severity, group.likelihood, group.exploited) == (Severity.CRITICAL, 0.9, False)
    assert group.counts[Severity.HIGH] == 1
    rest = database.read(lambda tx: STORE.by_action(tx, OPEN, least=(1, Severity.LOW.rank, "upgrade|pypi|django")))
    assert [one.action for one in rest] == ["os-update|debian:12|openssl"]


def test_ten_thousand_occurrences_in_one_transaction(database: Database) -> None:
    many = [finding(f"vg-{n}", location=f"pkg:deb/debian/p{n % 300}") for n in range(10_000)]
    assert len(record(database, *many).appeared) == 10_000
    assert not record(database, *many).changed
    assert len(record(database, *many[:10]).resolved) == 9_990
    assert sum(database.read(lambda tx: STORE.counts(tx, OPEN)).values()) == 10


@pytest.fixture
def many(database: Database) -> Database:
    """Four thousand open findings of every risk, with ties and without a likelihood, and as many resolved ones."""

    def fill(tx: Transaction) -> None:
        base = tx.execute(sa.select(findings)).one()._asdict()
        fixed = {name: value for name, value in base.items() if name not in {"id", "risk"}}
        rows = [
            fixed
            | {
                "key": f"{number:032}", "severity": Severity.of_rank(number % 6).value, "severity_rank": number % 6, "exploited": number % 7 == 0,
                "likelihood": (None, 0.25, 0.0, 0.999, 1.0)[number % 5], "resolved_at": (None, 1)[number % 2],
            }
            for number in range(8000)
        ]  # fmt: skip
        tx.execute(sa.insert(findings), rows)

    record(database, finding())
    database.write(fill)
    database.write(lambda tx: tx.connection.exec_driver_sql("ANALYZE"))
    return database


def walk(database: Database, limit: int) -> list[StoredFinding]:
    seen: list[StoredFinding] = []
    cursor: str | None = None
    while True:
        page = database.read(lambda tx, at=cursor: STORE.search(tx, OPEN, CURSORS, cursor=at, limit=limit))
        seen += page.items
        cursor = page.next
        if cursor is None:
            return seen


def test_pages_by_risk_show_each_finding_once_and_the_worst_first(many: Database) -> None:
    seen = [one.finding for one in walk(many, 499)]
    risk = [(one.exploited, one.severity.rank, -1.0 if one.likelihood is None else one.likelihood) for one in seen]
    assert risk == sorted(risk, reverse=True)
    assert len(set(risk)) < len(seen) == 4001


def test_a_page_by_risk_is_read_from_the_index_where_it_begins(many: Database) -> None:
    """Neither the first page nor one far in sorts all rows, or walks past those of the pages before."""
    asked: list[tuple[str, Any]] = []

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if "FROM findings" in statement:
            asked.append((statement, parameters))

    def look(tx: Transaction) -> list[str]:
        sa.event.listen(tx.connection, "before_cursor_execute", remember)
        first = STORE.search(tx, OPEN, CURSORS, limit=20)
        STORE.search(tx, OPEN, CURSORS, limit=20, cursor=first.next)
        sa.event.remove(tx.connection, "before_cursor_execute", remember)
        explain = "EXPLAIN QUERY PLAN " if tx.dialect == "sqlite" else "EXPLAIN "
        return [str(tx.connection.exec_driver_sql(explain + text, values).all()) for text, values in asked]

    first, next_ = many.read(look)
    for plan in (first, next_):
        assert "ix_findings_risk" in plan, plan
        assert "TEMP B-TREE" not in plan, plan
        assert "Sort" not in plan, plan
    assert "(risk<?)" in next_ or "Index Cond: (ROW(risk, id) < ROW(" in next_, next_
