"""Lock files that are JSON or TOML: npm, Pipenv, Composer, NuGet, Poetry, PDM, uv and Cargo."""

import tomllib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from pratique.inventory.locks.record import LockError, Pairs, wanted

_NODE: Final = "node_modules/"
_DEPTH: Final = 200


def npm(data: bytes) -> Pairs:
    """package-lock.json of versions 1 to 3, npm-shrinkwrap.json: version 2 says all twice, `packages` counts."""
    lock = _json(data)
    packages = lock.get("packages")
    if isinstance(packages, dict):
        return [
            (entry.get("name") or path.rpartition(_NODE)[2], entry.get("version"))
            for path, entry in packages.items()
            if _NODE in path and not entry.get("link")
        ]
    return _nested(lock.get("dependencies", {}), 0)


def _nested(dependencies: dict[str, Any], depth: int) -> list[tuple[object, object]]:
    if depth > _DEPTH:
        raise LockError(f"its dependencies are nested more than {_DEPTH} deep")
    found: list[tuple[object, object]] = []
    for name, entry in dependencies.items():
        found.append((name, entry.get("version")))
        found += _nested(entry.get("dependencies", {}), depth + 1)
    return found


def pipfile(data: bytes) -> Pairs:
    """Pipfile.lock: `==` versions under `default` and `develop`."""
    lock = _json(data)
    for part in ("default", "develop"):
        for name, entry in lock.get(part, {}).items():
            version = entry.get("version", "")
            yield name, version[2:] if version.startswith("==") else ""


def composer(data: bytes) -> Pairs:
    """composer.lock."""
    lock = _json(data)
    for part in ("packages", "packages-dev"):
        for entry in lock.get(part) or ():
            yield entry["name"], str(entry["version"]).removeprefix("v")


def nuget(data: bytes) -> Pairs:
    """packages.lock.json: per framework; projects of the same solution are no packages."""
    for framework in _json(data).get("dependencies", {}).values():
        for name, entry in framework.items():
            if entry.get("type") != "Project":
                yield name, entry.get("resolved")


def python_toml(data: bytes) -> Pairs:
    """poetry.lock, pdm.lock and uv.lock; a package of the tree itself (uv: editable or virtual) is none."""
    for entry in _packages(data):
        source = entry.get("source", {})
        if not (isinstance(source, dict) and source.keys() & {"editable", "virtual", "directory"}):
            yield entry["name"], entry.get("version")


def cargo(data: bytes) -> Pairs:
    """Cargo.lock: crates without a source are those of the tree."""
    return [(entry["name"], entry["version"]) for entry in _packages(data) if entry.get("source")]


def _packages(data: bytes) -> Iterator[dict[str, Any]]:
    entries = tomllib.loads(data.decode()).get("package", [])
    if not isinstance(entries, list):
        raise LockError("it has no list of packages")
    yield from entries


def _json(data: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError:
        raise LockError("it is no JSON") from None
    if not isinstance(document, dict):
        raise LockError("it is no JSON object")
    return document


WANTED: Final = (
    wanted("package-lock.json", "npm", npm),
    wanted("npm-shrinkwrap.json", "npm", npm),
    wanted("Pipfile.lock", "pypi", pipfile),
    wanted("composer.lock", "composer", composer),
    wanted("packages.lock.json", "nuget", nuget),
    wanted("poetry.lock", "pypi", python_toml),
    wanted("pdm.lock", "pypi", python_toml),
    wanted("uv.lock", "pypi", python_toml),
    wanted("Cargo.lock", "cargo", cargo),
)
