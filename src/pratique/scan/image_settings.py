"""How an image is built and set up: what makes an attack worse or the image larger, each said once."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pratique.inventory.types import ImageInventory

_NAMED: Final = 100
_LEAST_CACHE: Final = 1 << 20
_SHELLS: Final = {"22": "SSH", "23": "Telnet", "2375": "Docker without TLS", "3389": "RDP", "5900": "VNC"}
_SUPERUSER: Final = frozenset(("", "0", "root"))


class Setting(NamedTuple):
    """One thing to change: `kind` is its rule and the action that all images with it share."""

    kind: str
    location: str
    title: str
    remediation: str
    evidence: dict[str, Any]


def image_settings(inventory: ImageInventory) -> Iterator[Setting]:
    """What is to be changed about an image, besides its packages and secrets."""
    if inventory.facts.user.partition(":")[0] in _SUPERUSER:
        yield _superuser(inventory.facts.user)
    yield from _shells(inventory.facts.exposed_ports)
    if inventory.privileged:
        yield _privileged(inventory)
    if inventory.open_paths:
        yield _open(inventory.open_paths)
    yield from _caches(inventory)


def _superuser(user: str) -> Setting:
    return Setting(
        "runs-as-root",
        "/config/User",
        "The image runs as root",
        "Make a user in the Dockerfile and name it by number: `RUN useradd --uid 10001 app` and `USER 10001`. "
        "Ports below 1024 and files of root are then out of reach.",
        {"user": user},
    )


def _shells(ports: tuple[str, ...]) -> Iterator[Setting]:
    for port in ports:
        name = _SHELLS.get(port.partition("/")[0])
        if name:
            yield Setting(
                "exposed-port",
                f"/config/ExposedPorts/{port[:40].replace('/', '~1')}",
                f"The image exposes port {port[:40]} ({name})",
                "Take the EXPOSE line and the server behind it out of the image; enter containers through the engine.",
                {"port": port[:40]},
            )


def _privileged(inventory: ImageInventory) -> Setting:
    files = inventory.privileged
    return Setting(
        "privileged-files",
        "setuid",
        f"{len(files)} files run with more rights than their caller (setuid, setgid, capabilities)",
        "Take the bits away as the last step of a build: `RUN find / -xdev -perm /6000 -type f -exec chmod a-s {} +`. "
        "Running containers with no-new-privileges makes them harmless as well.",
        {
            "count": len(files),
            "files": [
                {"path": one.path, "mode": f"{one.mode:o}", "uid": one.uid, "gid": one.gid} for one in files[:_NAMED]
            ],
        },
    )


def _open(paths: tuple[str, ...]) -> Setting:
    return Setting(
        "open-files",
        "world-writable",
        f"{len(paths)} files and folders can be written by everybody",
        "Take the right away where they are made: `chmod o-w`, or COPY --chmod; shared folders need the sticky bit.",
        {"count": len(paths), "files": list(paths[:_NAMED])},
    )


def _caches(inventory: ImageInventory) -> Iterator[Setting]:
    """Caches worth speaking of, of each package manager; what a later layer deletes is in the image all the same."""
    found: dict[str, list[dict[str, int]]] = {}
    for index, cache in inventory.caches:
        found.setdefault(cache.manager, []).append({"layer_index": index, "files": cache.files, "bytes": cache.size})
    for manager, layers in sorted(found.items()):
        size = sum(one["bytes"] for one in layers)
        if size >= _LEAST_CACHE:
            yield Setting(
                "package-cache",
                f"cache:{manager}",
                f"{size / 1_000_000:.0f} MB of the image are the cache of {manager}",
                "Keep the cache out of the layer: `RUN --mount=type=cache,target=...`, or delete it in the same RUN "
                "step that fills it. A later step that deletes it makes the image no smaller.",
                {"manager": manager, "bytes": size, "layers": layers},
            )
