"""Brings a database to this version: one linear history on both engines, a snapshot first, one process at a time.

An empty database is made from the tables as they are now. alembic is slow to import, so it is imported only when there
are revisions to apply.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from pratique.core.database import Database, Transaction, open_database
from pratique.core.errors import Conflict, Unavailable
from pratique.core.progress import NullReporter, Reporter

VERSIONS = Path(__file__).with_name("versions")
KEEP = 3
"""Snapshots that are kept."""
_LOCK = 0x70726174  # "prat": the advisory lock on PostgreSQL


@dataclass(frozen=True, slots=True)
class Migration:
    """What was applied, and where the copy from before is, if one was made."""

    applied: tuple[str, ...]
    snapshot: Path | None


def revisions() -> tuple[str, ...]:
    """Return the ids of all revisions of this version, oldest first."""
    return tuple(sorted(path.name[:4] for path in VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py")))


def check(url: str) -> tuple[str, ...]:
    """Return the revisions that the database lacks; changes nothing. Conflict if a newer version has written it."""
    path = _sqlite_path(url)
    if path is not None and not path.exists():
        return revisions()
    database = open_database(url)
    try:
        return _pending(database)
    finally:
        database.close()


def migrate(url: str, state: Path, *, snapshot: bool = True, reporter: Reporter | None = None) -> Migration:
    """Apply what is missing, all or nothing; quick when nothing is.

    SQLite is copied into `state`/snapshots before. PostgreSQL does not copy itself: there `snapshot` raises Conflict
    unless the database is empty.
    """
    database = open_database(url)
    try:
        if not _pending(database):
            return Migration((), None)
        with _lock(url, database):
            pending = _pending(database)  # another process may have done it meanwhile
            copy = _snapshot(database, state) if snapshot and pending and _stored(database) else None
            _apply(database, pending, reporter or NullReporter())
            return Migration(pending, copy)
    finally:
        database.close()


def _pending(database: Database) -> tuple[str, ...]:
    stored, known = _stored(database), revisions()
    if stored is None:
        return known
    if stored not in known:
        raise Conflict(
            f"The database has revision {stored}, which this version does not know.",
            remedy="Install the version that wrote it, or a later one; or restore the snapshot made before.",
        )
    return known[known.index(stored) + 1 :]


def _stored(database: Database) -> str | None:
    """Return the revision of the database, None if it has none."""

    def body(tx: Transaction) -> str | None:
        if not sa.inspect(tx.connection).has_table("alembic_version"):
            return None
        value: str | None = tx.connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return value

    return database.read(body)


def _apply(database: Database, pending: tuple[str, ...], reporter: Reporter) -> None:
    if not pending:
        return
    reporter.start("Bringing the database to this version", len(pending), "revisions")
    if pending == revisions():
        _create(database, pending[-1])
    else:
        from pratique.migrations.apply import upgrade

        database.write(lambda tx: upgrade(tx.connection, VERSIONS, reporter))
    reporter.finish()


def _create(database: Database, newest: str) -> None:
    """Make an empty database what all revisions together would make it, at a fraction of their time."""
    from pratique.migrations.tables import metadata

    def body(tx: Transaction) -> None:
        metadata.create_all(tx.connection, checkfirst=False)  # fails, as the revisions would, where something is
        tx.connection.exec_driver_sql(
            "CREATE TABLE alembic_version "
            "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
        tx.connection.execute(sa.text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": newest})

    database.write(body)


def _snapshot(database: Database, state: Path) -> Path:
    if database.dialect != "sqlite":
        raise Conflict(
            "PostgreSQL has to be saved before it is upgraded, and this command does not do that.",
            remedy="Save it with pg_dump or your provider's snapshots; then run `pratique upgrade --no-snapshot`.",
        )
    folder = state / "snapshots"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    moment = datetime.fromtimestamp(database.clock.now() / 1e6, tz=UTC)
    path = folder / f"{moment:%Y%m%dT%H%M%SZ}-before-upgrade-from-{_stored(database)}.db"
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    _require_room(database, folder)
    database.copy_to(part)
    part.chmod(0o600)
    _sync(part)
    part.replace(path)
    for old in sorted(folder.glob("*-before-upgrade-from-*.db"))[:-KEEP]:
        old.unlink()
    return path


def _require_room(database: Database, folder: Path) -> None:
    count, size = (
        database.read(lambda tx, name=name: tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())  # type: ignore[misc]
        for name in ("page_count", "page_size")
    )
    status = os.statvfs(folder)
    if status.f_bavail * status.f_frsize < count * size * 1.1:
        raise Unavailable(
            f"There is no room in {folder} for a copy of the database ({count * size >> 20} MiB).",
            remedy="Free some space, or run `pratique upgrade --no-snapshot` if you have a copy.",
        )


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _lock(url: str, database: Database) -> Iterator[None]:
    """Hold the only right to migrate this database; waits for whoever has it."""
    path = _sqlite_path(url)
    if path is None:
        with _advisory_lock(url):
            yield
        return
    del database
    descriptor = os.open(f"{path}-migrate", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _advisory_lock(url: str) -> Iterator[None]:
    engine = sa.create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(_LOCK)))
        yield  # the lock ends with the connection
    engine.dispose()


def _sqlite_path(url: str) -> Path | None:
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None
