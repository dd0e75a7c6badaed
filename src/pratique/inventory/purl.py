"""Package URLs of what the inventory reads: package-url/purl-spec, types and namespaces as purl-spec names them."""

from typing import Final, Protocol
from urllib.parse import quote


class _Named(Protocol):
    @property
    def ecosystem(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def arch(self) -> str: ...
    @property
    def source_name(self) -> str: ...
    @property
    def source_version(self) -> str: ...
    @property
    def distro(self) -> str: ...
    @property
    def module(self) -> str: ...


NAMESPACES: Final = {"rhel": "redhat", "ol": "oracle", "amzn": "amazon", "sles": "suse"}
"""Namespaces of rpm and deb packages that are not spelt as os-release spells the distribution."""


def _coded(text: str) -> str:
    """Percent-coded by the purl rules: everything but letters, digits and `.-_~:` (purl-spec, character encoding)."""
    return quote(text, safe=":~")


def package_url(package: _Named, *, with_version: bool) -> str:
    """The canonical purl of a package; without version it also has no qualifiers, and names a line of versions."""
    base = f"pkg:{package.ecosystem}/{_path(package)}"
    if not with_version:
        return base
    pairs = _qualifiers(package)
    version = package.version.rpartition(":")[2] if package.ecosystem == "rpm" else package.version
    suffix = "?" + "&".join(f"{key}={_coded(value)}" for key, value in pairs) if pairs else ""
    return f"{base}@{_coded(version)}{suffix}"


def _path(package: _Named) -> str:
    if package.distro:
        identity = package.distro.partition(":")[0]
        return f"{_coded(NAMESPACES.get(identity, identity))}/{_coded(package.name)}"
    if package.ecosystem == "maven":
        return "/".join(_coded(part) for part in package.name.split(":"))
    return "/".join(_coded(part) for part in package.name.split("/"))


def _qualifiers(package: _Named) -> list[tuple[str, str]]:
    pairs = []
    if package.ecosystem == "rpm" and ":" in package.version:
        pairs.append(("epoch", package.version.partition(":")[0]))
    if package.arch:
        pairs.append(("arch", package.arch))
    if package.distro:
        pairs.append(("distro", package.distro.replace(":", "-", 1)))
    if package.module:
        pairs.append(("rpmmod", package.module))
    if package.source_name and (package.source_name, package.source_version) != (package.name, package.version):
        differs = package.source_version and package.source_version != package.version
        pairs.append(
            ("upstream", f"{package.source_name}@{package.source_version}" if differs else package.source_name)
        )
    return sorted(pairs)
