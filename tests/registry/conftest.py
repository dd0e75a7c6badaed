"""A running registry for tests, with test callers and no policy: gates move only when a test moves them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.registry.clients import Client
from tests.registry.serving import Running, serving

from pratique.core.database import Database, Transaction, create_schema, open_database
from pratique.registry.types import GateReason, GateState


@pytest.fixture
def live_database(state_dir: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{state_dir}/pratique.db", hints_directory=state_dir / "hints")
    create_schema(database)
    yield database
    database.close()


@pytest.fixture
def registry(live_database: Database, state_dir: Path) -> Iterator[Running]:
    with serving(live_database, state_dir) as running:
        yield running


@pytest.fixture
def pusher(registry: Running) -> Iterator[Client]:
    with Client(registry.url, "pusher") as client:
        yield client


@pytest.fixture
def reader(registry: Running) -> Iterator[Client]:
    with Client(registry.url, "reader") as client:
        yield client


class Judge:
    """Moves gates as a policy would."""

    def __init__(self, running: Running) -> None:
        self._running = running

    def decide(
        self,
        name: str,
        digest: str,
        state: GateState,
        summary: str = "because a test says so",
        decision: str | None = None,
    ) -> bool:
        service, database = self._running.parts.service, self._running.database

        def body(tx: Transaction) -> bool:
            repository = service.repository(tx, name)
            return service.apply_gate(
                tx,
                repository_id=repository.id,
                digest=digest,
                state=state,
                reason=GateReason(summary, remedy="update openssl to 3.0.17"),
                decision_id=decision,
            )

        return database.write(body)

    def open(self, name: str, digest: str) -> bool:
        return self.decide(name, digest, GateState.OPEN, "open: no finding")

    def refuse(self, name: str, digest: str) -> bool:
        return self.decide(name, digest, GateState.REFUSED, "refused: CVE-2024-0001 in openssl 3.0.11 (critical)")


@pytest.fixture
def judge(registry: Running) -> Judge:
    return Judge(registry)
