"""CycloneDX 1.6 JSON out (ECMA-424): plain dictionaries, checked against the official schema in tests.

A package is one component with its purl; source, layer and location are properties, so that a round trip loses nothing
that matching needs.
"""

import hashlib
from typing import Any

import pratique
from pratique.inventory.sbom import identity
from pratique.inventory.types import ImageInventory, Origin, Package

Json = dict[str, Any]


def document(inventory: ImageInventory, name: str, digest: str, when: str) -> Json:
    """The SBOM of an image. `when` is an RFC 3339 instant. Equal inventories of one digest share a serial number."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{identity.serial(inventory, name, digest)}",
        "version": 1,
        "metadata": {
            "timestamp": when,
            "tools": {"components": [{"type": "application", "name": "pratique", "version": pratique.__version__}]},
            "component": _subject(name, digest),
            "properties": [
                _property("pratique:not-assessed", identity.said(problem)) for problem in inventory.not_assessed
            ],
        },
        "components": [*_system(inventory), *(_component(one, origin) for one, origin in inventory.placed())],
        "compositions": [{"aggregate": "incomplete" if inventory.not_assessed else "unknown", "assemblies": ["image"]}],
    }


def reference(package: Package) -> str:
    """The `bom-ref` of a package: unique in a document, equal in all documents."""
    if not package.location:
        return package.purl
    return f"{package.purl}#{hashlib.sha256(package.location.encode()).hexdigest()[:16]}"


def _subject(name: str, digest: str) -> Json:
    subject: Json = {"bom-ref": "image", "type": "container", "name": name}
    if digest:
        subject["version"] = digest
    return subject


def _system(inventory: ImageInventory) -> list[Json]:
    distro = inventory.distro
    if distro is None:
        return []
    system: Json = {"bom-ref": "operating-system", "type": "operating-system", "name": distro.id}
    if distro.version_id or distro.codename:
        system["version"] = distro.version_id or distro.codename
    if distro.name:
        system["description"] = distro.name
    return [system]


def _component(package: Package, origin: Origin) -> Json:
    component: Json = {
        "bom-ref": reference(package),
        "type": "library",
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
    }
    if package.vendor:
        component["publisher"] = package.vendor
    properties = [_property(key, value) for key, value in identity.properties(package, origin)]
    if properties:
        component["properties"] = properties
    return component


def _property(name: str, value: str) -> Json:
    return {"name": name, "value": value}
