"""Durable background work in the product's own database."""

from pratique.core.jobs.errors import Cancelled, GiveUp, Interrupted, LeaseLost, Postpone
from pratique.core.jobs.handlers import JobContext, JobHandler, JobHandlers, JobReporter
from pratique.core.jobs.queue import JobQueue
from pratique.core.jobs.types import Job, JobState, JobStatus
from pratique.core.jobs.worker import Worker

__all__ = [
    "Cancelled",
    "GiveUp",
    "Interrupted",
    "Job",
    "JobContext",
    "JobHandler",
    "JobHandlers",
    "JobQueue",
    "JobReporter",
    "JobState",
    "JobStatus",
    "LeaseLost",
    "Postpone",
    "Worker",
]
