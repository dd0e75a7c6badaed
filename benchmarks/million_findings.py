"""A million findings: milliseconds of CPU of what people open, at the beginning and far in, and of each filter.

5,000 images, one in each of 5,000 repositories, show 1,000,000 findings of 2,000 actions. The same is asked of a tenth
of that: what is flat costs the same over both.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from pratique.core.database import Cursors, Database, Epochs, create_schema, open_database
from pratique.core.findings.store import FindingStore
from pratique.core.findings.types import FindingFilter as StoreFilter
from pratique.core.findings.types import Severity
from pratique.recommendations.refresh import Refresher
from pratique.recommendations.service import RecommendationService
from pratique.recommendations.types import FindingFilter, RecommendationFilter

sys.path.insert(0, str(Path(__file__).parent))  # the other benchmark's rows
from recommendations import PER_LINEAGE, fill, order

MANY, SHARE = 1_000_000, 10
DEEP = 40
"""Pages that are turned before one is timed, of the largest size that a client may ask for."""
ROUNDS = 3


def main() -> None:
    many = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    few, all_ = (measured(count) for count in (many // SHARE, many))
    for name, cost in all_.items():
        print(f"{name:42} {cost:8.1f} ms over {many:,}, {cost / few[name]:5.1f} times that over {many // SHARE:,}")


def measured(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/bench.db", wait=60)
        begun = time.process_time()
        made(database, count)
        print(f"{count:,} findings made in {time.process_time() - begun:.0f} CPU s", flush=True)
        try:
            return {name: cpu(call) for name, call in asked(database, count).items()}
        finally:
            database.close()


def made(database: Database, count: int) -> None:
    create_schema(database)
    database.in_pieces(range(count // PER_LINEAGE), fill)
    epochs = Epochs(database)
    refresher = Refresher(database, order, lambda tx: epochs.bump(tx, "recommendations"))
    database.write(refresher.everything)
    refresher.run()


def asked(database: Database, count: int) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name."""
    service = RecommendationService(database, Cursors(b"k"), order)
    actions, evidence = RecommendationFilter(limit=50), FindingFilter(limit=50)
    last = count // PER_LINEAGE - 1
    image = f"sha256:{last:064x}"
    wanted: dict[str, Callable[[], object]] = {
        "recommendations, first page": partial(service.page, actions),
        "recommendations, page far in": partial(service.page, deep_actions(service)),
        "recommendations, search": partial(service.page, replace(actions, search="package-17")),
        "findings, first page": partial(service.findings, evidence),
        "findings, page far in": partial(service.findings, deep_findings(service)),
        "findings, search": partial(service.findings, replace(evidence, search="cve-2026-1234")),
        "findings of an image": partial(service.findings, replace(evidence, subject=image)),
        "findings of a repository": partial(
            service.findings, replace(evidence, repository=f"team-{last % 97}/app-{last}")
        ),
        "findings, exploited": partial(service.findings, replace(evidence, exploited=True)),
        "findings, of low severity": partial(service.findings, replace(evidence, severity=(Severity.LOW,))),
        "findings, not assessed (there is none)": partial(service.findings, replace(evidence, assessed=False)),
    }
    return {**wanted, **asked_of_store(database)}


def asked_of_store(database: Database) -> dict[str, Callable[[], object]]:
    store, cursors, chosen = FindingStore(), Cursors(b"k"), StoreFilter()
    cursor: str | None = None
    for _ in range(DEEP):
        cursor = database.read(lambda tx, at=cursor: store.search(tx, chosen, cursors, cursor=at, limit=500)).next  # type: ignore[misc]
    return {
        "store, by risk, first page": lambda: database.read(lambda tx: store.search(tx, chosen, cursors, limit=50)),
        "store, by risk, page far in": lambda: database.read(
            lambda tx: store.search(tx, chosen, cursors, cursor=cursor, limit=50)
        ),
    }


def deep_actions(service: RecommendationService) -> RecommendationFilter:
    page = service.page(RecommendationFilter(limit=100))
    for _ in range(10):
        page = service.page(RecommendationFilter(limit=100, cursor=page.next_cursor))
    return RecommendationFilter(limit=50, cursor=page.next_cursor)


def deep_findings(service: RecommendationService) -> FindingFilter:
    wanted = FindingFilter(limit=500)
    for _ in range(DEEP):
        wanted = replace(wanted, cursor=service.findings(wanted).next_cursor)
    return replace(wanted, limit=50)


def cpu(call: Callable[[], object]) -> float:
    """Return the CPU milliseconds of one call, the first one left out."""
    call()
    begun = time.process_time()
    for _ in range(ROUNDS):
        call()
    return (time.process_time() - begun) / ROUNDS * 1000


if __name__ == "__main__":
    main()
