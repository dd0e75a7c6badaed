"""Which order the versions of an ecosystem have: the one table of that."""

from collections.abc import Mapping
from typing import Final

from pratique.advisories.versions import version_key

SCHEME_OF: Final[Mapping[str, str]] = {
    "apk": "apk",
    "cargo": "semver",
    "deb": "dpkg",
    "gem": "gem",
    "golang": "go",
    "maven": "maven",
    "npm": "semver",
    "pypi": "pep440",
    "rpm": "rpm",
}


def order_of(ecosystem: str, version: str) -> bytes:
    """Return the sort key of a version of an ecosystem; raises ValueError where there is no order or no version."""
    scheme = SCHEME_OF.get(ecosystem)
    if scheme is None:
        raise ValueError(f"no version order is known for {ecosystem}")
    return version_key(scheme, version)
