"""Packages and sets of packages, each stored once for all images that have it."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from pratique.advisories.types import PackageKey
from pratique.core.database import Transaction
from pratique.inventory.types import ImageInventory, Package
from pratique.scan.tables import package_keys, package_sets, packages, set_members

T = TypeVar("T")
CHUNK = 400
"""Rows per statement: under the least limit on parameters of both engines."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A distinct package of an image and each place where it lies: (layer index, diff_id, path)."""

    key: str
    package: Package
    places: tuple[tuple[int, str, str], ...]
    owner: Package | None = None
    """The distribution's package that ships these files: its feed may speak for this copy."""


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Yield lists of at most `size` items."""
    held: list[T] = []
    for item in items:
        held.append(item)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


def placeless(package: Package) -> Package:
    """The package without its path: what matching asks about, the same in every place."""
    return msgspec.structs.replace(package, location="")


def package_key(package: Package, owner: Package | None = None) -> str:
    """The identity of a package for matching: equal keys always get equal answers."""
    canonical = msgspec.json.encode(("pratique.package.v1", placeless(package), owner))
    return hashlib.sha256(canonical).hexdigest()


def placed(inventory: ImageInventory) -> list[Placed]:
    """The distinct packages of an image, by key."""
    by_name = {f"{item.ecosystem}/{item.name}": placeless(item) for item in inventory.package_set.packages}
    found: dict[str, tuple[Package, Package | None, list[tuple[int, str, str]]]] = {}
    for package, origin in inventory.placed():
        owner = by_name.get(package.owned_by) if package.owned_by else None
        entry = found.setdefault(package_key(package, owner), (placeless(package), owner, []))
        entry[2].append((origin.layer_index, origin.diff_id, package.location))
    return [Placed(key, package, tuple(where), owner) for key, (package, owner, where) in sorted(found.items())]


def ids_of(tx: Transaction, keys: Iterable[str]) -> dict[str, int]:
    """Return the ids of the packages that are stored, by key."""
    return {row.key: row.id for row in _stored(tx, set(keys))}


def judged_keys(tx: Transaction, keys: Iterable[str]) -> set[str]:
    """Return those keys whose package is stored and has been judged."""
    return {row.key for row in _stored(tx, set(keys)) if row.judged}


def _stored(tx: Transaction, keys: Collection[str]) -> list[Any]:
    """Return key, id and whether it was judged of those that are stored; by the set's digest when the set is known."""
    columns = packages.c.key, packages.c.id, packages.c.candidates.is_not(None).label("judged")
    together = (
        sa.select(*columns)
        .join(set_members, set_members.c.package_id == packages.c.id)
        .join(package_sets, package_sets.c.id == set_members.c.set_id)
        .where(package_sets.c.digest == set_digest(keys))
    )
    rows = list(tx.execute(together)) if keys else []
    if len(rows) == len(keys):
        return rows
    return [row for part in chunks(keys) for row in tx.execute(sa.select(*columns).where(packages.c.key.in_(part)))]


def has_unjudged(tx: Transaction, set_id: int) -> bool:
    """True when a package of this set has no judgement."""
    statement = (
        sa.select(sa.literal(1))
        .select_from(set_members)
        .join(packages, packages.c.id == set_members.c.package_id)
        .where(set_members.c.set_id == set_id, packages.c.candidates.is_(None))
    )
    return tx.execute(statement.limit(1)).scalar() is not None


def store_packages(
    tx: Transaction, items: Sequence[Placed], addresses: Mapping[str, Sequence[PackageKey]]
) -> dict[str, int]:
    """Store packages that are new, with the addresses under which feeds speak of them; return all ids by key."""
    present = ids_of(tx, (item.key for item in items))
    new = [item for item in items if item.key not in present]
    for part in chunks(new, 100):
        tx.execute(tx.insert(packages).on_conflict_do_nothing(), [_row(item) for item in part])
    added = ids_of(tx, (item.key for item in new))
    _store_addresses(tx, added, addresses)
    return present | added


def _row(item: Placed) -> dict[str, object]:
    return {
        "key": item.key,
        "record": item.package,
        "owner": item.owner,
        "candidates": None,
        "not_assessed": None,
        "not_assessed_code": "",
    }


def _store_addresses(tx: Transaction, ids: Mapping[str, int], addresses: Mapping[str, Sequence[PackageKey]]) -> None:
    rows = [
        {"ecosystem": address.ecosystem, "name": address.name, "package_id": identity}
        for key, identity in ids.items()
        for address in set(addresses.get(key, ()))
    ]
    for part in chunks(rows, 200):
        tx.execute(tx.insert(package_keys).on_conflict_do_nothing(), part)


def set_digest(keys: Iterable[str]) -> str:
    """The content address of a set of packages, wherever in an image they lie."""
    return "sha256:" + hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()


def store_set(tx: Transaction, distro: str, ids: Mapping[str, int]) -> int:
    """Store a set of packages once and return its id."""
    digest = set_digest(ids)
    where = package_sets.c.digest == digest
    known = tx.execute(sa.select(package_sets.c.id).where(where)).scalar()
    if known is not None:
        return int(known)
    values = {"digest": digest, "distro": distro, "size": len(ids), "unassessed": {}}
    tx.execute(tx.insert(package_sets).values(**values).on_conflict_do_nothing())
    identity = int(tx.execute(sa.select(package_sets.c.id).where(where)).scalar_one())
    for part in chunks(sorted(ids.values())):
        rows = [{"set_id": identity, "package_id": package} for package in part]
        tx.execute(tx.insert(set_members).on_conflict_do_nothing(), rows)
    return identity


def count_unassessed(tx: Transaction, set_ids: Iterable[int]) -> None:
    """Bring up to date how many packages of these sets could not be judged, and why."""
    for part in chunks(set_ids):
        counts: dict[int, Counter[str]] = {identity: Counter() for identity in part}
        statement = (
            sa.select(set_members.c.set_id, packages.c.not_assessed, sa.func.count().label("n"))
            .join(packages, packages.c.id == set_members.c.package_id)
            .where(set_members.c.set_id.in_(part), packages.c.not_assessed.is_not(None))
            .group_by(set_members.c.set_id, packages.c.not_assessed)
        )
        for row in tx.execute(statement):
            counts[row.set_id][row.not_assessed] = row.n
        update = sa.update(package_sets).where(package_sets.c.id == sa.bindparam("which"))
        rows = [{"which": identity, "unassessed": dict(count)} for identity, count in counts.items()]
        tx.execute(update, rows)


def addressed(tx: Transaction, addresses: Iterable[PackageKey]) -> list[int]:
    """Return the ids of packages that feeds speak of under these addresses."""
    found: set[int] = set()
    columns = sa.tuple_(package_keys.c.ecosystem, package_keys.c.name)
    for part in chunks(addresses, 200):
        pairs = [(address.ecosystem, address.name) for address in part]
        found.update(tx.execute(sa.select(package_keys.c.package_id).where(columns.in_(pairs))).scalars())
    return sorted(found)


def load_packages(tx: Transaction, ids: Sequence[int]) -> dict[int, Placed]:
    """Return packages by id, under their keys; of where they lie nothing is known here."""
    columns = (packages.c.id, packages.c.key, packages.c.record, packages.c.owner)
    rows = tx.execute(sa.select(*columns).where(packages.c.id.in_(ids)))
    return {
        row.id: Placed(
            row.key,
            msgspec.convert(row.record, Package),
            (),
            msgspec.convert(row.owner, Package) if row.owner else None,
        )
        for row in rows
    }
