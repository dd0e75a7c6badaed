"""The base of an image as its page shows it; names only for those who may see where the base lies."""

from dataclasses import replace

from pratique.console import addresses
from pratique.console.sources import BaseView, ImageView
from pratique.core.database import Transaction
from pratique.core.permissions import Extent, Scope
from pratique.registry.service import RegistryService
from pratique.scan.service import ScanService
from pratique.scan.types import Place

SHOWN = 50
"""Replaced files on the page."""


def base_view(
    tx: Transaction, scan: ScanService, registry: RegistryService, image: ImageView, extent: Extent
) -> BaseView | None:
    """Return what an image was built on; None when no other image is known that it goes on from."""
    found = scan.base(tx, image.digest)
    held = registry.repository(tx, image.repository)
    if found is None or held is None:
        return None
    split = scan.split(tx, Place(image.digest, held.id, image.repository))
    build = found.upgrade
    replaced = tuple((each.path, each.how, each.layer + 1) for each in scan.replaced(tx, image.digest)[:SHOWN])
    view = BaseView(found.layers, found.of, split.from_base, split.own, split.settled, replaced=replaced)
    if build is None or not build.repository or not extent.covers(Scope.for_repository(build.repository)):
        return view
    return replace(
        view,
        name=f"{build.repository}:{build.tag}" if build.tag else build.repository,
        href=addresses.image(build.repository, build.digest),
        named=build.named,
        target=f"{build.repository}:{build.target_tag}" if build.target else "",
        target_href=addresses.image(build.repository, build.target) if build.target else "",
        why_not=build.why_not,
    )
