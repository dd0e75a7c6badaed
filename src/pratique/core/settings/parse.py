"""From what was written (a TOML value, or the text of an environment variable) to a checked value."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from pratique.core.settings.fields import Notes, Setting

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class Unfit(ValueError):  # noqa: N818  a reason, which the loader turns into an error with key and place
    """Says in one phrase what was expected."""


def from_toml(entry: Setting, value: Any, base: Path) -> Any:
    """Return the value of a TOML key, strictly typed: no text is taken for a number. Paths are relative to `base`."""
    return _checked(entry.notes, _typed(entry.kind, value, base))


def from_text(entry: Setting, text: str, base: Path) -> Any:
    """Return the value of an environment variable; lists are separated by commas."""
    return _checked(entry.notes, _typed(entry.kind, _read(entry.kind, text), base))


def _read(kind: Any, text: str) -> Any:
    kind = _without_none(kind)
    if kind is bool:
        return _boolean(text)
    if kind in {int, float}:
        return _number(kind, text)
    if get_origin(kind) is tuple:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise Unfit("expected true or false")


def _number(kind: type[int] | type[float], text: str) -> int | float:
    try:
        return kind(text.strip().replace("_", ""))
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise Unfit(f"expected {expected}") from None


def _typed(kind: Any, value: Any, base: Path) -> Any:
    optional = isinstance(kind, UnionType) and NoneType in get_args(kind)
    kind = _without_none(kind)
    if optional and value == "":
        return None
    if get_origin(kind) is tuple:
        return _texts(value)
    if kind is Path:
        return _path(value, base)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise Unfit(f"expected {_WORDS.get(kind, kind)}")
    return value


def _without_none(kind: Any) -> Any:
    if isinstance(kind, UnionType):
        return next(part for part in get_args(kind) if part is not NoneType)
    return kind


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise Unfit("expected a list of texts")
    return tuple(value)


def _path(value: Any, base: Path) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise Unfit("expected a path")
    return base / Path(value).expanduser()


def _checked(notes: Notes, value: Any) -> Any:
    if notes.choices and value not in notes.choices:
        raise Unfit("expected one of " + ", ".join(notes.choices))
    if isinstance(value, int | float) and not isinstance(value, bool):
        if notes.minimum is not None and value < notes.minimum:
            raise Unfit(f"expected at least {notes.minimum:g} {notes.unit}".rstrip())
        if notes.maximum is not None and not value <= notes.maximum:
            raise Unfit(f"expected at most {notes.maximum:g} {notes.unit}".rstrip())
    return value


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
