"""SPDX 2.3 JSON out (ISO/IEC 5962, with what 2.3 adds): plain dictionaries, checked with SPDX's own tools in tests.

Where a package lies and which layer brought it stands in annotations, one fact each, so that reading the document again
loses nothing that matching needs.
"""

from typing import Any

import pratique
from pratique.inventory.sbom import identity
from pratique.inventory.types import ImageInventory, Origin, Package

Json = dict[str, Any]
_DOCUMENT, _IMAGE, _SYSTEM = "SPDXRef-DOCUMENT", "SPDXRef-Image", "SPDXRef-OperatingSystem"


def document(inventory: ImageInventory, name: str, digest: str, when: str) -> Json:
    """Return the SBOM of an image. `when` is an RFC 3339 instant in UTC, to the second."""
    packages = [_package(package, origin, when) for package, origin in inventory.placed()]
    system = _system(inventory)
    contained = [one["SPDXID"] for one in (*system, *packages)]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/pratique-{identity.serial(inventory, name, digest)}",
        "creationInfo": {"created": when, "creators": [f"Tool: pratique-{pratique.__version__}"]},
        "packages": [_image(inventory, name, digest, when), *system, *packages],
        "relationships": [
            _relationship(_DOCUMENT, "DESCRIBES", _IMAGE),
            *(_relationship(_IMAGE, "CONTAINS", one) for one in contained),
        ],
    }


def _image(inventory: ImageInventory, name: str, digest: str, when: str) -> Json:
    image = _bare(_IMAGE, name, "CONTAINER")
    algorithm, _, value = digest.partition(":")
    if value:
        image["versionInfo"] = digest
        image["checksums"] = [{"algorithm": algorithm.upper(), "checksumValue": value}]
    problems = [_annotation(f"pratique:not-assessed={identity.said(one)}", when) for one in inventory.not_assessed]
    return {**image, "annotations": problems} if problems else image


def _system(inventory: ImageInventory) -> list[Json]:
    distro = inventory.distro
    if distro is None or not distro.id:
        return []
    system = _bare(_SYSTEM, distro.id, "OPERATING-SYSTEM")
    if distro.version_id or distro.codename:
        system["versionInfo"] = distro.version_id or distro.codename
    return [{**system, "description": distro.name} if distro.name else system]


def _package(package: Package, origin: Origin, when: str) -> Json:
    entry = _bare(f"SPDXRef-Package-{identity.part(package)}", package.name, "LIBRARY")
    entry["versionInfo"] = package.version
    entry["externalRefs"] = [
        {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": package.purl}
    ]
    if package.vendor:
        entry["supplier"] = f"Organization: {' '.join(package.vendor.split())}"
    notes = [_annotation(f"{name}={value}", when) for name, value in identity.properties(package, origin)]
    return {**entry, "annotations": notes} if notes else entry


def _bare(identifier: str, name: str, purpose: str) -> Json:
    """Return what every package states; that nothing is claimed about licences is said, not left to guess."""
    return {
        "SPDXID": identifier,
        "name": name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": purpose,
    }


def _relationship(one: str, kind: str, other: str) -> Json:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _annotation(text: str, when: str) -> Json:
    annotator = f"Tool: pratique-{pratique.__version__}"
    return {"annotationDate": when, "annotationType": "OTHER", "annotator": annotator, "comment": text}
