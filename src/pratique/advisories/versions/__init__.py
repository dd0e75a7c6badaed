"""Version order as sort keys: one module per scheme, each ordered exactly as its defining tool orders.

A further scheme is one module with `key(text) -> bytes` and one line in `SCHEMES`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from pratique.advisories.versions import apk, dpkg, gem, go, maven, pep440, rpm, semver
from pratique.advisories.versions.encoding import UnparsableVersionError

__all__ = ["SCHEMES", "UnparsableVersionError", "version_key"]

SCHEMES: Mapping[str, Callable[[str], bytes]] = {
    "apk": apk.key,
    "dpkg": dpkg.key,
    "gem": gem.key,
    "go": go.key,
    "maven": maven.key,
    "pep440": pep440.key,
    "rpm": rpm.key,
    "semver": semver.key,
}


@lru_cache(maxsize=65_536)
def version_key(scheme: str, text: str) -> bytes:
    """Sort key of `text` in `scheme`: the key of a is less than the key of b exactly when a comes before b."""
    return SCHEMES[scheme](text)
