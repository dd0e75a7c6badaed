import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pratique.core.audit import Audit
from pratique.core.clock import Clock, FakeClock
from pratique.core.database import Cursors, Database, Epochs, Transaction
from pratique.core.keys.client import Keys
from pratique.core.keys.operations import Operations
from pratique.core.keys.ring import SealedFile
from pratique.core.keys.types import Role as KeyRole
from pratique.core.outward import OutwardClient
from pratique.core.permissions import OPERATOR, Permission, Scope
from pratique.core.settings import Settings
from pratique.identity import roles
from pratique.identity.passwords import Passwords
from pratique.identity.service import IdentityService
from pratique.identity.token_requests import TokenRequest
from pratique.identity.token_service import IssuedTokens
from pratique.identity.types import Assignment, NewSecret, Principal, PrincipalKind, PrincipalName

T = TypeVar("T")


@dataclass
class World:
    """Identity with real parts, and the few sentences that tests say again and again."""

    identity: IdentityService
    database: Database
    keys: Keys
    clock: Any

    def write(self, body: Callable[[Transaction], T]) -> T:
        return self.database.write(body)

    def read(self, body: Callable[[Transaction], T]) -> T:
        return self.database.read(body)

    def run(self, awaited: Awaitable[T]) -> T:
        async def wait() -> T:
            return await awaited

        return asyncio.run(wait())

    def create(self, name: str = "builder", kind: PrincipalKind = "service") -> Principal:
        return self.write(lambda tx: self.identity.principals.create(tx, OPERATOR, PrincipalName.parse(name), kind))

    def secret(self, principal: Principal, **more: Any) -> NewSecret:
        return self.write(lambda tx: self.identity.principals.add_secret(tx, OPERATOR, principal, **more))

    def assign(self, principal: Principal, role: str, scope: str, **more: Any) -> Assignment:
        return self.write(
            lambda tx: self.identity.assignments.create(
                tx, OPERATOR, principal, roles.find(role), Scope.parse(scope), **more
            )
        )

    def ask(self, name: str, secret: str, *scopes: str, address: str = "192.0.2.1", **more: Any) -> IssuedTokens:
        request = TokenRequest("secret", name, secret, scopes, **more)
        return self.run(self.identity.token_service.issue(request, address))

    def other_owner(self) -> None:
        """Somebody else owns everything, so that the principal of a test may go."""
        self.assign(self.create("other-owner"), "Owner", "/")

    def may(self, principal: Principal, permission: Permission, scope: str) -> bool:
        return self.identity.authorizer.explain(principal.id, permission, Scope.parse(scope)).allowed


def make_world(
    database: Database, keys: Keys, clock: Clock, *, outward: OutwardClient | None = None, **settings: Any
) -> World:
    audit = Audit(database)
    identity = IdentityService(
        database,
        keys,
        replace(Settings().identity, **settings),
        epochs=Epochs(database),
        audit=audit,
        cursors=Cursors(b"cursor" * 6),
        clock=clock,
        passwords=Passwords(memory_kib=64, passes=1),
        outward=outward,
    )
    return World(identity, database, keys, clock)


@pytest.fixture
def operations(state_dir: Path, clock: FakeClock) -> Iterator[Operations]:
    file = SealedFile(state_dir / "keys")
    yield Operations(file, clock)
    file.close()


@pytest.fixture
def keys(operations: Operations) -> Keys:
    """What the API may do with the keys."""
    return Keys(lambda request: operations.perform(KeyRole.API, request))


@pytest.fixture
def admin_keys(operations: Operations) -> Keys:
    """The same ring, as the admin socket opens it."""
    return Keys(lambda request: operations.perform(KeyRole.ADMIN, request))


@pytest.fixture
def world(sqlite_database: Database, keys: Keys, clock: FakeClock) -> Iterator[World]:
    """Identity on SQLite."""
    made = make_world(sqlite_database, keys, clock)
    yield made
    made.identity.close()


@pytest.fixture
def both(database: Database, keys: Keys, clock: FakeClock) -> Iterator[World]:
    """Identity on each engine."""
    made = make_world(database, keys, clock)
    yield made
    made.identity.close()
