"""The inventory of an image out of what is stored of it, so that an SBOM costs no second look at its layers."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.inventory.sbom import cyclonedx, spdx2, spdx3
from pratique.inventory.types import Distro, ImageInventory, NotAssessed, Origin, Package, PackageSet
from pratique.scan.report.instants import rfc3339
from pratique.scan.tables import images, packages, set_members

SBOM_FORMS: Final = {
    "cyclonedx": ("application/vnd.cyclonedx+json; version=1.6", cyclonedx.document),
    "spdx-json": ("application/spdx+json", spdx2.document),
    "spdx3-json": ("application/ld+json", spdx3.document),
}
"""Media type and writer of each form of an SBOM."""


@dataclass(frozen=True, slots=True)
class StoredInventory:
    """What an image holds, and when that was read (UTC microseconds)."""

    inventory: ImageInventory
    assessed_at: int


def stored_inventory(tx: Transaction, digest: str) -> StoredInventory | None:
    """Return what is stored of an image; None where it has not been read, or is no image."""
    row = tx.execute(_IMAGE, {"digest": digest}).first()
    if row is None or row.set_id is None:
        return None
    facts: dict[str, Any] = dict(row.facts or {})
    placed = _placed(tx, row.set_id, msgspec.json.decode(row.attribution, type=dict[str, list[tuple[int, str, str]]]))
    held = PackageSet.of(list(placed), _distro(str(facts.get("distro", ""))))
    problems = tuple(msgspec.convert(one, NotAssessed) for one in facts.get("not_assessed", ()))
    inventory = ImageInventory(
        package_set=held,
        origins=tuple(placed[package] for package in held.packages),
        diff_ids=tuple(facts.get("diff_ids", ())),
        not_assessed=problems,
    )
    return StoredInventory(inventory, row.assessed_at)


_IMAGE = sa.select(images.c.set_id, images.c.attribution, images.c.facts, images.c.assessed_at).where(
    images.c.digest == sa.bindparam("digest")
)


def _placed(tx: Transaction, set_id: int, spots: dict[str, list[tuple[int, str, str]]]) -> dict[Package, Origin]:
    """Return each package of a set in each of its places, with the layer that brought it there."""
    found: dict[Package, Origin] = {}
    for row in tx.execute(_MEMBERS, {"set": set_id}):
        package = msgspec.convert(row.record, Package)
        for index, diff_id, path in spots.get(str(row.id), [(-1, "", "")]):
            found.setdefault(msgspec.structs.replace(package, location=path), Origin(index, diff_id))
    return found


_MEMBERS = (
    sa.select(packages.c.id, packages.c.record)
    .join(set_members, set_members.c.package_id == packages.c.id)
    .where(set_members.c.set_id == sa.bindparam("set"))
    .order_by(packages.c.id)
)


def _distro(key: str) -> Distro | None:
    identity, _, release = key.partition(":")
    if not identity:
        return None
    return Distro(identity, release) if release[:1].isdigit() else Distro(identity, "", release)


def sbom(found: StoredInventory, repository: str, digest: str, form: str) -> tuple[str, bytes]:
    """Return media type and bytes of an image's SBOM; the bytes stay the same until the image is read again."""
    media_type, write = SBOM_FORMS[form]
    document = write(found.inventory, f"{repository}@{digest}", digest, rfc3339(found.assessed_at))
    return media_type, msgspec.json.format(msgspec.json.encode(document), indent=2)
