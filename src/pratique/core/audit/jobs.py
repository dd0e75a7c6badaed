"""Sealing as a scheduled job."""

from pratique.core.audit.checkpoints import CHECKPOINT_KIND, CHECKPOINT_SECONDS, Checkpointer, Signer
from pratique.core.audit.log import Audit
from pratique.core.database.database import Database
from pratique.core.jobs.handlers import JobContext, JobHandlers


def register(handlers: JobHandlers, database: Database, audit: Audit, signer: Signer) -> None:
    """Seal the audit log once a minute, if something was added."""
    checkpointer = Checkpointer(database, signer, audit.sink)

    def run(_context: JobContext) -> None:
        checkpointer.run()

    handlers.register(CHECKPOINT_KIND, run, timeout=300.0, concurrency=1)
    handlers.schedule(CHECKPOINT_KIND, CHECKPOINT_SECONDS)
