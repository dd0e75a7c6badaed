"""The order of Go module versions and of Go's own releases as bytes (golang.org/x/mod/semver, go/version).

Module versions are semantic versions with a leading `v`, which advisories leave out; a pseudo-version is an ordinary
pre-release. Releases of Go are spelt `1.22rc1`, `1.21.3`, `1.20`, as the compiler says them.
"""

import re

from pratique.advisories.versions import semver
from pratique.advisories.versions.encoding import UnparsableVersionError, bounded

_MODULE = re.compile(
    r"v?(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)"
    r"(?:-(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)?)?\Z"
)
_RELEASE = re.compile(r"(?:go)?(1\.[0-9]+(?:\.[0-9]+)?)(beta|rc)([0-9]+)\Z")


def key(text: str) -> bytes:
    """The sort key of a module's or Go's own version; raises `UnparsableVersionError` for `(devel)` and its like."""
    text = bounded(text)
    early = _RELEASE.match(text)
    if early:
        return semver.key(f"{early[1]}{'.0' if early[1].count('.') == 1 else ''}-{early[2]}.{early[3]}")
    text = text.removeprefix("go")
    if not _MODULE.match(text):
        raise UnparsableVersionError("the version is neither a module's nor a release of Go")
    return semver.key(text)
