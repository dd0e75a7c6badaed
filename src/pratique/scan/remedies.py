"""What to do about a finding, in words and as the key by which recommendations group.

Action keys: `base-upgrade|DISTRO|BASE`, `os-update|DISTRO|SOURCE`, `app-update|ECOSYSTEM|NAME`, `load-data|…`,
`rebuild-supported|DISTRO`, `not-assessed|…`.
"""

import re
from collections.abc import Mapping
from typing import Any

from pratique.inventory.types import Package

_MANAGERS = {"deb": "apt-get install --only-upgrade", "apk": "apk add --upgrade"}
_APPLICATIONS = {"pypi": "{name}=={fix} or later", "npm": "{name}@{fix} or later"}
_SLUG = re.compile(r"[^a-z0-9]+")


def action_of(package: Package) -> str:
    """The key of the action that settles findings of this package, whether each has a fix today or not."""
    if package.distro:
        kind, where, what = "os-update", package.distro, package.source_name or package.name
    else:
        kind, where, what = "app-update", package.ecosystem, package.name
    return "|".join((kind, _plain(where), _plain(what)))


def remediation_of(package: Package, record: Mapping[str, Any]) -> str:
    """One or two sentences that say what to do about one match."""
    fix = str(record["fix"])
    if not fix:
        return _without_fix(package, record)
    best = str(record["clears"]) or fix
    also = f" ({best} settles every known finding of the package; this one is fixed in {fix})" if best != fix else ""
    if package.ecosystem in _MANAGERS:
        command = _MANAGERS[package.ecosystem]
        return (
            f"Update {package.name} from {package.version} to {best}{also}: rebuild the image on an updated base, "
            f"or run `{command} {package.name}` in its build."
        )
    wanted = _APPLICATIONS.get(package.ecosystem, "{name} {fix} or later").format(name=package.name, fix=best)
    return f"Raise the dependency from {package.version} to {wanted}{also} and rebuild the image."


def on_newer_base(package: Package) -> str:
    """What to do about a match that a newer build of the base is without; which one, only the recommendation says."""
    return (
        f"{package.name} {package.version} came with the base image, and a newer build of that base does not have "
        "this: name the newer base in FROM and build the image again. The recommendation names it."
    )


def _without_fix(package: Package, record: Mapping[str, Any]) -> str:
    status = str(record["status"])
    said = f" ({package.distro or package.ecosystem} says: {status})" if status else ""
    return (
        f"No fixed version of {package.name} is published{said}. Remove the package if the image does not need it, "
        "or exempt the finding with a reason until a fix comes."
    )


def unassessed_action(code: str, distro: str, ecosystem: str) -> str:
    """The key of the action that makes packages assessable."""
    if code in {"no-data", "no-feed"}:
        return f"load-data|{_plain(distro or ecosystem)}"
    if code == "unknown-release":
        return f"rebuild-supported|{_plain(distro or ecosystem)}"
    return f"not-assessed|{slug(code or 'unknown')}"


def unassessed_remedy(code: str, distro: str, ecosystem: str) -> str:
    """What to do so that packages can be assessed."""
    what = distro or ecosystem
    if code in {"no-data", "no-feed"}:
        return f"Load vulnerability data for {what}: pratique advisories sync"
    if code == "unknown-release":
        return f"Rebuild the image on a release that is supported: no feed speaks of {what}."
    return "These packages are counted and shown; judge them by other means."


def slug(text: str) -> str:
    """The text as lower-case words joined by hyphens."""
    return _SLUG.sub("-", text.lower()).strip("-")[:80]


def _plain(text: str) -> str:
    return text.replace("|", "-")
