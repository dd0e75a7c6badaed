"""SBOMs: ours keeps to the official schema and loses nothing; those of other tools are read."""

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pratique.inventory.errors import UnreadableImage
from pratique.inventory.sbom import cyclonedx
from pratique.inventory.sbom.read import inventory_of, read_sbom
from pratique.inventory.types import Distro, ImageInventory, NotAssessed, Origin, Package, PackageSet

DEB = Package(
    "deb", "libssl3", "1:3.0.11-1~deb12u2", "amd64", "openssl", "3.0.11-1~deb12u2", "debian:12", vendor="Debian <x@y>",
    location="var/lib/dpkg/status",
)  # fmt: skip
APK = Package(
    "apk", "busybox", "1.36.1-r5", "x86_64", "busybox", "1.36.1-r5", "debian:12", location="lib/apk/db/installed"
)
SCOPED = Package(
    "npm",
    "@babel/core",
    "7.0.0+b.1",
    "",
    "@babel/core",
    "7.0.0+b.1",
    location="app/node_modules/@babel/core/package.json",
)
TWICE = Package(
    "npm",
    "@babel/core",
    "7.0.0+b.1",
    "",
    "@babel/core",
    "7.0.0+b.1",
    location="b/node_modules/@babel/core/package.json",
)
WHEEL = Package(
    "pypi", "ruamel-yaml", "0.17", "", "ruamel-yaml", "0.17", location="x/METADATA", owned_by="deb/python3-ruamel"
)


def inventory(*packages: Package, problems: tuple[NotAssessed, ...] = ()) -> ImageInventory:
    package_set = PackageSet.of(list(packages), Distro("debian", "12", "bookworm", "Debian GNU/Linux 12"))
    origins = (Origin(0, "sha256:" + "a" * 64),) * len(package_set.packages)
    return ImageInventory(package_set=package_set, origins=origins, not_assessed=problems)


def valid(document: Any) -> Any:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None


@pytest.mark.parametrize("digest", ["", "sha256:" + "1" * 64])
def test_our_cyclonedx_is_valid(digest: Any) -> None:
    problem = NotAssessed("layer 0", "it is encrypted", "encrypted", scope="layer")
    document = cyclonedx.document(
        inventory(DEB, APK, SCOPED, TWICE, WHEEL, problems=(problem,)), "app:1", digest, "2026-01-01T00:00:00Z"
    )
    assert valid(document)
    assert not valid({**document, "serialNumber": "wrong"})
    assert document == cyclonedx.document(
        inventory(DEB, APK, SCOPED, TWICE, WHEEL, problems=(problem,)), "app:1", digest, "2026-01-01T00:00:00Z"
    )


def test_an_empty_inventory_is_valid_too() -> None:
    empty = ImageInventory(package_set=PackageSet.of([], None))
    assert valid(cyclonedx.document(empty, "app", "", "2026-01-01T00:00:00Z"))


def test_a_round_trip_keeps_what_matching_needs(tmp_path: Path) -> None:
    path = tmp_path / "bom.json"
    path.write_text(
        json.dumps(cyclonedx.document(inventory(DEB, SCOPED, TWICE, WHEEL), "app", "", "2026-01-01T00:00:00Z"))
    )
    back = read_sbom(path)
    assert back.distro is not None
    assert back.distro.key == "debian:12"

    def needed(package: Any) -> Any:
        return (
            package.ecosystem,
            package.name,
            package.version,
            package.arch,
            package.source_name,
            package.source_version,
            package.distro,
            package.location,
        )

    assert [needed(one) for one in back.package_set.packages] == [
        needed(one) for one in sorted([DEB, SCOPED, TWICE, WHEEL])
    ]


def test_syft_and_trivy_forms_keep_source_and_epoch() -> None:
    document = {
        "bomFormat": "CycloneDX",
        "components": [
            {"type": "library", "name": "a", "purl": "pkg:deb/debian/libssl3@3.0?arch=amd64&upstream=openssl%401.2&distro=debian-11"},
            {"type": "library", "name": "b", "purl": "pkg:deb/debian/bind9-host@9.18?epoch=1&distro=debian-11",
             "properties": [{"name": "aquasecurity:trivy:SrcName", "value": "bind9"}, {"name": "aquasecurity:trivy:SrcVersion", "value": "9.18"},
                            {"name": "aquasecurity:trivy:SrcRelease", "value": "1"}, {"name": "aquasecurity:trivy:SrcEpoch", "value": "1"}]},
            {"type": "library", "name": "c", "purl": "pkg:swift/example.org/c@v1"},
            {"type": "library", "name": "d"},
            {"type": "library", "name": "e", "purl": "pkg:npm/e"},
        ],
    }  # fmt: skip
    found = inventory_of(document, "x")
    packages = {package.name: package for package in found.package_set.packages}
    assert (packages["libssl3"].source_name, packages["libssl3"].source_version) == ("openssl", "1.2")
    assert (packages["bind9-host"].version, packages["bind9-host"].source_version) == ("1:9.18", "1:9.18-1")
    assert {package.distro for package in packages.values()} == {"debian:11"}
    assert {problem.code for problem in found.not_assessed} == {"no-reader", "no-purl", "no-version"}
    assert ("swift", "not-assessed") in {(row.ecosystem, row.state) for row in found.coverage}


def test_spdx_is_read() -> None:
    document = {
        "spdxVersion": "SPDX-2.3",
        "packages": [
            {"name": "image", "primaryPackagePurpose": "CONTAINER"},
            {"name": "django", "externalRefs": [{"referenceType": "cpe23Type", "referenceLocator": "cpe"},
                                                {"referenceType": "purl", "referenceLocator": "pkg:pypi/Django@3.2.0"}]},
        ],
    }  # fmt: skip
    (package,) = inventory_of(document, "x").package_set.packages
    assert (package.name, package.version) == ("django", "3.2.0")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"bomFormat":"CycloneDX"', "[" * 100_000, '{"spdxVersion":"SPDX-3.0"}']
)
def test_what_is_no_sbom_is_refused(tmp_path: Path, text: Any) -> None:
    path = tmp_path / "bom.json"
    path.write_text(text)
    with pytest.raises(UnreadableImage):
        read_sbom(path)


def test_an_sbom_without_packages_cannot_be_assessed() -> None:
    assert not inventory_of({"bomFormat": "CycloneDX", "components": 7}, "x").assessable


def test_hostile_values_do_not_pass() -> None:
    document = {"bomFormat": "CycloneDX", "components": [
        {"type": "library", "name": 7, "purl": "pkg:npm/a%0ab@1"}, {"type": "library", "purl": "pkg:npm/a@1%1b[31m"},
        {"type": "library", "purl": 5, "properties": [1, {"name": None}]}, None, {"components": "x"},
    ]}  # fmt: skip
    assert not inventory_of(document, "x").package_set.packages
