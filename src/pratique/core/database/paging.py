"""Keyset pages behind opaque cursors: stable while rows come and go; a cursor made elsewhere is refused."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from pratique.core.errors import Invalid

MAX_LIMIT = 500
T = TypeVar("T")
_TAG = 12


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items and the cursor of the next page, None at the end."""

    items: tuple[T, ...]
    next: str | None


class Cursors:
    """Makes and checks cursors with a secret; a cursor is good only for the listing that made it."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def encode(self, listing: str, position: Sequence[Any]) -> str:
        body = msgspec.json.encode(list(position))
        return base64.urlsafe_b64encode(self._tag(listing, body) + body).decode().rstrip("=")

    def decode(self, listing: str, cursor: str) -> list[Any]:
        """Return the position inside `cursor`, or raise Invalid if this listing did not make it."""
        try:
            data = base64.urlsafe_b64decode(cursor[:2048] + "=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError):
            data = b""
        tag, body = data[:_TAG], data[_TAG:]
        if not hmac.compare_digest(tag, self._tag(listing, body)):
            raise Invalid("The cursor is not valid for this listing.", remedy="Begin again with the first page.")
        position: list[Any] = msgspec.json.decode(body)
        return position

    def _tag(self, listing: str, body: bytes) -> bytes:
        name = listing.encode()
        return hmac.digest(self._secret, len(name).to_bytes(4, "big") + name + body, hashlib.sha256)[:_TAG]


def check_limit(limit: int) -> int:
    """Return `limit`, or raise Invalid unless it is 1 to 500."""
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid(f"The limit {limit} is out of range.", remedy=f"Ask for 1 to {MAX_LIMIT} items.")
    return limit


def after(
    columns: Sequence[sa.ColumnElement[Any]], position: Sequence[Any], *, descending: Sequence[bool]
) -> sa.ColumnElement[bool]:
    """Return the condition for rows that come after `position` in the order of `columns` (none of them null)."""
    if len(set(descending)) == 1:  # as one comparison of rows: an index that holds the columns is entered at the place
        held_row = sa.tuple_(*(sa.literal(held, column.type) for column, held in zip(columns, position, strict=True)))
        return sa.tuple_(*columns) < held_row if descending[0] else sa.tuple_(*columns) > held_row
    clauses: list[sa.ColumnElement[bool]] = []
    for index, (column, value) in enumerate(zip(columns, position, strict=True)):
        equal = [other == held for other, held in zip(columns[:index], position[:index], strict=True)]
        clauses.append(sa.and_(*equal, column < value if descending[index] else column > value))
    return sa.or_(*clauses)


def page(rows: Sequence[Any], limit: int, make: Callable[[Any], T], cursor: Callable[[Any], str]) -> Page[T]:
    """Return the page of `rows`, which were asked for with one more than `limit`."""
    kept = rows[:limit]
    return Page(tuple(make(row) for row in kept), cursor(kept[-1]) if len(rows) > limit else None)
