"""Records: engines, unit of work, paging, epochs, hints."""

from pratique.core.database.database import Database, create_schema, open_database
from pratique.core.database.epochs import Epochs
from pratique.core.database.hints import Hints
from pratique.core.database.paging import Cursors, Page
from pratique.core.database.schema import Id, JsonText, Micros, Surrogate, TextC, metadata
from pratique.core.database.transaction import Transaction

__all__ = [
    "Cursors",
    "Database",
    "Epochs",
    "Hints",
    "Id",
    "JsonText",
    "Micros",
    "Page",
    "Surrogate",
    "TextC",
    "Transaction",
    "create_schema",
    "metadata",
    "open_database",
]
