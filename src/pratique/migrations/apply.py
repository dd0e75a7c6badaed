"""Runs alembic on an open connection: no ini file, no environment script, no transaction of its own."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from pratique.core.progress import Reporter


def upgrade(connection: sa.Connection, versions: Path, reporter: Reporter) -> None:
    """Apply every missing revision inside the transaction of `connection`."""
    config, script = open_history(versions)

    def steps(revision: Any, _context: Any) -> Iterable[Any]:
        for step in script._upgrade_revs("heads", revision):  # noqa: SLF001  what alembic's own `upgrade` command calls
            reporter.advance(note=step.doc or "")
            yield step

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(connection=connection, transactional_ddl=False)
        environment.run_migrations()


def open_history(versions: Path) -> tuple[Config, ScriptDirectory]:
    """Return alembic's view of the revisions in a folder."""
    config = Config()
    config.set_main_option("script_location", str(versions.parent))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(versions))
    return config, ScriptDirectory.from_config(config)
