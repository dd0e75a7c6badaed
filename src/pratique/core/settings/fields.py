"""How one setting is declared: its default, its unit, why it has that default, and its bounds."""

from collections.abc import Iterator, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar, cast, get_type_hints

T = TypeVar("T")

_KEY = "pratique.setting"


@dataclass(frozen=True)
class Notes:
    """What is written beside a setting, for people and for checks."""

    doc: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False


def setting(
    default: T,
    doc: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    secret: bool = False,
) -> T:
    """Declare a dataclass field that carries its own documentation.

    `doc` says what the setting does and why the default is what it is; `unit` is what a bare number means.
    A `secret` value is never shown by `pratique config show`.
    """
    notes = Notes(doc, unit, minimum, maximum, tuple(choices), secret)
    return field(default=default, metadata={_KEY: notes})


def section(kind: type[T]) -> T:
    """Declare a nested section whose fields all keep their defaults unless they are set."""
    return field(default_factory=kind)


@dataclass(frozen=True)
class Setting:
    """One documented setting: dotted key, type, default and notes."""

    key: str
    kind: Any
    default: Any
    notes: Notes

    @property
    def variable(self) -> str:
        """The environment variable that sets it: `registry.gate_wait` is `PRATIQUE_REGISTRY__GATE_WAIT`."""
        return "PRATIQUE_" + self.key.replace(".", "__").upper()


def walk(schema: type[Any], prefix: str = "") -> Iterator[Setting]:
    """Yield every setting of a schema class, sections in the order in which they are declared."""
    hints = get_type_hints(schema)
    for entry in fields(schema):
        kind = hints[entry.name]
        if isinstance(kind, type) and is_dataclass(kind):
            yield from walk(kind, f"{prefix}{entry.name}.")
        else:
            yield Setting(f"{prefix}{entry.name}", kind, entry.default, notes_of(entry))


def notes_of(entry: Field[Any]) -> Notes:
    """Return the notes of a field; a field that was declared without `setting` is a programming error."""
    return cast("Notes", entry.metadata[_KEY])
