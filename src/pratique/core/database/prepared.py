"""Statements built once: building one costs more than running it, and a built one is found in the cache at once."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pratique.core.database.transaction import DialectName

Inserts = Mapping[DialectName, sqlite.Insert]


def inserts(table: sa.Table, build: Callable[[sqlite.Insert], sqlite.Insert]) -> Inserts:
    """Return the INSERT that `build` makes of an empty one, by engine: `tx.execute(INSERTS[tx.dialect], rows)`."""
    return {
        "sqlite": build(sqlite.insert(table)),
        "postgresql": build(cast("sqlite.Insert", postgresql.insert(table))),
    }


def ignoring(table: sa.Table) -> Inserts:
    """Return an INSERT that leaves rows alone that are there already."""
    return inserts(table, lambda insert: insert.on_conflict_do_nothing())


def one_of(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """Return the condition that `column` is one of the values that are given as `name` when the statement runs."""
    return column.in_(sa.bindparam(name, expanding=True))
