"""The demo's three images, and what each is to show.

- `web:published`: bookworm as released, with nginx; one finding is known to be exploited (CVE-2023-44487, HTTP/2 Rapid
  Reset, fixed for bookworm by the security suite only).
- `web:repaired`: the same packages after the security suite; shares the base layer with the first.
- `app:old`: the base with Django 3.2.0 and minimist 1.2.0 as their own clients install them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from pratique.core.progress import Reporter
from pratique.demo.applications import NODE, PYTHON, install_tarball, install_wheel, tarballs, wheels
from pratique.demo.debs import Deb
from pratique.demo.download import Downloads
from pratique.demo.errors import ToolMissing
from pratique.demo.layers import Layer, LayerFiles
from pratique.demo.layout import Image, architecture, make_image, read_layout, write_layout
from pratique.demo.repository import Candidate, Release, Suite, closure, newest, read_release, read_suite
from pratique.demo.sources import Archives
from pratique.demo.system import System

_BUILDER = "1"
"""Raised when the way of building changes, so that images are made anew."""
_BUILT = "built.json"
RELEASE = "bookworm"
PACKAGES = ("base-files", "base-passwd", "mawk", "nginx")
_UNSIGNED = "gpgv or its keyring is missing: digests were checked, the signature of the package lists was not"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_WEB: dict[str, Any] = {"Cmd": ["nginx", "-g", "daemon off;"], "Env": [_PATH], "ExposedPorts": {"80/tcp": {}}}
_APP: dict[str, Any] = {"Env": [_PATH], "User": "65534", "WorkingDir": "/srv/app"}


@dataclass(frozen=True, slots=True)
class Collection:
    """The images that could be built, and what to know about them."""

    images: tuple[Image, ...]
    notes: tuple[str, ...] = field(default=())

    def named(self, name: str) -> Image | None:
        return next((image for image in self.images if image.name == name), None)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which package version goes where: what the security suite leaves alone is the base that all images share."""

    base: tuple[Candidate, ...]
    published: tuple[Candidate, ...]
    repaired: tuple[Candidate, ...]
    seconds: int

    @property
    def all(self) -> tuple[Candidate, ...]:
        return self.base + self.published + self.repaired


def build(archives: Archives, folder: Path, reporter: Reporter, *, offline: bool = False) -> Collection:
    """Return the images, built under `folder`/layout; what was built from the same package lists is taken again.

    Raises FetchFailed, Unverified, NoMirror.
    """
    downloads = Downloads(folder / "downloads" / "debian", reporter, offline=offline)
    reporter.start("package lists", None, "bytes")
    main = read_release(archives.main, architecture(), downloads)
    security = read_release(archives.security, architecture(), downloads)
    key, known = _key(main, security), _known(folder)
    if known is not None and known.key == key:
        reporter.finish()
        return Collection(read_layout(folder / "layout"), known.notes)
    plan = _plan(read_suite(main, downloads), read_suite(security, downloads), main.published)
    reporter.finish()
    notes = [] if main.verified and security.verified else [_UNSIGNED]
    made = Collection(_make(plan, folder / "downloads", downloads, reporter, notes), tuple(notes))
    write_layout(folder / "layout", made.images)
    (folder / _BUILT).write_bytes(msgspec.json.encode(_Built(key, made.notes)))
    return made


class _Built(msgspec.Struct, frozen=True):
    """What the layout was built from."""

    key: str
    notes: tuple[str, ...]


def _key(main: Release, security: Release) -> str:
    """Whatever changes the images changes this."""
    return "|".join((_BUILDER, architecture(), main.list_digest, security.list_digest, *PACKAGES, *PYTHON, *NODE))


def _known(folder: Path) -> _Built | None:
    try:
        built = msgspec.json.decode((folder / _BUILT).read_bytes(), type=_Built)
        read_layout(folder / "layout")
    except (OSError, ValueError, KeyError, msgspec.MsgspecError):
        return None
    return built


def _make(plan: _Plan, cache: Path, downloads: Downloads, reporter: Reporter, notes: list[str]) -> tuple[Image, ...]:
    reporter.start("packages", sum(item.size for item in plan.all), "bytes")
    debs = {item.sha256: Deb.read(downloads.pinned(item.url, item.sha256)) for item in plan.all}
    reporter.finish()
    reporter.start("images", 3)
    images = list(_web(plan, debs, reporter))
    images.append(_application(images[0].layers[0], cache, notes, plan.seconds, offline=downloads.offline))
    reporter.advance(1)
    reporter.finish()
    return tuple(images)


def _plan(main: Suite, security: Suite, published: int) -> _Plan:
    old = [found for name in closure(main, PACKAGES) if (found := main.get(name)) is not None]
    new = [newest(item, security.get(item.name)) for item in old]
    pairs = list(zip(old, new, strict=True))
    return _Plan(
        base=tuple(item for item, update in pairs if item is update),
        published=tuple(item for item, update in pairs if item is not update),
        repaired=tuple(update for item, update in pairs if item is not update),
        seconds=published,
    )


def _web(plan: _Plan, debs: dict[str, Deb], reporter: Reporter) -> list[Image]:
    system = System(plan.seconds)
    base = system.install(_of(debs, plan.base), f"install {RELEASE} base")
    published = system.copy().install(_of(debs, plan.published), f"install nginx from {RELEASE}")
    repaired = system.copy().install(_of(debs, plan.repaired), f"install nginx from {RELEASE}-security")
    made = []
    for name, title, layer in (
        ("web-published", f"nginx from {RELEASE} as it was released", published),
        ("web-repaired", f"nginx from {RELEASE} with its security suite", repaired),
    ):
        made.append(make_image(name, title, (base, layer), plan.seconds, _WEB))
        reporter.advance(1)
    return made


def _application(base: Layer, cache: Path, notes: list[str], seconds: int, *, offline: bool) -> Image:
    files = LayerFiles(seconds)
    for path in wheels(cache / "python", offline=offline):
        install_wheel(path, files)
    parts = list(PYTHON)
    try:
        for path in tarballs(cache / "node", offline=offline):
            install_tarball(path, files)
        parts += NODE
    except ToolMissing as error:
        notes.append(f"{error.message}; {error.remedy}")
    layer = files.build(f"install {' '.join(parts)}")
    return make_image("app-old", "an application with Django 3.2.0 and minimist 1.2.0", (base, layer), seconds, _APP)


def _of(debs: dict[str, Deb], candidates: Sequence[Candidate]) -> list[Deb]:
    return [debs[item.sha256] for item in candidates]
