"""SBOM documents in: CycloneDX 1.4 to 1.7, SPDX 2.2, 2.3 and 3.0, as JSON, told apart by what they say they are.

What a document lists and this version cannot judge is counted as not assessed; a document without any readable package
is an image that cannot be assessed. What an SBOM says is its writer's word.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from packageurl import PackageURL

from pratique.inventory.collector import Problems
from pratique.inventory.errors import UnreadableImage
from pratique.inventory.readers import ECOSYSTEMS
from pratique.inventory.sbom.packages import distro_of_purl, package_of, parse_purl
from pratique.inventory.types import (
    Coverage,
    Distro,
    ImageFacts,
    ImageInventory,
    NotAssessed,
    Origin,
    Package,
    PackageSet,
)

DOCUMENT_BYTES: Final = 256 << 20
_COMPONENTS: Final = 500_000
_DEPTH: Final = 32


@dataclass(frozen=True)
class Component:
    """One thing that a document lists."""

    name: str
    purl: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)


def read_sbom(path: Path) -> ImageInventory:
    """The inventory that a document describes. Raises `UnreadableImage` for what is no SBOM."""
    with path.open("rb") as stream:
        data = stream.read(DOCUMENT_BYTES + 1)
    if len(data) > DOCUMENT_BYTES:
        raise UnreadableImage(f"{path} is larger than {DOCUMENT_BYTES} bytes.")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise UnreadableImage(f"{path} is no JSON.", remedy="Give CycloneDX or SPDX as JSON.") from None
    return inventory_of(document, str(path))


def inventory_of(document: Any, where: str) -> ImageInventory:
    """The inventory that a decoded document describes."""
    if isinstance(document, dict) and document.get("bomFormat") == "CycloneDX":
        components, distro = _cyclonedx(document)
    elif isinstance(document, dict) and str(document.get("spdxVersion", "")).startswith("SPDX-2"):
        components, distro = _spdx(document), None
    elif isinstance(document, dict) and str(document.get("@context", "")).startswith("https://spdx.org/rdf/3."):
        components, distro = _spdx3(document), None
    else:
        raise UnreadableImage(f"{where} is neither CycloneDX nor SPDX.", remedy="Give one of them, as JSON.")
    return _inventory(components, distro, where)


def _inventory(components: list[Component], distro: Distro | None, where: str) -> ImageInventory:
    problems, packages = Problems(), set[Package]()
    purls = [(component, parse_purl(component.purl)) for component in components]
    distro = distro or next((found for _, purl in purls if purl and (found := distro_of_purl(purl))), None)
    for component, purl in purls:
        package = package_of(purl, component.properties, distro) if purl else None
        if package is not None:
            packages.add(package)
        else:
            problems.add(_unread(component, purl))
    if not packages:
        problems.add(NotAssessed(where, "it lists no package that is read", "no-package-data", scope="image"))
    package_set = PackageSet.of(list(packages), distro)
    return ImageInventory(
        package_set=package_set,
        origins=(Origin(),) * len(package_set.packages),
        coverage=_coverage(package_set.packages, problems.result()),
        facts=ImageFacts(),
        not_assessed=problems.result(),
    )


def _unread(component: Component, purl: PackageURL | None) -> NotAssessed:
    if purl is None:
        return NotAssessed(component.name, "it has no package URL", "no-purl", scope="package")
    if purl.type in ECOSYSTEMS:
        return NotAssessed(component.name, "it has no version", "no-version", scope="package", ecosystem=purl.type)
    reason = f"this version does not judge {purl.type} packages"
    return NotAssessed(component.name, reason, "no-reader", scope="ecosystem", ecosystem=purl.type)


def _coverage(packages: tuple[Package, ...], problems: tuple[NotAssessed, ...]) -> tuple[Coverage, ...]:
    counts = {name: sum(package.ecosystem == name for package in packages) for name in ECOSYSTEMS}
    rows = [Coverage(name, "read" if count else "absent", count) for name, count in counts.items()]
    unread = [Coverage(one.ecosystem, "not-assessed", 0, one.reason) for one in problems if one.scope == "ecosystem"]
    return tuple(sorted(rows + unread))


def _cyclonedx(document: dict[str, Any]) -> tuple[list[Component], Distro | None]:
    components: list[Component] = []
    distro = None
    for fields in _nested(document.get("components"), _DEPTH):
        kind, name = fields.get("type"), str(fields.get("name", ""))
        if kind == "operating-system":
            distro = distro or Distro(name.lower(), str(fields.get("version", "")))
        elif kind in ("library", "framework", "application", "container", "platform", "firmware"):
            components.append(Component(name, str(fields.get("purl", "")), _properties(fields.get("properties"))))
        if len(components) > _COMPONENTS:
            raise UnreadableImage(f"the document lists more than {_COMPONENTS} components.")
    return [one for one in components if one.purl or not _is_file(one)], distro


def _is_file(component: Component) -> bool:
    """Applications without purl are the lock files and folders under which some writers group their packages."""
    return "aquasecurity:trivy:Type" in component.properties


def _nested(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    for fields in value if isinstance(value, list) and depth else []:
        if isinstance(fields, dict):
            yield fields
            yield from _nested(fields.get("components"), depth - 1)


def _properties(value: Any) -> dict[str, str]:
    pairs = value if isinstance(value, list) else []
    return {str(pair.get("name")): str(pair.get("value", "")) for pair in pairs if isinstance(pair, dict)}


def _spdx(document: dict[str, Any]) -> list[Component]:
    packages = document.get("packages")
    components = []
    for fields in packages[:_COMPONENTS] if isinstance(packages, list) else []:
        if not isinstance(fields, dict) or fields.get("primaryPackagePurpose") in ("CONTAINER", "OPERATING-SYSTEM"):
            continue
        references = fields.get("externalRefs")
        purl = next(
            (
                str(one.get("referenceLocator", ""))
                for one in (references if isinstance(references, list) else [])
                if isinstance(one, dict) and one.get("referenceType") == "purl"
            ),
            "",
        )
        components.append(Component(str(fields.get("name", "")), purl, _annotated(fields.get("annotations"))))
    return components


def _annotated(value: Any) -> dict[str, str]:
    """What this product's own SPDX says of a package in annotations, one fact each."""
    notes = value if isinstance(value, list) else []
    return _facts(str(note.get("comment", "")) for note in notes if isinstance(note, dict))


def _facts(lines: Iterable[str]) -> dict[str, str]:
    pairs = (line.partition("=") for line in lines)
    return {name: text for name, _, text in pairs if name.startswith("pratique:")}


def _spdx3(document: dict[str, Any]) -> list[Component]:
    graph = document.get("@graph")
    components = []
    for fields in graph[:_COMPONENTS] if isinstance(graph, list) else []:
        if not isinstance(fields, dict) or fields.get("type") != "software_Package":
            continue
        if fields.get("software_primaryPurpose") in ("container", "operatingSystem"):
            continue
        facts = _facts(str(fields.get("software_sourceInfo", "")).split("\n"))
        components.append(Component(str(fields.get("name", "")), str(fields.get("software_packageUrl", "")), facts))
    return components
