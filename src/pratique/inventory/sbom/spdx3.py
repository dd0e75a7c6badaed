"""SPDX 3.0 JSON-LD out (3.0.1, core and software profiles): plain dictionaries, checked with SPDX's own model in tests.

What was not assessed is an annotation of the image, and makes its list of packages `incomplete`.
"""

from typing import Any

import pratique
from pratique.inventory.sbom import identity
from pratique.inventory.types import ImageInventory, Origin, Package

Json = dict[str, Any]
CONTEXT = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_CREATION = "_:creation"


def document(inventory: ImageInventory, name: str, digest: str, when: str) -> Json:
    """Return the SBOM of an image. `when` is an RFC 3339 instant in UTC, to the second."""
    base = f"https://spdx.org/spdxdocs/pratique-{identity.serial(inventory, name, digest)}#"
    held = [*_system(base, inventory), *(_package(base, package, origin) for package, origin in inventory.placed())]
    elements = [_image(base, name, digest), *held, *_contains(base, inventory, held), *_notes(base, inventory)]
    sbom = {
        **_element(f"{base}sbom", "software_Sbom"),
        "profileConformance": ["core", "software"],
        "rootElement": [f"{base}image"],
        "element": [one["spdxId"] for one in elements],
        "software_sbomType": ["analyzed"],
    }
    whole = {
        **_element(f"{base}document", "SpdxDocument", name),
        "profileConformance": ["core", "software"],
        "rootElement": [f"{base}sbom"],
        "element": [sbom["spdxId"], *sbom["element"]],
    }
    return {"@context": CONTEXT, "@graph": [*_creation(base, when), whole, sbom, *elements]}


def _creation(base: str, when: str) -> list[Json]:
    """Return who made the document; an agent is asked for even where it is a program."""
    name = f"pratique {pratique.__version__}"
    return [
        {
            "type": "CreationInfo",
            "@id": _CREATION,
            "specVersion": "3.0.1",
            "created": when,
            "createdBy": [f"{base}agent"],
            "createdUsing": [f"{base}tool"],
        },
        _element(f"{base}agent", "SoftwareAgent", name),
        _element(f"{base}tool", "Tool", name),
    ]


def _element(identifier: str, kind: str, name: str = "") -> Json:
    element = {"type": kind, "spdxId": identifier, "creationInfo": _CREATION}
    return {**element, "name": name} if name else element


def _image(base: str, name: str, digest: str) -> Json:
    image = {**_element(f"{base}image", "software_Package", name), "software_primaryPurpose": "container"}
    algorithm, _, value = digest.partition(":")
    if value:
        image["software_packageVersion"] = digest
        image["verifiedUsing"] = [{"type": "Hash", "algorithm": algorithm, "hashValue": value}]
    return image


def _system(base: str, inventory: ImageInventory) -> list[Json]:
    distro = inventory.distro
    if distro is None or not distro.id:
        return []
    system = _element(f"{base}operating-system", "software_Package", distro.id)
    system["software_primaryPurpose"] = "operatingSystem"
    if distro.version_id or distro.codename:
        system["software_packageVersion"] = distro.version_id or distro.codename
    return [{**system, "description": distro.name} if distro.name else system]


def _package(base: str, package: Package, origin: Origin) -> Json:
    entry = {
        **_element(f"{base}package-{identity.part(package)}", "software_Package", package.name),
        "software_primaryPurpose": "library",
        "software_packageVersion": package.version,
        "software_packageUrl": package.purl,
    }
    notes = identity.properties(package, origin)
    return {**entry, "software_sourceInfo": "\n".join(f"{key}={value}" for key, value in notes)} if notes else entry


def _contains(base: str, inventory: ImageInventory, held: list[Json]) -> list[Json]:
    if not held:
        return []
    relationship = {
        **_element(f"{base}contains", "Relationship"),
        "from": f"{base}image",
        "relationshipType": "contains",
        "to": [one["spdxId"] for one in held],
        "completeness": "incomplete" if inventory.not_assessed else "noAssertion",
    }
    return [relationship]


def _notes(base: str, inventory: ImageInventory) -> list[Json]:
    return [
        {
            **_element(f"{base}not-assessed-{number}", "Annotation"),
            "annotationType": "other",
            "subject": f"{base}image",
            "statement": f"pratique:not-assessed={identity.said(problem)}",
        }
        for number, problem in enumerate(inventory.not_assessed, 1)
    ]
