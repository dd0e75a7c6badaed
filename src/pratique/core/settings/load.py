"""One TOML file and the environment become one frozen `Settings`; anything unknown or unfit is an error."""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from pratique.core.errors import Invalid
from pratique.core.settings.fields import Setting, walk
from pratique.core.settings.ground import Data
from pratique.core.settings.parse import Unfit, from_text, from_toml
from pratique.core.settings.schema import Settings, default_state_directory

_PREFIX = "PRATIQUE_"
_LIMIT = 1024 * 1024

# Variables that start like settings but are read by others: where the file is, which Python set-up scripts take, where
# they put it, and what the supervisor forks in tests.
FOREIGN_VARIABLES = frozenset({"PRATIQUE_CONFIG", "PRATIQUE_PYTHON", "PRATIQUE_VENV", "PRATIQUE_APPLICATION"})


class SettingsError(Invalid):
    """A settings file or variable cannot be used; the message names key and place."""

    code = "settings-invalid"


@dataclass(frozen=True)
class Loaded:
    """Settings together with where each value that is not a default came from."""

    settings: Settings
    file: Path
    file_exists: bool
    sources: Mapping[str, str]


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of file and environment; the environment wins.

    The file is `path`, else `$PRATIQUE_CONFIG`, else `pratique.toml` in the state folder, which may be missing.
    Raises SettingsError for a named file that is missing, for bad TOML, unknown keys and unfit values.
    """
    return load_with_sources(path, environ).settings


def load_with_sources(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """Like `load`, and says for each value that is not a default whether file or environment set it."""
    environ = os.environ if environ is None else environ
    named = path or (Path(environ["PRATIQUE_CONFIG"]) if environ.get("PRATIQUE_CONFIG") else None)
    known = {entry.key: entry for entry in walk(Settings)}
    file = (named or _state_directory(environ, known) / "pratique.toml").absolute()
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key, value in _from_file(file, known, required=named is not None):
        values[key], sources[key] = value, str(file)
    for key, value in _from_environment(environ, known):
        values[key], sources[key] = value, known[key].variable
    values.setdefault("data.directory", default_state_directory())
    settings = _fill(Settings(), values)
    _check_together(settings)
    return Loaded(settings, file, file.exists(), sources)


def find(key: str) -> Setting:
    """Return the setting of a dotted key; raises SettingsError with the nearest key."""
    known = {entry.key: entry for entry in walk(Settings)}
    if key not in known:
        raise SettingsError(f"there is no setting '{key}'", remedy=_suggest(key, known))
    return known[key]


def value_of(settings: Settings, key: str) -> Any:
    """Return the value of a dotted key."""
    value: Any = settings
    for part in key.split("."):
        value = getattr(value, part)
    return value


def _state_directory(environ: Mapping[str, str], known: Mapping[str, Setting]) -> Path:
    entry = known["data.directory"]
    text = environ.get(entry.variable, "")
    return Path(from_text(entry, text, Path.cwd())) if text else default_state_directory()


def _from_file(file: Path, known: Mapping[str, Setting], *, required: bool) -> Iterator[tuple[str, Any]]:
    document = _document(file, required=required)
    for key, value in _flat(document, known):
        if key not in known:
            raise SettingsError(f"unknown setting '{key}' in {file}", remedy=_suggest(key, known))
        try:
            yield key, from_toml(known[key], value, file.parent)
        except Unfit as unfit:
            raise SettingsError(f"{key} in {file}: {unfit}", remedy=_explain(key)) from None


def _document(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            text = stream.read(_LIMIT + 1)
    except FileNotFoundError:
        if required:
            raise SettingsError(
                f"there is no settings file {file}", remedy="create it, or unset PRATIQUE_CONFIG"
            ) from None
        return {}
    except OSError as error:
        raise SettingsError(
            f"cannot read {file}: {error.strerror}", remedy="check owner and mode of the file"
        ) from None
    if len(text) > _LIMIT:
        raise SettingsError(f"{file} is larger than 1 MiB", remedy="a settings file has a few kilobytes")
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}", remedy="correct the place that is named") from None


def _flat(document: Mapping[str, Any], known: Mapping[str, Setting], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key not in known:
            yield from _flat(value, known, f"{key}.")
        else:
            yield key, value


def _from_environment(environ: Mapping[str, str], known: Mapping[str, Setting]) -> Iterator[tuple[str, Any]]:
    by_variable = {entry.variable: entry for entry in known.values()}
    for name, text in sorted(environ.items()):
        if not name.startswith(_PREFIX) or name in FOREIGN_VARIABLES:
            continue
        if name not in by_variable:
            raise SettingsError(f"unknown environment variable {name}", remedy=_suggest(name, by_variable))
        try:
            yield by_variable[name].key, from_text(by_variable[name], text, Path.cwd())
        except Unfit as unfit:
            raise SettingsError(f"{name}: {unfit}", remedy=_explain(by_variable[name].key)) from None


def _suggest(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else "`pratique config show` lists all settings"


def _explain(key: str) -> str:
    return f"`pratique config explain {key}` tells what it means"


def _fill(part: Any, values: Mapping[str, Any], prefix: str = "") -> Any:
    changes: dict[str, Any] = {}
    for entry in fields(part):
        key = f"{prefix}{entry.name}"
        current = getattr(part, entry.name)
        if is_dataclass(current):
            changes[entry.name] = _fill(current, values, f"{key}.")
        elif key in values:
            changes[entry.name] = values[key]
    return replace(part, **changes)


def _check_together(settings: Settings) -> None:
    server = settings.server
    if (server.certificate is None) != (server.private_key is None):
        raise SettingsError("server.certificate and server.private_key belong together", remedy="set both, or neither")
    if settings.blobs.store == "s3" and not settings.blobs.bucket:
        raise SettingsError("blobs.store is s3, but blobs.bucket is empty", remedy="set blobs.bucket")
    if settings.database.url and not settings.database.url.startswith(("postgresql://", "sqlite:////")):
        raise SettingsError(
            "database.url must start with postgresql:// or sqlite:////", remedy=_explain("database.url")
        )


def with_directory(directory: Path) -> Settings:
    """Return default settings whose state lives in `directory`: for tests and for tools without a server."""
    return replace(Settings(), data=Data(directory=directory))
