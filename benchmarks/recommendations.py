"""The recommendations page over many findings: milliseconds of CPU for a page of 50, beside the same over few."""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

import sqlalchemy as sa

from pratique.core.database import Cursors, Database, Epochs, Transaction, create_schema, open_database
from pratique.core.findings.tables import findings, occurrences, rule_names, subjects
from pratique.core.findings.types import Severity, finding_key
from pratique.recommendations.refresh import Refresher
from pratique.recommendations.service import RecommendationService
from pratique.recommendations.types import FindingFilter, RecommendationFilter, Sort, Visibility

FEW, MANY = 10_000, 1_000_000
PER_LINEAGE, ACTIONS, ROUNDS = 200, 2_000, 3


def order(_scheme: str, version: str) -> bytes:
    return version.encode()


def fill(tx: Transaction, lineage: int) -> None:
    name, first = f"registry/team-{lineage % 97}/app-{lineage}", lineage * PER_LINEAGE
    row = {"id": lineage + 1, "domain": "scan", "lineage": name, "subject": f"sha256:{lineage:064x}", "content": None}
    tx.execute(sa.insert(subjects).values(row))
    rows = []
    for number in range(PER_LINEAGE):
        rank = (lineage + number) % 6
        package = (lineage * 7 + number) % ACTIONS
        flaw = package * 10 + lineage % 10
        action = f"os-update|debian:12|package-{package}"
        rule, location = f"vg-{flaw}", f"pkg:deb/debian/package-{package}"
        rows.append({
            "id": first + number + 1, "key": finding_key(rule, name, location), "domain": "scan", "rule": rule,
            "lineage": name, "location": location, "title": "a flaw", "severity": Severity.of_rank(rank).value,
            "severity_rank": rank, "severity_source": "NVD", "state": "affected", "exploited": number % 50 == 0,
            "likelihood": number / PER_LINEAGE, "fix": "1.2.3" if number % 4 else "", "action": action,
            "aliases": [f"CVE-2026-{flaw}"], "first_seen": tx.now, "changed_at": tx.now, "resolved_at": None,
            "owner": f"owner-{package % 50}" if package % 3 else "", "due_at": None, "exemption_id": None,
            "exempt_until": None,
        })  # fmt: skip
    tx.execute(sa.insert(findings), rows)
    names = [{"rule": row["rule"], "name": row["aliases"][0]} for row in rows]
    tx.execute(tx.insert(rule_names).on_conflict_do_nothing(), names)
    tx.execute(sa.insert(occurrences), [
        {"subject_id": lineage + 1, "finding_id": row["id"], "version": "1.0", "content": b"", "evidence": {},
         "remediation": "", "first_seen": tx.now} for row in rows
    ])  # fmt: skip


def cpu(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the CPU milliseconds of one call, the first one left out."""
    call()
    begun = time.process_time()
    for _ in range(rounds):
        call()
    return (time.process_time() - begun) / rounds * 1000


def figures(database: Database, count: int) -> dict[str, float]:
    create_schema(database)
    lineages = count // PER_LINEAGE
    database.in_pieces(range(lineages), fill)
    epochs = Epochs(database)
    refresher = Refresher(database, order, lambda tx: epochs.bump(tx, "recommendations"))
    database.write(refresher.everything)
    begun = time.process_time()
    refresher.run()
    spent = (time.process_time() - begun) / count * 1e6
    service = RecommendationService(database, Cursors(b"k"), order)
    team = Visibility(allow=("registry/team-1",))
    first = service.page(RecommendationFilter()).items[0]
    return {
        "page": cpu(lambda: (service.page(RecommendationFilter()), service.summary())),
        "page of one team": cpu(lambda: (service.page(RecommendationFilter(), team), service.summary(team))),
        **searches(service),
        "search of one team": cpu(lambda: service.page(RecommendationFilter(search="package-17"), team)),
        "evidence": cpu(lambda: service.findings(FindingFilter(recommendation=first.id, limit=25))),
        "sums, us per finding": spent,
    }


SEARCHES = ("package-17", "cve-2026-1234", "cve-2026", "app-77", "team-1", "nothing-at-all", "package team-5 cve-2026")
ORDERS = (Sort.SEVERITY, Sort.IMAGES, Sort.NEWEST, Sort.DUE)


def searches(service: RecommendationService) -> dict[str, float]:
    pages = {f"search {text}": RecommendationFilter(search=text) for text in SEARCHES}
    pages |= {f"by {sort.value}": RecommendationFilter(sort=sort) for sort in ORDERS}
    pages["of one owner"] = RecommendationFilter(owner="owner-7")
    pages["one repository prefix"] = RecommendationFilter(repository="team-1")
    found = {name: cpu(partial(service.page, wanted)) for name, wanted in pages.items()}
    listed = {
        f"findings {text}": cpu(partial(service.findings, FindingFilter(search=text)), rounds=3) for text in SEARCHES
    }
    return found | listed


def main() -> None:
    many = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    shown = []
    for count in (FEW, many):
        with tempfile.TemporaryDirectory() as folder:
            database = open_database(f"sqlite:///{folder}/bench.db", wait=60)
            shown.append(figures(database, count))
            database.close()
    few, all_ = shown
    for name, value in all_.items():
        print(f"{name}: {value:.1f} ms over {many:,} findings, {value / few[name]:.1f} times that over {FEW:,}")


if __name__ == "__main__":
    main()
