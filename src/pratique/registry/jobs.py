"""Background work of the registry."""

from pratique.core.blobs import BlobStore
from pratique.core.database import Database
from pratique.core.jobs import JobContext, JobHandlers
from pratique.registry.uploads import expired_uploads, forget_uploads

EXPIRE_UPLOADS = "registry.expire-uploads"
EVERY = 600.0


def register_jobs(handlers: JobHandlers, database: Database, store: BlobStore) -> None:
    """Remove unfinished uploads whose time is over, every ten minutes."""

    def run(context: JobContext) -> None:
        while remove_expired(database, store):
            context.raise_if_cancelled()

    handlers.register(EXPIRE_UPLOADS, run)
    handlers.schedule(EXPIRE_UPLOADS, EVERY, {})


def remove_expired(database: Database, store: BlobStore) -> int:
    """Remove one batch of expired uploads; return how many. A crash in between is made good by the next run."""
    closed = database.write(expired_uploads)
    for _, spans in closed:
        for span in spans:
            store.delete(span.key)
    if closed:
        database.write(lambda tx: forget_uploads(tx, [upload_id for upload_id, _ in closed]))
    return len(closed)
