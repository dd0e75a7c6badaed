"""What a page about access is made of: sections with a table, a form, or both. Every text in them is escaped."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from pratique.console.pages.desk import Desk


@dataclass(frozen=True, slots=True)
class Cell:
    """A text; with a page that it leads to, an instant in place of a text, or a mark of something that matters."""

    text: str = ""
    href: str = ""
    at: int | None = None
    badge: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """A form with one button; it works without scripts."""

    address: str
    label: str
    kind: str = ""
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; its first cell names it."""

    cells: tuple[Cell, ...]
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form; with `options` it is a list to choose from."""

    name: str
    label: str
    hint: str = ""
    value: str = ""
    options: tuple[str, ...] = ()
    needed: bool = True
    length: int = 255


@dataclass(frozen=True, slots=True)
class Form:
    """A form; `get` for questions, whose answers have an address of their own."""

    address: str
    label: str
    fields: tuple[Field, ...]
    get: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A card with a heading."""

    title: str
    note: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    empty: str = ""
    forms: tuple[Form, ...] = ()
    following: str = ""
    """Address of the next page."""
    codes: tuple[tuple[str, str], ...] = ()
    """Texts to copy, each with what it is."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A whole page."""

    title: str
    sub: str
    sections: Sequence[Section] = field(default_factory=tuple)
    crumb: tuple[str, str] = ("", "")
    buttons: tuple[Button, ...] = ()


def show(desk: Desk, request: Request, shown: Shown, status: int = 200) -> Response:
    """Return the answer for a page about access."""
    return desk.pages.page(request, "identity/page.html", status, shown=shown)


def place(*parts: str) -> str:
    """Return an address; names are encoded whole, so that none of them leads elsewhere."""
    return "/" + "/".join(quote(part, safe="") for part in parts)
