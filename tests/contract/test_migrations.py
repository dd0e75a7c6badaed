"""What an upgrade guarantees, on every engine."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from tests.postgresql import Cluster

from pratique.core.database import Database, create_schema, open_database
from pratique.core.errors import Conflict
from pratique.core.progress import NullReporter
from pratique.migrations import run
from pratique.migrations.apply import upgrade
from pratique.migrations.run import check, migrate, revisions
from pratique.migrations.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, state_dir: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{state_dir}/empty.db"
        return
    cluster: Cluster = request.getfixturevalue("postgresql_cluster")
    name = cluster.create_empty_database()
    yield cluster.url(name)
    cluster.drop_database(name)


def read(url: str, body: Callable[[Any], Any]) -> Any:
    database = open_database(url)
    try:
        return database.read(body)
    finally:
        database.close()


def create(url: str, state_dir: Path) -> None:
    migrate(url, state_dir)


def walk_revisions(url: str, _state_dir: Path) -> None:
    """Bring an empty database to this version as one of the first release is brought there: by every revision."""
    database = open_database(url)
    database.write(lambda tx: upgrade(tx.connection, run.VERSIONS, NullReporter()))
    database.close()


both_ways = pytest.mark.parametrize("make", [create, walk_revisions])
Make = Callable[[str, Path], None]


def schema_of(tx: Any) -> dict[Any, Any]:
    """Return everything that the engine itself says about its tables."""
    if tx.dialect == "sqlite":
        rows = tx.connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%' AND name NOT LIKE 'sqlite_%'"
        )
        return {name: _parts(sql) for name, sql in rows}
    questions = {
        "columns": "SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default, "
        "character_maximum_length FROM information_schema.columns WHERE table_schema = 'public'",
        "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace",
    }
    return {
        (kind, *row[:2]): row[2:]
        for kind, question in questions.items()
        for row in tx.connection.exec_driver_sql(question).all()
        if not row[0].startswith("alembic")
    }


def _parts(sql: str) -> list[str]:
    """Return the definitions inside a CREATE statement in an order of their own: engines keep that of writing."""
    flat = " ".join(sql.split())
    head, _, rest = flat.partition("(")
    body, _, end = rest.rpartition(")")
    return [head, end.strip(), *sorted(part.strip() for part in body.split(", "))]


@both_ways
def test_a_migrated_database_is_what_the_tables_say(
    empty_url: str, state_dir: Path, request: pytest.FixtureRequest, make: Make
) -> None:
    database_url = request.getfixturevalue(f"{empty_url.partition(':')[0]}_url")
    make(empty_url, state_dir)
    declared = open_database(database_url)
    create_schema(declared)
    wanted = declared.read(schema_of)
    declared.close()
    found = read(empty_url, schema_of)
    assert found.keys() == wanted.keys()
    assert {name: found[name] for name in found if found[name] != wanted[name]} == {
        name: wanted[name] for name in found if found[name] != wanted[name]
    }


@both_ways
def test_alembic_sees_no_difference(empty_url: str, state_dir: Path, make: Make) -> None:
    make(empty_url, state_dir)

    def compare(tx: Any) -> Any:
        return compare_metadata(MigrationContext.configure(tx.connection, opts={"compare_type": True}), metadata)

    assert read(empty_url, compare) == []


@both_ways
def test_a_new_database_says_its_revision_as_alembic_does(empty_url: str, state_dir: Path, make: Make) -> None:
    make(empty_url, state_dir)

    def kept(tx: Any) -> Any:
        table = sa.inspect(tx.connection)
        key = table.get_pk_constraint("alembic_version")
        (column,) = table.get_columns("alembic_version")
        value = tx.connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
        return value, key["name"], key["constrained_columns"], str(column["type"]), column["nullable"]

    assert read(empty_url, kept) == ([NEWEST], "alembic_version_pkc", ["version_num"], "VARCHAR(32)", False)
    assert check(empty_url) == ()


def test_what_somebody_else_keeps_is_not_taken_for_an_empty_database(empty_url: str, state_dir: Path) -> None:
    database = open_database(empty_url)
    database.write(lambda tx: tx.connection.exec_driver_sql("CREATE TABLE findings (mine INTEGER)"))
    database.close()
    with pytest.raises(sa.exc.DBAPIError, match="findings"):
        migrate(empty_url, state_dir, snapshot=False)
    assert tables(empty_url) == {"findings"}


def test_an_upgrade_happens_once(empty_url: str, state_dir: Path) -> None:
    assert check(empty_url) == revisions()
    assert migrate(empty_url, state_dir).applied == revisions()
    assert check(empty_url) == ()
    assert migrate(empty_url, state_dir) == run.Migration((), None)


def test_processes_that_start_together_upgrade_once(empty_url: str, state_dir: Path) -> None:
    results: list[run.Migration] = []
    threads = [threading.Thread(target=lambda: results.append(migrate(empty_url, state_dir))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.applied for result in results) == [(), (), (), revisions()]


def test_nothing_to_do_is_quick_and_imports_no_alembic(empty_url: str, state_dir: Path) -> None:
    migrate(empty_url, state_dir)
    code = (
        "import sys\nfrom pathlib import Path\nfrom pratique.migrations.run import check, migrate\n"
        "check(sys.argv[1]); migrate(sys.argv[1], Path(sys.argv[2]))\n"
        "print([name for name in sys.modules if name.startswith('alembic')])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, empty_url, str(state_dir)], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_a_database_of_a_newer_version_is_left_alone(empty_url: str, state_dir: Path) -> None:
    migrate(empty_url, state_dir)
    database = open_database(empty_url)
    database.write(lambda tx: tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")))
    database.close()
    for call in (lambda: check(empty_url), lambda: migrate(empty_url, state_dir)):
        with pytest.raises(Conflict, match="9999"):
            call()


NEWEST = revisions()[-1]
NEXT = f"{len(revisions()) + 1:04}"
LATER = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "{number}", "{before}", None, None

def upgrade():
    op.create_table("later", sa.Column("id", sa.Integer(), primary_key=True))
    {fault}
"""


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Pretend to be a later version with one more revision."""
    folder = tmp_path / "versions"
    folder.mkdir()
    for path in run.VERSIONS.glob("0*.py"):
        (folder / path.name).write_text(path.read_text())

    def add(fault: str) -> None:
        text = LATER.format(number=NEXT, before=NEWEST, fault=fault)
        (folder / f"{NEXT}_later.py").write_text(text)
        monkeypatch.setattr(run, "VERSIONS", folder)

    return add


def tables(url: str) -> set[str]:
    return set(read(url, lambda tx: sa.inspect(tx.connection).get_table_names()))


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(
    empty_url: str, state_dir: Path, later: Callable[[str], None]
) -> None:
    migrate(empty_url, state_dir)
    later("raise RuntimeError('half way')")
    with pytest.raises(RuntimeError, match="half way"):
        migrate(empty_url, state_dir, snapshot=False)
    assert "later" not in tables(empty_url)
    assert check(empty_url) == (NEXT,)
    later("pass")
    assert migrate(empty_url, state_dir, snapshot=False).applied == (NEXT,)
    assert "later" in tables(empty_url)


def test_a_copy_is_made_before_or_asked_for(empty_url: str, state_dir: Path, later: Callable[[str], None]) -> None:
    assert migrate(empty_url, state_dir).snapshot is None  # there was nothing to lose
    later("pass")
    if empty_url.startswith("postgresql"):
        with pytest.raises(Conflict, match="pg_dump"):
            migrate(empty_url, state_dir)
        assert check(empty_url) == (NEXT,)
        return
    done = migrate(empty_url, state_dir)
    assert done.snapshot is not None
    assert done.snapshot.stat().st_mode & 0o777 == 0o600
    before = f"sqlite:///{done.snapshot}"
    assert "later" not in tables(before)
    assert check(before) == (NEXT,)


def test_only_the_last_copies_are_kept(state_dir: Path, sqlite_database: Database) -> None:
    folder = state_dir / "snapshots"
    folder.mkdir()
    for day in range(5):
        (folder / f"2026010{day}T000000Z-before-upgrade-from-0001.db").write_bytes(b"")
    database = open_database(f"sqlite:///{state_dir}/pratique.db")
    database.write(lambda tx: tx.connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT)"))
    kept = run._snapshot(database, state_dir)
    database.close()
    assert len(list(folder.iterdir())) == run.KEEP
    assert kept.exists()
