"""Packages and sets of packages, each stored once for all images that have it."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa

from pratique.advisories.types import PackageKey
from pratique.core.database import Transaction
from pratique.core.database.prepared import ignoring, one_of
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


class Stored(NamedTuple):
    """A package that is stored: its id, and whether it has been judged."""

    id: int
    judged: bool


def stored_packages(tx: Transaction, keys: Collection[str]) -> dict[str, Stored]:
    """Return those of these packages that are stored; by the set's digest when the set is known."""
    wanted = set(keys)
    rows: Sequence[Any] = tx.execute(_TOGETHER, {"digest": set_digest(wanted)}).all() if wanted else []
    if len(rows) != len(wanted):
        rows = [row for part in chunks(wanted) for row in tx.execute(_SINGLY, {"keys": part}).all()]
    return {key: Stored(identity, bool(judged)) for key, identity, judged in rows}


_STORED = packages.c.key, packages.c.id, packages.c.candidates.is_not(None).label("judged")
_SINGLY = sa.select(*_STORED).where(one_of(packages.c.key, "keys"))
_TOGETHER = (
    sa.select(*_STORED)
    .join(set_members, set_members.c.package_id == packages.c.id)
    .join(package_sets, package_sets.c.id == set_members.c.set_id)
    .where(package_sets.c.digest == sa.bindparam("digest"))
)


def has_unjudged(tx: Transaction, set_id: int) -> bool:
    """True when a package of this set has no judgement."""
    return tx.execute(_UNJUDGED, {"set": set_id}).scalar() is not None


_UNJUDGED = (
    sa.select(sa.literal(1))
    .select_from(set_members)
    .join(packages, packages.c.id == set_members.c.package_id)
    .where(set_members.c.set_id == sa.bindparam("set"), packages.c.candidates.is_(None))
    .limit(1)
)


def store_packages(
    tx: Transaction,
    items: Sequence[Placed],
    addresses: Mapping[str, Sequence[PackageKey]],
    known: Mapping[str, Stored] | None = None,
) -> dict[str, int]:
    """Store packages that are new, with the addresses under which feeds speak of them; return all ids by key.

    `known` is what `stored_packages` has just told in the same transaction.
    """
    present = stored_packages(tx, [item.key for item in items]) if known is None else known
    ids = {item.key: present[item.key].id for item in items if item.key in present}
    new = [item for item in items if item.key not in present]
    if new:
        for part in chunks(new, 100):
            tx.execute(_INSERT[tx.dialect], [_row(item) for item in part])
        added = {key: item.id for key, item in stored_packages(tx, [item.key for item in new]).items()}
        _store_addresses(tx, added, addresses)
        ids |= added
    return ids


_INSERT = ignoring(packages)


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
        tx.execute(_INSERT_KEY[tx.dialect], part)


_INSERT_KEY = ignoring(package_keys)


def set_digest(keys: Iterable[str]) -> str:
    """The content address of a set of packages, wherever in an image they lie."""
    return "sha256:" + hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()


def known_set(tx: Transaction, keys: Iterable[str]) -> int | None:
    """Return the id of the set of exactly these packages, None when it is not stored."""
    found = tx.execute(_SET, {"digest": set_digest(keys)}).scalar()
    return None if found is None else int(found)


_SET = sa.select(package_sets.c.id).where(package_sets.c.digest == sa.bindparam("digest"))


def store_set(tx: Transaction, distro: str, ids: Mapping[str, int]) -> int:
    """Store a set of packages once and return its id."""
    known = known_set(tx, ids)
    if known is not None:
        return known
    values = {"digest": set_digest(ids), "distro": distro, "size": len(ids), "unassessed": {}}
    tx.execute(_INSERT_SET[tx.dialect], values)
    identity = int(tx.execute(_SET, {"digest": values["digest"]}).scalar_one())
    for part in chunks(sorted(ids.values())):
        tx.execute(_INSERT_MEMBER[tx.dialect], [{"set_id": identity, "package_id": package} for package in part])
    return identity


_INSERT_SET = ignoring(package_sets)
_INSERT_MEMBER = ignoring(set_members)


def count_unassessed(tx: Transaction, set_ids: Iterable[int]) -> None:
    """Bring up to date how many packages of these sets could not be judged, and why."""
    for part in chunks(set_ids):
        counts: dict[int, Counter[str]] = {identity: Counter() for identity in part}
        for row in tx.execute(_UNASSESSED, {"sets": part}).all():
            counts[row.set_id][row.not_assessed] = row.n
        tx.execute(_COUNT, [{"which": identity, "counted": dict(count)} for identity, count in counts.items()])


_UNASSESSED = (
    sa.select(set_members.c.set_id, packages.c.not_assessed, sa.func.count().label("n"))
    .join(packages, packages.c.id == set_members.c.package_id)
    .where(one_of(set_members.c.set_id, "sets"), packages.c.not_assessed.is_not(None))
    .group_by(set_members.c.set_id, packages.c.not_assessed)
)
_COUNT = (
    sa.update(package_sets)
    .where(package_sets.c.id == sa.bindparam("which"))
    .values(unassessed=sa.bindparam("counted", type_=package_sets.c.unassessed.type))
)


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
