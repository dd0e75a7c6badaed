"""Packages out of package URLs, with all that an SBOM keeps of source, epoch and distribution."""

import re
from collections.abc import Mapping
from typing import Final

from packageurl import PackageURL

from pratique.inventory.purl import NAMESPACES
from pratique.inventory.readers import ECOSYSTEMS
from pratique.inventory.readers.python import normalised
from pratique.inventory.readers.text import plain
from pratique.inventory.types import Distro, Package

_DISTRIBUTIONS: Final = ("deb", "apk", "rpm")
_SPELT: Final = {namespace: identity for identity, namespace in NAMESPACES.items()}


_SOURCE_RPM: Final = re.compile(r"(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm")


def parse_purl(text: str) -> PackageURL | None:
    """The package URL, or None where the text is none."""
    try:
        return PackageURL.from_string(text)
    except ValueError:
        return None


def distro_of_purl(purl: PackageURL) -> Distro | None:
    """The distribution that the `distro` qualifier names (`debian-12`, `alpine-3.19.1`), or the namespace alone."""
    text = str(_qualifiers(purl).get("distro", ""))
    identity, _, version = text.partition("-")
    if not version and purl.namespace:
        identity, version = _SPELT.get(purl.namespace, purl.namespace), text if text[:1].isdigit() else ""
    if purl.type not in _DISTRIBUTIONS or not identity:
        return None
    return Distro(identity, version) if version[:1].isdigit() else Distro(identity, "", version)


def package_of(purl: PackageURL, properties: Mapping[str, str], distro: Distro | None) -> Package | None:
    """The package that a purl and its properties describe; None for an ecosystem that is not read, or no version."""
    if purl.type not in ECOSYSTEMS or not purl.version or not plain(purl.version) or not plain(purl.name):
        return None
    location = next((properties[key] for key in _LOCATIONS if properties.get(key)), "").lstrip("/")
    if purl.type not in _DISTRIBUTIONS:
        name = _language_name(purl)
        return Package(purl.type, name, purl.version, "", name, purl.version, location=location)
    qualifiers = _qualifiers(purl)
    version = _with_epoch(purl.version, str(qualifiers.get("epoch", "")))
    source, source_version = _source(purl, properties, version)
    key = (distro or distro_of_purl(purl) or Distro("")).key.strip(":")
    arch = str(qualifiers.get("arch", ""))
    module = str(qualifiers.get("rpmmod", ""))
    return Package(purl.type, purl.name, version, arch, source, source_version, key, location=location, module=module)


def _language_name(purl: PackageURL) -> str:
    """The name as feeds spell it: group and artifact with a colon, all else with a slash."""
    if purl.type == "pypi":
        return normalised(purl.name)
    return (":" if purl.type == "maven" else "/").join(filter(None, (purl.namespace, purl.name)))


_LOCATIONS: Final = ("pratique:location", "syft:location:0:path", "aquasecurity:trivy:FilePath")


def _qualifiers(purl: PackageURL) -> Mapping[str, str]:
    return dict(purl.qualifiers)


def _with_epoch(version: str, epoch: str) -> str:
    """The version with its epoch, which some writers move into a qualifier."""
    return f"{epoch}:{version}" if epoch.isdigit() and epoch != "0" and ":" not in version else version


def _source(purl: PackageURL, properties: Mapping[str, str], version: str) -> tuple[str, str]:
    """Source name and version, from the `upstream` qualifier or the properties of other tools' documents."""
    upstream = str(_qualifiers(purl).get("upstream", ""))
    if upstream:
        name, _, source_version = upstream.partition("@")
        if purl.type == "rpm" and (match := _SOURCE_RPM.fullmatch(name)):
            return match[1], match[2]
        return name, source_version or version
    trivy = properties.get("aquasecurity:trivy:SrcName", "")
    if trivy:
        return trivy, _trivy_version(properties) or version
    syft = properties.get("syft:metadata:source", "") or properties.get("syft:metadata:originPackage", "")
    return (syft, properties.get("syft:metadata:sourceVersion", "") or version) if syft else (purl.name, version)


def _trivy_version(properties: Mapping[str, str]) -> str:
    version, release = (properties.get(f"aquasecurity:trivy:Src{part}", "") for part in ("Version", "Release"))
    whole = f"{version}-{release}" if release else version
    return _with_epoch(whole, properties.get("aquasecurity:trivy:SrcEpoch", "")) if version else ""
