"""The audit log: who did what to what, so that a later change of the log itself is found."""

from pratique.core.audit.log import Audit
from pratique.core.audit.types import Entry, Principal, Problem, Verification

__all__ = ["Audit", "Entry", "Principal", "Problem", "Verification"]
