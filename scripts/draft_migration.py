"""Drafts a revision: what turns a database of the last revision into what the tables say now.

    python scripts/draft_migration.py "what it is for"      the next revision
    python scripts/draft_migration.py --again               the newest one anew, while it is not released

Read and clean the draft by hand: alembic sees tables and columns, not data.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import postgresql, sqlite

from pratique.core.database import Transaction, open_database
from pratique.core.database.schema import Id, JsonText, Surrogate, TextC
from pratique.core.progress import NullReporter
from pratique.migrations.apply import upgrade
from pratique.migrations.run import VERSIONS, revisions
from pratique.migrations.tables import metadata

ENGINES = (sqlite.dialect(), postgresql.dialect())
TEMPLATE = '''"""{title}"""

import sqlalchemy as sa
from alembic import op
{types}
revision = "{revision}"
down_revision = {before}
branch_labels = None
depends_on = None


def upgrade() -> None:
{body}
'''


def type_name(kind: str, item: Any, _context: Any) -> str | bool:
    """Return how a revision writes one of our column types."""
    if kind != "type":
        return False
    if isinstance(item, JsonText):
        return "JsonText()"
    for known, name in ((Id, "Id"), (TextC, "TextC"), (Surrogate, "Surrogate")):
        if all(item.compile(engine) == known.compile(engine) for engine in ENGINES):
            return name
    return False


def draft(connection: sa.Connection) -> str:
    # In batches, because SQLite changes a constraint only by writing its table anew.
    options = {"compare_type": True, "render_item": type_name, "user_module_prefix": None, "render_as_batch": True}
    context = MigrationContext.configure(connection, opts={**options, "target_metadata": metadata})
    script = produce_migrations(context, metadata)
    if script.upgrade_ops is None:
        return ""
    return render_python_code(
        script.upgrade_ops, render_item=type_name, render_as_batch=True, migration_context=context
    )


def body_of(rendered: str) -> str:
    """Return the statements alone, with names that are final (alembic marks them with op.f)."""
    lines = [line for line in rendered.splitlines() if not line.strip().startswith("#")]
    return re.sub(r"(?:batch_)?op\.f\(('[^']*')\)", r"\1", "\n".join(lines))


def withdraw_newest() -> str:
    """Remove the newest revision and return its title."""
    newest = revisions()[-1]
    (path,) = VERSIONS.glob(f"{newest}_*.py")
    title = path.read_text().splitlines()[0].strip('"')
    path.unlink()
    return title


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("title", nargs="?", default="")
    parser.add_argument("--again", action="store_true")
    chosen = parser.parse_args()
    title = withdraw_newest() if chosen.again else chosen.title
    if not title:
        sys.exit("say what the revision is for")
    known = revisions()
    number = f"{len(known) + 1:04}"
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/draft.db")

        def body(tx: Transaction) -> str:
            upgrade(tx.connection, VERSIONS, NullReporter())
            return draft(tx.connection)

        statements = body_of(database.write(body))
        database.close()
    types = sorted(name for name in ("Id", "JsonText", "Surrogate", "TextC") if re.search(rf"\b{name}\b", statements))
    imports = f"\nfrom pratique.core.database.schema import {', '.join(types)}\n" if types else ""
    before = f'"{known[-1]}"' if known else "None"
    slug = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:40].rstrip("_")
    path = VERSIONS / f"{number}_{slug}.py"
    path.write_text(
        TEMPLATE.format(title=title, types=imports, revision=number, before=before, body="    " + statements.strip())
    )
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", str(path)], check=True)
    print(path)


if __name__ == "__main__":
    main()
