"""What package managers leave behind that only a next run would use, told by where it lies."""

from typing import Final

PLACES: Final = (
    (b"var/lib/apt/lists/", "apt"),
    (b"var/cache/apt/", "apt"),
    (b"var/cache/apk/", "apk"),
    (b"var/cache/dnf/", "dnf"),
    (b"var/cache/libdnf5/", "dnf"),
    (b"var/cache/yum/", "yum"),
    (b"var/cache/zypp/", "zypper"),
    (b"root/.cache/pip/", "pip"),
    (b"root/.cache/uv/", "uv"),
    (b"root/.npm/_cacache/", "npm"),
    (b"usr/local/share/.cache/yarn/", "yarn"),
    (b"root/.cache/go-build/", "go"),
    (b"root/.cargo/registry/", "cargo"),
    (b"root/.m2/repository/", "maven"),
)
STARTS: Final = tuple(start for start, _ in PLACES)


def manager_of(path: bytes) -> str:
    """Whose cache a path lies in; the caller has asked `path.startswith(STARTS)`."""
    return next((manager for start, manager in PLACES if path.startswith(start)), "")
