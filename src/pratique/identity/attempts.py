"""Limits on guessing passwords: few tries for one name from one address, more for a name, more for an address.

A try is counted before it is judged, in one statement, so that many at once gain nothing. The tight limit holds for
name and address together: a stranger elsewhere cannot lock somebody out with five wrong guesses. Keys are keyed
hashes of canonical values: the table names nobody, and upper case or spaces make no new name.
"""

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.clock import MINUTE, SECOND
from pratique.core.database import Database, Transaction
from pratique.core.keys.types import KeyClient, Purpose
from pratique.core.sealed import associated_data
from pratique.identity.errors import LockedOut
from pratique.identity.tables import login_failures

WINDOW = 15 * MINUTE
_NAME_AND_ADDRESS = 5
_NAME = 100
_ADDRESS = 50


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try that counts as failed until it is said to have succeeded."""

    limits: tuple[tuple[str, int], ...]


class Attempts:
    """Counts tries; raises LockedOut with the time to wait once a limit is reached."""

    def __init__(self, database: Database, keys: KeyClient) -> None:
        self._database = database
        self._keys = keys
        self._key = b""

    async def begin(self, name: str, address: str, *, per_name: int = _NAME) -> Attempt:
        """Count a try for this canonical name from this address, or raise LockedOut."""
        place = network_of(address)
        keys = self._keyed(("both", name, place), ("name", name), ("address", place))
        attempt = Attempt(tuple(zip(keys, (_NAME_AND_ADDRESS, per_name, _ADDRESS), strict=True)))
        wait = await self._database.write_async(lambda tx: _count(tx, attempt))
        if wait:
            raise LockedOut(
                "Too many wrong tries.",
                retry_after=wait,
                remedy=f"Wait {int(wait // 60) + 1} minutes, or ask an administrator for a one-time link.",
            )
        return attempt

    async def succeed(self, attempt: Attempt) -> None:
        """The try was right: forget the wrong ones before it from this address."""
        key = attempt.limits[0][0]
        others = [key for key, _ in attempt.limits[1:]]

        def forget(tx: Transaction) -> None:
            tx.execute(sa.delete(login_failures).where(login_failures.c.key == key))
            tx.execute(
                sa.update(login_failures)
                .where(login_failures.c.key.in_(others), login_failures.c.tries > 0)
                .values(tries=login_failures.c.tries - 1)
            )

        await self._database.write_async(forget)

    def _keyed(self, *values: Sequence[str]) -> list[str]:
        if not self._key:
            self._key = self._keys.hmac(Purpose.FINGERPRINT, b"login failures")
        return [hmac.digest(self._key, associated_data(value), "sha256").hex() for value in values]


def network_of(address: str) -> str:
    """The address that limits count by: one IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def _count(tx: Transaction, attempt: Attempt) -> float:
    """Count one try; return how many seconds to wait when a limit had been reached before, else 0."""
    now = tx.now
    tx.execute(sa.delete(login_failures).where(login_failures.c.until < now))
    keys = [key for key, _ in attempt.limits]
    found = {r.key: r for r in tx.execute(sa.select(login_failures).where(login_failures.c.key.in_(keys))).all()}
    reached = [found[key].until for key, limit in attempt.limits if key in found and found[key].tries >= limit]
    if reached:
        return float(max((max(reached) - now) / SECOND, 1.0))
    for key in keys:
        _add(tx, key, now)
    return 0.0


def _add(tx: Transaction, key: str, now: int) -> None:
    insert = tx.insert(login_failures).values(key=key, tries=1, since=now, until=now + WINDOW)
    tx.execute(
        insert.on_conflict_do_update(
            index_elements=[login_failures.c.key], set_={"tries": login_failures.c.tries + 1, "until": now + WINDOW}
        )
    )
