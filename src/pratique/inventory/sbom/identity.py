"""Names of an SBOM and its parts that are the same for the same content, so that its bytes can be compared."""

import hashlib
from uuid import UUID

from pratique.inventory.types import ImageInventory, NotAssessed, Origin, Package


def serial(inventory: ImageInventory, name: str, digest: str) -> UUID:
    """Identify the document: equal inventories of one digest share it."""
    content = f"{digest or name}\n{inventory.package_set.digest}".encode()
    return UUID(bytes=hashlib.sha256(content).digest()[:16], version=4)


def part(package: Package) -> str:
    """Identify a package within every document: letters and digits only."""
    return hashlib.sha256(f"{package.purl}\n{package.location}".encode()).hexdigest()[:24]


def properties(package: Package, origin: Origin) -> list[tuple[str, str]]:
    """Return what matching and people need beyond the package URL, as pairs of name and value."""
    pairs = (
        ("location", package.location),
        ("owned-by", package.owned_by),
        ("repository", package.repository),
        ("layer", origin.diff_id),
    )
    return [(f"pratique:{name}", value) for name, value in pairs if value]


def said(problem: NotAssessed) -> str:
    """Word what was not assessed on one line."""
    return f"{problem.what}: {problem.reason} ({problem.code})"
