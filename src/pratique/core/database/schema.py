"""The one metadata that every domain's `tables` adds to, and the column types of the conventions."""

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Text sorts by code point on both engines: SQLite's default is that, PostgreSQL needs to be told.
TextC = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Id = sa.String(36).with_variant(sa.String(36, collation="C"), "postgresql")
Micros = sa.BigInteger()
"""UTC microseconds."""
Surrogate = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A 64-bit key counted by the database; SQLite counts only columns declared INTEGER."""


class JsonText(sa.TypeDecorator[Any]):
    """JSON as text: dictionaries and lists go in (and whatever msgspec encodes), dictionaries and lists come out."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else msgspec.json.decode(value)


@compiles(sa.Computed, "postgresql")
def _stored(column: sa.Computed, compiler: Any, **_: Any) -> str:
    """Say STORED on every version, for only that can be indexed there; SQLite indexes what it does not store."""
    text = compiler.sql_compiler.process(column.sqltext, include_table=False, literal_binds=True)
    return f"GENERATED ALWAYS AS ({text}) STORED"


epochs = sa.Table(
    "epochs",
    metadata,
    sa.Column("name", TextC, primary_key=True),
    sa.Column("shard", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.BigInteger, nullable=False),
)
