"""Statements compiled once, for reads on the event loop: on SQLite the toolkit would cost twice what the read does."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction


class Prepared:
    """A SELECT of at most one row, without conversions: text, whole numbers and bytes only."""

    def __init__(self, statement: sa.Select[Any]) -> None:
        self._statement = statement
        self._text = ""
        self._order: tuple[str, ...] = ()
        self._fixed: Mapping[str, Any] = {}

    def first(self, tx: Transaction, parameters: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Return the row, or None."""
        if tx.dialect != "sqlite":
            # There a statement begins a transaction, which must stay in the toolkit's hands.
            found = tx.execute(self._statement, parameters).first()
            return None if found is None else tuple(found)
        if not self._text:
            self._compile(tx)
        values = {**self._fixed, **parameters}
        driver: Any = tx.connection.connection.driver_connection
        row: tuple[Any, ...] | None = driver.execute(self._text, [values[name] for name in self._order]).fetchone()
        return row

    def _compile(self, tx: Transaction) -> None:
        compiled: Any = self._statement.compile(dialect=tx.connection.dialect)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._order = tuple(compiled.positiontup)
        self._text = str(compiled)
