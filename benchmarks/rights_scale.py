"""Rights over 10,000 principals and 100,000 assignments beside 100 and 1,000: checks and lists must not grow.

    python benchmarks/rights_scale.py [--principals 10000]

Prints CPU microseconds of a check from memory, of a first check after a change, of a page of assignments and of
"who can", and their ratios to the small installation; limit 2 for each.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from pratique.core.audit import Audit
from pratique.core.database import Cursors, Database, Epochs, Transaction, create_schema, open_database
from pratique.core.ids import new_id
from pratique.core.keys.client import local_keys
from pratique.core.permissions import OPERATOR, Caller, Permission, Scope
from pratique.core.settings import Settings
from pratique.identity import roles
from pratique.identity.service import IdentityService
from pratique.identity.tables import assignments, principals

EACH = 10
PULL, ROLE = Permission.REGISTRY_CONTENT_READ, roles.find("AcrPull").id
LIMIT = 2.0


def fill(database: Database, count: int) -> list[str]:
    """Store principals with ten assignments each, a thousand at a time; return their ids."""
    ids = [new_id() for _ in range(count)]
    for begin in range(0, count, 1000):
        some = ids[begin : begin + 1000]
        database.write(lambda tx, some=some, begin=begin: _store(tx, some, begin))  # type: ignore[misc]
    return ids


def _store(tx: Transaction, some: list[str], begin: int) -> None:
    people = [
        {"id": one, "name": f"p{begin + n}", "kind": "service", "created_at": 1, "created_by": one}
        for n, one in enumerate(some)
    ]
    given = [
        {"id": new_id(), "principal_id": one, "role_id": ROLE, "scope": f"/registry/team{begin + n}/app{k}",
         "effect": "allow", "created_at": 1, "created_by": one}
        for n, one in enumerate(some) for k in range(EACH)
    ]  # fmt: skip
    tx.execute(sa.insert(principals), people)
    tx.execute(sa.insert(assignments), given)


def cost(call: Callable[[], object], times: int) -> float:
    """Return CPU microseconds of one call."""
    call()
    begun = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begun) / times * 1e6


def measure(folder: Path, count: int) -> dict[str, float]:
    folder.mkdir()
    database = open_database(f"sqlite:///{folder}/rights.db", hints_directory=folder / "hints")
    create_schema(database)
    keys = local_keys(folder / "keys")
    identity = IdentityService(
        database, keys, Settings().identity, epochs=Epochs(database), audit=Audit(database), cursors=Cursors(b"k" * 32)
    )
    ids = fill(database, count)
    who, place = Caller(ids[50], "p50", "service"), Scope.for_repository("team50/app5")

    def allowed() -> None:
        if not identity.authorizer.allowed(who, PULL, place):
            raise SystemExit("a right that was given is refused")

    def forgotten() -> None:
        identity.memory._epoch = -1  # noqa: SLF001  as after a change, without the cost of one
        allowed()

    found = {
        "check from memory": cost(allowed, 20_000),
        "first check after a change": cost(forgotten, 300),
        "page of 100 assignments": cost(
            lambda: database.read(lambda tx: identity.assignments.list(tx, OPERATOR, limit=100)), 50
        ),
        "assignments at a scope": cost(
            lambda: database.read(
                lambda tx: identity.assignments.list(tx, OPERATOR, scope=Scope.parse("/registry/team50"))
            ), 50,
        ),
        "who can": cost(lambda: database.read(lambda tx: identity.holders.who_can(tx, PULL, place)), 50),
    }  # fmt: skip
    identity.close()
    database.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--principals", type=int, default=10_000)
    count = parser.parse_args().principals
    with tempfile.TemporaryDirectory() as folder:
        small, large = measure(Path(folder) / "small", 100), measure(Path(folder) / "large", count)
    missed = False
    for name, value in large.items():
        ratio = value / small[name]
        missed |= ratio > LIMIT
        print(
            f"{name:28} {value:9.1f} us CPU, {small[name]:9.1f} with 100 principals: ratio {ratio:.2f} (limit {LIMIT})"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
