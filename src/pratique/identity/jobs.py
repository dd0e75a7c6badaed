"""Background work of identity: what has ended by time is removed."""

import sqlalchemy as sa

from pratique.core.clock import SECOND
from pratique.core.database import Database, Transaction
from pratique.core.events import EventBus
from pratique.core.jobs import JobContext, JobHandlers
from pratique.core.settings.schema import Identity as IdentitySettings
from pratique.identity import activation, reviews
from pratique.identity.tables import login_failures, sessions, sign_in_links, sign_in_steps

SWEEP_KIND = "identity.sweep"
SWEEP_SECONDS = 3600.0
REVIEW_KIND = "identity.review"
REVIEW_SECONDS = 900.0


def register(handlers: JobHandlers, database: Database, settings: IdentitySettings) -> None:
    """Sweep once an hour; whatever is swept was refused already."""

    def run(_: JobContext) -> None:
        database.write(lambda tx: sweep(tx, settings))

    handlers.register(SWEEP_KIND, run, concurrency=1)
    handlers.schedule(SWEEP_KIND, SWEEP_SECONDS)


def register_reviews(handlers: JobHandlers, database: Database, settings: IdentitySettings, events: EventBus) -> None:
    """Look four times an hour, and after each start, at what is held and not needed."""

    def run(_: JobContext) -> None:
        database.write(lambda tx: reviews.refresh(tx, settings, events))

    handlers.register(REVIEW_KIND, run, concurrency=1)
    handlers.schedule(REVIEW_KIND, REVIEW_SECONDS, immediately=True)


def sweep(tx: Transaction, settings: IdentitySettings) -> int:
    """Remove sessions, links, steps and counts of tries that have ended; returns how many."""
    idle = tx.now - int(settings.session_idle * SECOND)
    ended = sa.or_(sessions.c.expires_at <= tx.now, sessions.c.seen_at <= idle)
    deletions = (
        sa.delete(sessions).where(ended),
        sa.delete(sign_in_links).where(sign_in_links.c.expires_at <= tx.now),
        sa.delete(sign_in_steps).where(sign_in_steps.c.expires_at <= tx.now),
        sa.delete(login_failures).where(login_failures.c.until <= tx.now),
    )
    return sum(tx.execute(deletion).rowcount for deletion in deletions) + activation.sweep(tx)
